import Foundation
import OAuth
import Web

/// Whose pages they are.
extension Settings {
    func brand() throws -> Brand {
        try Brand(name: brandName(), logo: logo(), accent: accent())
    }

    func brandName() throws -> String? {
        guard let name = self[.brandName] else { return nil }
        do {
            _ = try Brand(name: name)
            return name
        } catch {
            throw invalid(.brandName, "\(error)")
        }
    }

    /// The logo as it is now; the pages show it until the next start.
    func logo() throws -> Logo? {
        guard let path = self[.brandLogo] else { return nil }
        let bytes: [UInt8]
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            // One more than it may have, of a file that may have any number.
            bytes = Array(try file.read(upToCount: Limits.brandLogoBytes + 1) ?? Data())
        } catch {
            throw invalid(
                .brandLogo,
                "names the file \(path), which cannot be read: "
                    + "\((error as NSError).localizedDescription) Name a picture that this user "
                    + "may read")
        }
        do {
            return try Logo(bytes)
        } catch {
            throw invalid(.brandLogo, "names the file \(path), which \(error)")
        }
    }

    func accent() throws -> Color? {
        guard let text = self[.brandColor] else { return nil }
        guard let color = Color(text) else {
            throw invalid(.brandColor, "is no colour like #1d5a4b; write # and six digits, 0 to f")
        }
        return color
    }
}

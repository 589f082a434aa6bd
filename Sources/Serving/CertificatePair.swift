import NIOSSL

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A certificate chain and its key as PEM, read from files and found fit to serve.
struct CertificatePair: Sendable {
    /// The chain's blocks alone: files often hold text between them, or the key too.
    let certificates: [UInt8]
    /// The one block of a private key; `openssl ecparam` writes its parameters before it.
    let key: [UInt8]
    /// The end of the first certificate's validity, in seconds since 1970.
    let validUntil: Int64

    static func read(_ files: TLSFiles) throws(CertificateError) -> CertificatePair {
        let chainText = try contents(files.certificate, "certificate")
        let keyText = try contents(files.key, "key")

        let chain = PEMBlock.all(in: chainText).filter { $0.label == "CERTIFICATE" }
        guard !chain.isEmpty else {
            throw CertificateError(
                "the TLS certificate file \(files.certificate) has no PEM certificate in it")
        }
        let keys = PEMBlock.all(in: keyText).filter { $0.label.hasSuffix("PRIVATE KEY") }
        guard let key = keys.first else {
            throw CertificateError("the TLS key file \(files.key) has no PEM private key in it")
        }
        guard keys.count == 1 else {
            throw CertificateError("the TLS key file \(files.key) has more than one private key")
        }
        guard key.label != "ENCRYPTED PRIVATE KEY", !key.text.contains("Proc-Type: 4,ENCRYPTED")
        else {
            throw CertificateError(
                "the TLS key in \(files.key) is protected by a password; store it without one")
        }
        return try examined(chain: chain, key: key, files: files)
    }

    /// Makes a TLS context of the pair, so that a mismatch is found here and not by a client.
    private static func examined(
        chain: [PEMBlock], key: PEMBlock, files: TLSFiles
    ) throws(CertificateError) -> CertificatePair {
        var certificates: [NIOSSLCertificate] = []
        for block in chain {
            do {
                certificates.append(
                    try NIOSSLCertificate(bytes: Array(block.text.utf8), format: .pem))
            } catch {
                throw CertificateError(
                    "certificate \(certificates.count + 1) in \(files.certificate) is damaged")
            }
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: Array(key.text.utf8), format: .pem)
        } catch {
            throw CertificateError("the TLS key in \(files.key) is damaged")
        }
        do {
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: certificates.map { .certificate($0) },
                    privateKey: .privateKey(privateKey)))
        } catch {
            throw CertificateError(
                "the TLS key in \(files.key) does not belong to the first certificate in "
                    + files.certificate)
        }
        return CertificatePair(
            certificates: Array(chain.map(\.text).joined(separator: "\n").utf8),
            key: Array(key.text.utf8),
            validUntil: certificates.first.map { Int64($0.notValidAfter) } ?? 0)
    }

    private static func contents(
        _ path: String, _ what: String
    ) throws(CertificateError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw CertificateError(
                FileManager.default.fileExists(atPath: path)
                    ? "the TLS \(what) file \(path) cannot be read"
                    : "the TLS \(what) file \(path) does not exist")
        }
        // PEM is ASCII; of other bytes no block can be made anyway.
        return String(decoding: data, as: UTF8.self)
    }
}

/// One `-----BEGIN X-----` to `-----END X-----` of a file (RFC 7468), with whatever is around it
/// left out.
struct PEMBlock: Equatable {
    let label: String
    let text: String

    static func all(in text: String) -> [PEMBlock] {
        var blocks: [PEMBlock] = []
        var label: String?
        var lines: [String] = []
        // By bytes: "\r\n" is one Character, and neither "\r" nor "\n".
        for bytes in text.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            let line = String(Substring(trimmed(bytes)))
            if let begun = between(line, "-----BEGIN ", "-----") {
                label = begun
                lines = [line]
            } else if let current = label {
                lines.append(line)
                if line == "-----END \(current)-----" {
                    blocks.append(
                        PEMBlock(label: current, text: lines.joined(separator: "\n") + "\n"))
                    label = nil
                }
            }
        }
        return blocks
    }

    private static func between(_ line: String, _ prefix: String, _ suffix: String) -> String? {
        guard line.hasPrefix(prefix), line.hasSuffix(suffix),
            line.utf8.count > prefix.utf8.count + suffix.utf8.count
        else { return nil }
        return String(line.dropFirst(prefix.count).dropLast(suffix.count))
    }
}

internal import Crypto
internal import CryptoExtras

/// A password as the database keeps it: scrypt (RFC 7914) in PHC form,
/// `$scrypt$ln=15,r=8,p=3$salt$hash`.
///
/// Making one and checking one take some tenths of a second of a core and 32 MiB on purpose: they
/// belong on threads of their own.
package struct PasswordHash: Sendable, Equatable {
    /// What scrypt costs: N = 2^logN rounds over blocks of 128 r bytes, p times.
    package struct Cost: Sendable, Equatable {
        package let logN: Int
        package let r: Int
        package let p: Int

        package init(logN: Int, r: Int, p: Int) {
            self.logN = logN
            self.r = r
            self.p = p
        }

        /// One of several choices of equal strength in OWASP's list, for servers that check few
        /// passwords at a time (docs/decisions/0011-passwords-and-throttles.md).
        package static let present = Cost(logN: 15, r: 8, p: 3)

        /// Bounds for what a row may ask of us.
        var isReasonable: Bool {
            (1...20).contains(logN) && (1...32).contains(r) && (1...16).contains(p)
                && (128 * r) << logN <= 1 << 28
        }
    }

    private let cost: Cost
    private let salt: [UInt8]
    private let hash: [UInt8]

    /// That scrypt could not be run: memory, most likely.
    package struct Failure: Error, Sendable {}

    /// Hashes a new password under a random salt.
    package init(
        _ password: Redacted<String>, cost: Cost = .present,
        using random: inout some RandomNumberGenerator
    ) throws(Failure) {
        self.cost = cost
        salt = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        hash = try Self.derive(password, salt, cost)
    }

    /// Reads the PHC form; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else { return nil }
        var values: [Substring: Int] = [:]
        for pair in parts[2].split(separator: ",") {
            let halves = pair.split(separator: "=", maxSplits: 1)
            guard halves.count == 2, let value = Int(halves[1]) else { return nil }
            values[halves[0]] = value
        }
        guard values.count == 3, let logN = values["ln"], let r = values["r"],
            let p = values["p"],
            let salt = Base64.decodeStandard(Array(parts[3].utf8)), !salt.isEmpty,
            let hash = Base64.decodeStandard(Array(parts[4].utf8)), hash.count == 32
        else { return nil }
        cost = Cost(logN: logN, r: r, p: p)
        guard cost.isReasonable else { return nil }
        self.salt = salt
        self.hash = hash
    }

    /// The PHC form.
    package var text: String {
        "$scrypt$ln=\(cost.logN),r=\(cost.r),p=\(cost.p)$\(Base64.encodeStandard(salt))"
            + "$\(Base64.encodeStandard(hash))"
    }

    /// Whether this is the password.
    package func matches(_ password: Redacted<String>) throws(Failure) -> Bool {
        constantTimeEqual(try Self.derive(password, salt, cost), hash)
    }

    /// Takes as long as a check of somebody's password, for a user who does not exist.
    package static let nobodys = PasswordHash(
        cost: .present, salt: [UInt8](repeating: 0, count: 16),
        hash: [UInt8](repeating: 0, count: 32))

    private init(cost: Cost, salt: [UInt8], hash: [UInt8]) {
        self.cost = cost
        self.salt = salt
        self.hash = hash
    }

    private static func derive(
        _ password: Redacted<String>, _ salt: [UInt8], _ cost: Cost
    ) throws(Failure) -> [UInt8] {
        do {
            let key = try KDF.Scrypt.deriveKey(
                from: Array(password.value.utf8), salt: salt, outputByteCount: 32,
                rounds: 1 << cost.logN, blockSize: cost.r, parallelism: cost.p)
            return unsafe key.withUnsafeBytes { unsafe Array($0) }
        } catch {
            throw Failure()
        }
    }

    /// Why a text cannot become a password, in words; nil where it can (OWASP ASVS 5, 6.2.1).
    package static func problem(with password: Redacted<String>) -> String? {
        let bytes = password.value.utf8.count
        if password.value.unicodeScalars.count < Limits.passwordBytes.lowerBound {
            return "the password is shorter than \(Limits.passwordBytes.lowerBound) characters"
        }
        if bytes > Limits.passwordBytes.upperBound {
            return "the password is longer than \(Limits.passwordBytes.upperBound) bytes"
        }
        if password.value.utf8.contains(0) { return "the password has a NUL character" }
        return nil
    }
}

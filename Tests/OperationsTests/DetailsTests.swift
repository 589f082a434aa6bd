import OAuth
import Testing

@testable import Operations

/// What operators say of people, and what is found of secrets: without a database.
@Suite struct DetailsTests {
    @Test(
        arguments: [
            ("ada", "Ada", "ada@example.com", true, nil),
            ("ada", nil, nil, false, nil),
            ("", nil, nil, false, .username), ("a\u{1}", nil, nil, false, .username),
            ("019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10", nil, nil, false, .username),
            ("ada", "", nil, false, .name), ("ada", "a\u{202E}b", nil, false, .name),
            ("ada", String(repeating: "x", count: Limits.nameBytes), nil, false, nil),
            ("ada", String(repeating: "x", count: Limits.nameBytes + 1), nil, false, .name),
            ("ada", nil, "ada", false, .email), ("ada", nil, "a@b@c", false, .email),
            ("ada", nil, "@b", false, .email), ("ada", nil, "a b@c", false, .email),
            ("ada", nil, String(repeating: "x", count: 252) + "@b", false, nil),
            ("ada", nil, String(repeating: "x", count: 253) + "@b", false, .email),
            ("ada", nil, nil, true, .verifiesNothing),
        ] as [(String, String?, String?, Bool, UserDetails.Problem?)])
    func whatMayBeStoredOfAUser(
        username: String, name: String?, email: String?, isVerified: Bool,
        expected: UserDetails.Problem?
    ) {
        var problem: UserDetails.Problem?
        do {
            _ = try UserDetails(
                username: username, name: name, email: email, isEmailVerified: isVerified)
        } catch {
            problem = error
        }
        #expect(problem == expected)
    }

    @Test func nothingMovesTheCursor() {
        #expect(
            printable("a\u{1B}[2Jb\u{202E}c\r\nd é") == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}\u{FFFD}d é")
    }

    /// Known secrets 1 (retired), 2 and 3; those that a configuration has, the signing one first.
    @Test(
        arguments: [
            ("cb", "all 2, old 2: 5"), ("bc", "all 2, old 3: 0"), ("cba", "all 2, old 2: 5"),
            ("dbc", "new 1"), ("b", "missing 3"), ("a", "missing 2 3"), (nil, ""),
        ] as [(String?, String)])
    func secrets(given: String?, expected: String) throws {
        func secret(_ name: Character) throws -> ServerSecret {
            try ServerSecret(String(repeating: String(name), count: 32))
        }
        let known = try zip("abc", 1...3).map { name, keyID in
            SecretRules.StoredSecret(
                keyID: UInt8(keyID), fingerprint: try secret(name).fingerprint,
                isRetired: keyID == 1)
        }
        let findings = Finding.ofSecrets(
            try given?.map(secret), known: known, grants: [2: 5])
        let texts = findings.map { finding in
            switch finding {
            case .newSecrets(let count): "new \(count)"
            case .allSecrets(let count): "all \(count)"
            case .oldSecret(let keyID, let grants): "old \(keyID): \(grants)"
            case .secrets(.missing(let keyIDs)):
                "missing " + keyIDs.map(String.init).joined(separator: " ")
            default: "?"
            }
        }
        #expect(texts.joined(separator: ", ") == expected)
        #expect(findings.contains { $0.level == .problem } == expected.hasPrefix("missing"))
    }
}

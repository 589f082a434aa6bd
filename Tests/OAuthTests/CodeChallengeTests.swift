import OAuth
import Testing

@Suite struct CodeChallengeTests {
    /// RFC 7636 appendix B.
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    private func made(of verifier: String) -> CodeChallenge {
        CodeChallenge(hash: digest(verifier))
    }

    @Test func theVectorOfTheStandard() throws {
        let read = try CodeChallenge(
            Fixture.form("code_challenge=\(Self.challenge)&code_challenge_method=S256"))
        #expect(read.isMet(by: Self.verifier))
        #expect(read == made(of: Self.verifier))
        #expect(Base64.encodeURL(read.hash) == Self.challenge)
    }

    /// 43 to 128 characters.
    @Test(arguments: [
        (0, false), (1, false), (42, false), (43, true), (44, true), (127, true), (128, true),
        (129, false), (4_096, false),
    ])
    func lengths(count: Int, isMet: Bool) {
        for character in ["a", "Z", "0", "-", ".", "_", "~"] {
            let verifier = String(repeating: character, count: count)
            #expect(made(of: verifier).isMet(by: verifier) == isMet)
        }
    }

    /// Every other character fails, though the hash is right.
    @Test func characters() {
        let unreserved = Set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~".utf8)
        for byte in UInt8(0)...127 {
            let verifier = String(repeating: "a", count: 42) + String(Unicode.Scalar(byte))
            #expect(made(of: verifier).isMet(by: verifier) == unreserved.contains(byte))
        }
        for other in ["é", "\u{301}", "ａ", "\u{212A}", "e\u{301}"] {
            let verifier = String(repeating: "a", count: 60) + other
            #expect(!made(of: verifier).isMet(by: verifier))
        }
    }

    @Test(arguments: [
        verifier + "A", String(verifier.dropLast()), String(verifier.reversed()), challenge, "",
        verifier.uppercased(), verifier.lowercased(), " " + verifier.dropFirst(), verifier + "\n",
        verifier + "=", verifier.replacing("-", with: "+"),
    ])
    func otherVerifiers(text: String) {
        #expect(!made(of: Self.verifier).isMet(by: text))
    }

    /// What is no challenge by S256 is refused at once, and not when it is redeemed.
    @Test(arguments: [
        "", "code_challenge=\(challenge)", "code_challenge_method=S256",
        "code_challenge=&code_challenge_method=S256",
        "code_challenge=\(challenge)&code_challenge_method=",
        "code_challenge=\(challenge)&code_challenge_method=plain",
        "code_challenge=\(verifier)&code_challenge_method=plain",
        "code_challenge=\(challenge)&code_challenge_method=s256",
        "code_challenge=\(challenge)&code_challenge_method=S256+",
        "code_challenge=\(challenge)%3D&code_challenge_method=S256",
        "code_challenge=\(challenge)A&code_challenge_method=S256",
        "code_challenge=\(challenge.dropLast())&code_challenge_method=S256",
        "code_challenge=\(challenge.dropLast())N&code_challenge_method=S256",
        "code_challenge=\(challenge.replacing("-", with: "%2B"))&code_challenge_method=S256",
        "code_challenge=\(challenge)%0A&code_challenge_method=S256",
        "code_challenge=%20\(challenge)&code_challenge_method=S256",
        "code_challenge=YQ&code_challenge_method=S256",
    ])
    func refused(form: String) {
        let error = #expect(throws: OAuthError.self) { try CodeChallenge(Fixture.form(form)) }
        #expect(error?.code == .invalidRequest)
    }
}

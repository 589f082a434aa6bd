import OAuth
import Testing

@Suite struct Base64Tests {
    @Test func everyLengthComesBack() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            #expect(Base64.decodeURL(Base64.encodeURL(bytes).utf8) == bytes)
        }
    }

    @Test(arguments: [
        // Spare bits set, padding, the other alphabet, white space, a lone character.
        "AB", "AAB", "AA==", "AA+A", "AA/A", "AA A", "AAAA\n", "A", "AAAAA", "é",
    ])
    func refusesOtherSpellings(text: String) {
        #expect(Base64.decodeURL(text.utf8) == nil)
    }

    @Test(
        arguments: [
            ("", []), ("YQ==", [0x61]), ("YQ", [0x61]), ("YWI=", [0x61, 0x62]),
            ("+/8=", [0xFB, 0xFF]),
        ] as [(String, [UInt8])])
    func standard(text: String, bytes: [UInt8]) {
        #expect(Base64.decodeStandard(Array(text.utf8)) == bytes)
    }

    @Test(arguments: ["YQ=", "Y===", "====", "YQ==YQ==", "-_8=", "YR=="])
    func standardRefuses(text: String) {
        #expect(Base64.decodeStandard(Array(text.utf8)) == nil)
    }
}

@Suite struct IdentifierTests {
    @Test func textComesBack() throws {
        let text = "0197c3d2-4e5f-7a6b-8c9d-0123456789ab"
        #expect(try #require(Identifier(text)).description == text)
        #expect(Identifier(text.uppercased())?.description == text)
    }

    @Test(arguments: [
        "", "0197c3d24e5f7a6b8c9d0123456789ab", "0197c3d2-4e5f-7a6b-8c9d-0123456789a",
        "0197c3d2-4e5f-7a6b-8c9d-0123456789abc", "0197c3d2-4e5f-7a6b-8c9d_0123456789ab",
        "{197c3d2-4e5f-7a6b-8c9d-0123456789ab", "g197c3d2-4e5f-7a6b-8c9d-0123456789ab",
        "٠197c3d2-4e5f-7a6b-8c9d-0123456789a",
    ])
    func refuses(text: String) {
        #expect(Identifier(text) == nil)
    }

    @Test func isVersionSevenAndOrderedByTime() {
        var random = SystemRandomNumberGenerator()
        let early = Identifier(milliseconds: 1_700_000_000_000, using: &random)
        let late = Identifier(milliseconds: 1_700_000_000_001, using: &random)
        #expect(early < late)
        #expect(early.high >> 12 & 0xF == 7)
        #expect(early.low >> 62 == 2)
    }
}

@Suite struct FormTests {
    @Test func decodes() throws {
        let form = try Fixture.form("a=1+2%203&b=%C3%A9&c=&d&&e==x&resource=u&resource=v")
        #expect(form["a"] == "1 2 3")
        #expect(form["b"] == "é")
        #expect(form["c"] == nil)
        #expect(form["d"] == nil)
        #expect(form["e"] == "=x")
        #expect(form.all("resource") == ["u", "v"])
    }

    @Test(arguments: ["a=%", "a=%4", "a=%GG", "a=%FF", "%=a", "a=%00", "a=1&a=2", "a=&a=1", "a&a"])
    func refuses(text: String) {
        let error = #expect(throws: OAuthError.self) { try Fixture.form(text) }
        #expect(error?.code == .invalidRequest)
    }

    /// What is encoded decodes to the same, and has nothing that a URL or a header could stumble over.
    @Test(arguments: [
        "", "a", "a b", "a+b", "100%", "a=b&c=d;e", "é", "e\u{301}", "密码", "\u{1F600}", "\r\n",
        "\t",
        "\"<>'`{}|\\^[]#?/:@!$()*,", "\u{1}\u{7F}", "%41", "~-._",
        (1...127).map { String(Unicode.Scalar(UInt8($0))) }.joined(),
    ])
    func encodeComesBack(text: String) throws {
        let encoded = Form.encode(text)
        #expect(Form.decode(encoded.utf8).map { Array($0.utf8) } == Array(text.utf8))
        #expect(
            encoded.utf8.allSatisfy { byte in
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%".utf8
                    .contains(byte)
            })
        let form = try Fixture.form(Form.encode([("a" + text, text), ("b", "1"), ("c", text)]))
        #expect(form["b"] == "1")
        for name in ["a" + text, "c"] {
            #expect(form[name].map { Array($0.utf8) } == (text.isEmpty ? nil : Array(text.utf8)))
        }
    }

    @Test func encodes() {
        #expect(Form.encode([("a b", "c&d"), ("é", "")]) == "a%20b=c%26d&%C3%A9=")
        #expect(Form.encode([]) == "")
    }

    @Test func countsParameters() throws {
        let limit = (0..<Limits.parameters).map { "p\($0)=1" }.joined(separator: "&")
        _ = try Fixture.form(limit)
        #expect(throws: OAuthError.self) { try Fixture.form(limit + "&q=1") }
    }

    @Test func anErrorNeverEchoesWhatJSONOrAHeaderCouldNotHold() {
        let error = #expect(throws: OAuthError.self) {
            try Fixture.form("%0D%22%C3%A9=1&%0D%22%C3%A9=2")
        }
        let allowed = error?.description.utf8.allSatisfy {
            (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C
        }
        #expect(allowed == true)
    }

    @Test(arguments: [
        ("application/x-www-form-urlencoded", true),
        ("application/x-www-form-urlencoded;charset=UTF-8", true),
        ("Application/X-WWW-Form-Urlencoded ; charset=utf-8", true),
        ("application/json", false), ("text/plain", false),
        ("application/x-www-form-urlencodedx", false), ("", false),
    ])
    func contentType(text: String, isForm: Bool) {
        #expect(Form.isForm(contentType: text) == isForm)
    }

    @Test func noContentTypeIsNoForm() {
        #expect(!Form.isForm(contentType: nil))
    }
}

@Suite struct JSONTests {
    @Test func escapes() {
        var json = JSONObject()
        json.set("a", "\"\\\n\u{1}é\u{7F}\u{2028}")
        json.set("b", 1)
        json.set("c", true)
        json.set("d", ["x", "y"])
        #expect(
            json.encoded
                == #"{"a":"\"\\\n\u0001é\u007f\u2028","b":1,"c":true,"d":["x","y"]}"#)
    }

    @Test func nests() {
        var inner = JSONObject()
        inner.set("a", "\"")
        var json = JSONObject()
        json.set("empty", JSONObject())
        json.set("one", inner)
        json.set("two", [inner, JSONObject()])
        json.set("none", [JSONObject]())
        json.set("kept", encoded: [#"{"kty":"EC"}"#, "null"])
        #expect(
            json.encoded
                == #"{"empty":{},"one":{"a":"\""},"two":[{"a":"\""},{}],"none":[],"#
                + #""kept":[{"kty":"EC"},null]}"#)
    }
}

@Suite struct RedactedTests {
    @Test func printsNothing() throws {
        let secret = Redacted("dn_cs_very-secret")
        #expect("\(secret)" == "***")
        #expect(String(reflecting: secret) == "***")
        #expect("\(try ServerSecret(Fixture.secret))" == "***")
        var dumped = ""
        dump(PresentedCredentials(clientID: "a", presented: .basic(secret)), to: &dumped)
        #expect(!dumped.contains("very-secret"))
    }
}

import Serving
import Testing

@testable import OAuth

/// Tokens in text that others read.
@Suite struct TokenMaskTests {
    @Test(
        arguments: [
            ("", ""), ("plain", "plain"), ("dn", "dn"), ("dn_", "dn_"), ("dn_at", "dn_at"),
            ("dn_at_", "dn_at_"), ("dn_at_AbC-_09==", "dn_at_…"),
            ("/introspect/dn_at_abc/x?y", "/introspect/dn_at_…/x?y"),
            ("dn_rt_a dn_ac_b,dn_cs_c", "dn_rt_… dn_ac_…,dn_cs_…"),
            ("xdn_at_abc", "xdn_at_…"), ("dn_dn_at_abc", "dn_dn_…"), ("ddn_at_abc", "ddn_at_…"),
            ("dn_at_adn_rt_b", "dn_at_…"), ("dn_at_é", "dn_at_é"), ("édn_at_b", "édn_at_…"),
            ("dn_AT_abc", "dn_AT_abc"), ("DN_at_abc", "DN_at_abc"), ("dn_a_abc", "dn_a_abc"),
            ("dn_atx_abc", "dn_atx_abc"), ("dn-at-abc", "dn-at-abc"), ("on_at_abc", "on_at_abc"),
            (#"{"path":"/dn_cs_abc","status":404}"#, #"{"path":"/dn_cs_…","status":404}"#),
        ])
    func areMasked(_ text: String, _ masked: String) {
        #expect(TokenMask.masked(text) == masked)
        #expect(TokenMask.findsNothing(in: text) == (text == masked))
        #expect(TokenMask.masked(masked) == masked)
    }

    @Test(arguments: [
        TokenCodec.accessTokenPrefix, TokenCodec.refreshTokenPrefix,
        TokenCodec.authorizationCodePrefix, ClientSecret.prefix,
    ])
    func everyPrefixIsKnown(_ prefix: String) {
        #expect(TokenMask.masked("a \(prefix)secret") == "a \(prefix)…")
    }
}

import Crypto
import Dispatch
import OAuth
import Synchronization
import Web

/// What comes back to the server that it once gave out.
enum Tokens {
    private static let codec: TokenCodec = {
        guard let secret = try? ServerSecret("0123456789abcdef0123456789abcdef") else {
            preconditionFailure("this is a secret")
        }
        return TokenCodec(
            KeyRing(keys: [.init(id: 1, secret: secret)], signers: [1], lacking: [2]))
    }()
    private static let nothing = Identifier(high: 0, low: 0)
    private static let state = Liveness.State(
        readAt: UnixTime(seconds: 0),
        client: .init(clientID: "app", epoch: 1, isDisabled: false))

    static func examine(token bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        open(text)
        _ = TokenCodec.claimedID(ofAccessToken: bytes)
        // As if our secret had sealed them: so what comes after the tag is reached, too.
        for (purpose, prefix) in [
            (ServerSecret.Purpose.accessToken, TokenCodec.accessTokenPrefix),
            (.refreshToken, TokenCodec.refreshTokenPrefix),
            (.authorizationCode, TokenCodec.authorizationCodePrefix),
        ] {
            guard let sealed = codec.seal(bytes, for: purpose, keyID: 1) else { continue }
            precondition(codec.open(sealed.value.utf8, for: purpose) != .forged)
            open(prefix + sealed.value)
        }
        _ = AccountTicket(bytes, for: Array(bytes.dropFirst(24)), at: UnixTime(seconds: 0))
        _ = SessionCookie(text).map { SessionCookie($0.text.value) }
        _ = PasswordHash(text)
        _ = try? ServerSecret.list(text)
        _ = Identifier(text)
        _ = Username(text)?.key
        _ = try? Scope(text)
        _ = Base64.decodeStandard(bytes)
    }

    private static func open(_ text: String) {
        _ = codec.openCode(text)
        guard case .authentic(let token) = codec.open(text) else { return }
        let again: Redacted<String>? =
            switch token {
            case .access(let access): codec.seal(access)
            case .refresh(let refresh): codec.seal(refresh)
            }
        // What was understood is sealed again as the same token.
        precondition(again.map { codec.open($0.value) } == .authentic(token))
        if case .alive(let live) = Liveness.of(token, in: state) {
            _ = Introspection.active(token, live, issuer: "https://issuer.example")
        }
    }

    // MARK: JWTs

    private struct Signer: Sendable {
        let keys: SigningKeySet
        let kid: String
        let key: P256.Signing.PrivateKey
    }

    private static let signer: Signer? = wait {
        guard let key = try? SigningKey.generate(.es256, kid: nothing),
            let keys = try? await SigningKeySet(
                signers: [key], published: [], known: [key.publicJWK]),
            let own = try? P256.Signing.PrivateKey(pemRepresentation: key.privatePEM.value)
        else { return nil }
        return Signer(keys: keys, kid: key.kid, key: own)
    }

    static func examine(jwt bytes: [UInt8]) {
        guard let signer else { preconditionFailure("there is a key") }
        let text = String(decoding: bytes, as: UTF8.self)
        let header = Base64.encodeURL(#"{"alg":"ES256","kid":"\#(signer.kid)"}"#.utf8)
        let signed = "\(header).\(Base64.encodeURL(bytes))"
        let signature = try? signer.key.signature(for: Array(signed.utf8))
        // As it is, as a header of its own, and as claims that our key has signed.
        let hints = [
            text, "\(Base64.encodeURL(bytes)).e30.AA",
            "\(signed).\(Base64.encodeURL(signature.map { Array($0.rawRepresentation) } ?? []))",
        ]
        wait {
            for hint in hints { _ = await signer.keys.hint(hint, issuer: "https://issuer.example") }
            _ = try? await SigningKeySet(signers: [], published: [text], known: [text])
        }
    }

    /// Waits for what is asynchronous: libFuzzer calls, and wants an answer.
    private static func wait<Value: Sendable>(
        _ work: @escaping @Sendable () async -> Value
    ) -> Value {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Value?>(nil)
        Task.detached {
            let value = await work()
            result.withLock { $0 = value }
            done.signal()
        }
        done.wait()
        guard let value = result.withLock({ $0 }) else { preconditionFailure("it was waited for") }
        return value
    }
}

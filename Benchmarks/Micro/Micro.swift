import Benchmark
import NIOCore
import OAuth

/// What one request at `/introspect` is made of, each by itself and with the types of production.
let benchmarks: @Sendable () -> Void = {
    let example: Example
    do {
        example = try Example()
    } catch {
        fatalError("the examples are wrong: \(error)")
    }

    Benchmark.count("TokenCodec.open") {
        blackHole(example.codec.open(example.text))
    }
    Benchmark.count("TokenCodec.claimedID") {
        blackHole(TokenCodec.claimedID(ofAccessToken: example.bytes))
    }
    Benchmark.count("Form") {
        blackHole(try? Form(parsing: example.body))
    }
    Benchmark.count("PresentedCredentials") {
        blackHole(
            try? PresentedCredentials(authorization: example.authorization, form: example.form))
    }
    Benchmark.count("Liveness") {
        blackHole(Liveness.of(example.token, in: example.state))
    }
    Benchmark.count("Introspection.active") {
        blackHole(
            Introspection.active(
                example.token, example.live, issuer: "https://login.example.com"))
    }
}

/// A request about a token of somebody's login, by an API that authenticates by HTTP Basic.
private struct Example {
    let codec: TokenCodec
    let token: Token
    let text: String
    let bytes: [UInt8]
    let body: ByteBufferView
    let form: Form
    let authorization: [String]
    let state: Liveness.State
    let live: LiveToken

    struct Wrong: Error {}

    init() throws {
        let secret = try ServerSecret("0123456789abcdef0123456789abcdef-example")
        codec = TokenCodec(
            KeyRing(keys: [KeyRing.Key(id: 1, secret: secret)], signers: [1], lacking: []))
        let access = AccessToken(
            id: Self.identifier(1), keyID: 1, subject: .grant(Self.identifier(2)),
            issuedAt: UnixTime(seconds: 1_800_000_000), expiresAt: UnixTime(seconds: 1_800_000_600),
            scope: Scope(stored: ["openid", "photos:read", "photos:write"]),
            audience: ["https://photos.example.com"])
        token = .access(access)
        guard let sealed = codec.seal(access) else { throw Wrong() }
        text = sealed.value
        bytes = Array(text.utf8)
        body = ByteBuffer(string: "token=\(text)&token_type_hint=access_token").readableBytesView
        form = try Form(parsing: body)
        let credentials = "photos-api:dn_cs_0123456789-abcdefghijklmnopqrstuvwxyz_ABCDE"
        authorization = ["Basic \(Base64.encodeStandard(credentials.utf8))"]
        state = Self.state(of: access)
        guard case .authentic(token) = codec.open(text), form["token"] == text,
            TokenCodec.claimedID(ofAccessToken: bytes) == access.id,
            try PresentedCredentials(authorization: authorization, form: form).clientID
                == "photos-api",
            case .alive(let live) = Liveness.of(token, in: state)
        else { throw Wrong() }
        self.live = live
    }

    private static func identifier(_ number: UInt64) -> Identifier {
        Identifier(high: 0x0190_0000_0000_7000 | number, low: ~number)
    }

    /// The rows of a login at work.
    private static func state(of token: AccessToken) -> Liveness.State {
        let later = UnixTime(seconds: 1_900_000_000)
        let user = Liveness.UserState(
            id: identifier(3), username: "ada@example.com", epoch: 1, isDisabled: false)
        return Liveness.State(
            readAt: token.issuedAt,
            client: Liveness.ClientState(clientID: "photos-app", epoch: 1, isDisabled: false),
            grant: GrantState(
                id: identifier(2), client: identifier(4), clientEpoch: 1, user: user.id,
                userEpoch: 1, session: identifier(5), isOffline: false,
                scope: Scope(stored: ["openid", "photos:read", "photos:write"]),
                audience: ["https://photos.example.com"], generation: 1,
                rotatedAt: token.issuedAt, idleExpiresAt: later, expiresAt: later,
                isRevoked: false),
            session: SessionState(
                id: identifier(5), user: user.id, userEpoch: 1, authenticatedAt: token.issuedAt,
                lastSeenAt: token.issuedAt, idleExpiresAt: later, expiresAt: later,
                isRevoked: false),
            user: user)
    }
}

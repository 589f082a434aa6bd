package import OAuth

/// An answer about an access token that was found alive.
package struct RememberedAnswer: Sendable {
    /// The body, the text, and the audience, each part of which ends with NUL.
    let bytes: [UInt8]
    let bodyCount: Int
    let textCount: Int
    package let client: Identifier
    /// From this moment on it has to be read again; it is not the end where something is only idle.
    package let certainUntil: UnixTime

    init(
        bytes: [UInt8], bodyCount: Int, textCount: Int, client: Identifier,
        certainUntil: UnixTime
    ) {
        self.bytes = bytes
        self.bodyCount = bodyCount
        self.textCount = textCount
        self.client = client
        self.certainUntil = certainUntil
    }

    package init(
        body: [UInt8], client: Identifier, audience: [String], text: [UInt8],
        certainUntil: UnixTime
    ) {
        self.init(
            bytes: body + text + audience.flatMap { Array($0.utf8) + [0] },
            bodyCount: body.count, textCount: text.count, client: client,
            certainUntil: certainUntil)
    }

    /// - Parameter text: the token, as it is presented.
    package init(_ token: Token, _ live: LiveToken, text: [UInt8], issuer: String) {
        self.init(
            body: Introspection.active(token, live, issuer: issuer), client: live.client,
            audience: live.audience, text: text, certainUntil: live.certainUntil)
    }

    /// The answer of `/introspect`, whole.
    package var body: ArraySlice<UInt8> { bytes[..<bodyCount] }

    /// The token, as it is presented.
    package var text: ArraySlice<UInt8> { bytes[bodyCount..<(bodyCount + textCount)] }

    /// Whether the token is for this one.
    package func isFor(_ audience: String) -> Bool {
        bytes[(bodyCount + textCount)...].split(separator: 0, omittingEmptySubsequences: false)
            .dropLast().contains { $0.elementsEqual(audience.utf8) }
    }
}

/// What an answer hangs on; where there is nothing, the id of nothing.
package struct AnswerScopes: BitwiseCopyable, Sendable {
    let client: Identifier
    let grant: Identifier
    let session: Identifier
    let user: Identifier

    package init(
        client: Identifier, grant: Identifier? = nil, session: Identifier? = nil,
        user: Identifier? = nil
    ) {
        self.client = client
        self.grant = grant ?? Self.nothing
        self.session = session ?? Self.nothing
        self.user = user ?? Self.nothing
    }

    static let nothing = Identifier(high: 0, low: 0)
}

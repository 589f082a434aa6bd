/// Whether a token is alive: the one place where that is decided.
///
/// Every path that mints, introspects or answers userinfo goes through it.
package enum Liveness: Sendable, Equatable {
    case alive
    case dead(CauseOfDeath)

    /// Why a token is dead. Only `doornail introspect --explain` and the log ever say it.
    package enum CauseOfDeath: String, Sendable, CaseIterable {
        case forged = "it is not a token of this server, or was changed on the way"
        case expired = "it has expired"
        case tokenRevoked = "the token was revoked"
        case secretRetired = "the secret that it was signed under was retired"
        case clientMissing = "its client was deleted"
        case clientDisabled = "its client is disabled"
        case clientEnded = "everything issued to its client was revoked"
    }

    /// The rows that a token hangs on, read in one statement together with the time.
    package struct State: Sendable, Equatable {
        package let readAt: UnixTime
        package let isTokenRevoked: Bool
        package let isSecretRetired: Bool
        package let client: ClientState?

        package init(
            readAt: UnixTime, isTokenRevoked: Bool, isSecretRetired: Bool, client: ClientState?
        ) {
            self.readAt = readAt
            self.isTokenRevoked = isTokenRevoked
            self.isSecretRetired = isSecretRetired
            self.client = client
        }
    }

    /// What liveness needs of a client.
    package struct ClientState: Sendable, Equatable {
        package let clientID: String
        package let epoch: Int64
        package let isDisabled: Bool

        package init(clientID: String, epoch: Int64, isDisabled: Bool) {
            self.clientID = clientID
            self.epoch = epoch
            self.isDisabled = isDisabled
        }
    }

    /// Decides for an authentic token. It is dead from the second of its expiry on.
    package static func of(_ token: AccessToken, in state: State) -> Liveness {
        if state.isTokenRevoked { return .dead(.tokenRevoked) }
        if state.isSecretRetired { return .dead(.secretRetired) }
        guard let client = state.client else { return .dead(.clientMissing) }
        if client.isDisabled { return .dead(.clientDisabled) }
        switch token.subject {
        case .client(_, let epoch):
            if client.epoch != epoch { return .dead(.clientEnded) }
        }
        if state.readAt >= token.expiresAt { return .dead(.expired) }
        return .alive
    }
}

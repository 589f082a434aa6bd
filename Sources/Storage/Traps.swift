import OAuth
import Postgres

/// What the traps of this target do that takes more than a condition (docs/promise.md).
extension Store {
    /// `Trap.retryByRead`: a retry whose answer rests on a read that nothing proves.
    func answerByRead(
        _ rotation: Rotation, by deadline: ContinuousClock.Instant
    ) async throws(StoreError) -> RefreshTokenGrant.Verdict? {
        let token = RefreshToken(
            grant: rotation.grant, generation: rotation.generation + 1, keyID: rotation.keyID)
        let states = try await StoreError.translating { () async throws(PostgresError) in
            try await Tokens.read(
                [LivenessKey(.refresh(token))],
                on: ProvenPool(pool: pool, authority: PrimaryGuard()), by: deadline)
        }
        guard let state = states.first, state.grant?.generation == token.generation,
            case .alive = Liveness.of(token, in: state)
        else { return nil }
        return .issue(token, at: state.readAt)
    }
}

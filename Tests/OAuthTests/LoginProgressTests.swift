import OAuth
import Testing

/// What a person is asked for next, by what was proven and what the request wants.
@Suite struct LoginProgressTests {
    private static func step(
        _ policy: LoginPolicy, amr: [String] = ["pwd"], isFresh: Bool = false, now: Int64 = 1_500
    ) -> LoginProgress.Step {
        LoginProgress(Fixture.session(amr: amr), isFresh: isFresh)
            .step(policy, at: UnixTime(seconds: now))
    }

    private static func isDone(_ step: LoginProgress.Step) -> Bool {
        if case .done = step { true } else { false }
    }

    /// (only a fresh one counts, how old it may be, now, one from 900 is enough); a fresh one always is.
    @Test(
        arguments: [
            (false, nil, 1_500, true), (true, nil, 1_500, false), (true, 601, 1_500, false),
            (false, 599, 1_500, false), (false, 600, 1_500, false), (false, 601, 1_500, true),
            (false, 0, 900, false), (false, 1, 900, true), (false, .max, 1_500, true),
            // A clock that went back.
            (true, nil, 899, false), (false, 0, 899, true), (false, nil, 0, true),
        ] as [(Bool, Int64?, Int64, Bool)])
    func ages(isFreshOnly: Bool, maxAgeSeconds: Int64?, now: Int64, isEnough: Bool) {
        let policy = LoginPolicy(isFreshOnly: isFreshOnly, maxAgeSeconds: maxAgeSeconds)
        let step = Self.step(policy, now: now)
        #expect(isEnough ? Self.isDone(step) : step == .ask(.password))
        #expect(Self.isDone(Self.step(policy, isFresh: true, now: now)))
    }

    @Test(arguments: [([], false), (["pwd"], true), (["otp"], false), (["otp", "pwd"], true)])
    func factors(amr: [String], isEnough: Bool) {
        let step = Self.step(LoginPolicy(), amr: amr)
        #expect(isEnough ? Self.isDone(step) : step == .ask(.password))
    }

    @Test func aCompletedLoginCarriesTheEpochThatCameWithThePassword() throws {
        var random = SystemRandomNumberGenerator()
        let password = Redacted("correct horse")
        let hash = try PasswordHash(
            password, cost: PasswordHash.Cost(logN: 1, r: 1, p: 1), using: &random)
        let read = UserRead(
            id: Fixture.user.id, username: "ada", epoch: 7, isDisabled: false,
            passwordHash: hash)
        let user = try #require(try VerifiedUser.verify(read, password: password))
        let step = LoginProgress(user).step(
            LoginPolicy(isFreshOnly: true, maxAgeSeconds: 0), at: UnixTime(seconds: 0))
        guard case .done(let login) = step else {
            Issue.record("it asks: \(step)")
            return
        }
        #expect(login.id == Fixture.user.id && login.epoch == 7)
        #expect(login.factors.amr == ["pwd"] && login.factors.acr == "1")
    }

    /// Each factor has names of its own in an ID token.
    @Test func names() {
        #expect(Factor.allCases.map(\.rawValue) == ["pwd"])
        #expect(Factor.allCases.map(\.level) == ["1"])
        #expect([Factor]().acr == "0")
        #expect([Factor](amr: ["pwd", "otp"]) == [.password])
    }
}

/// A user as read for a login: the epoch comes with the password hash, so that a login rests on the
/// epoch of the password that was right.
package struct UserRead: Sendable {
    package let id: Identifier
    package let username: String
    package let epoch: Int64
    package let isDisabled: Bool
    package let passwordHash: PasswordHash?

    package init(
        id: Identifier, username: String, epoch: Int64, isDisabled: Bool,
        passwordHash: PasswordHash?
    ) {
        self.id = id
        self.username = username
        self.epoch = epoch
        self.isDisabled = isDisabled
        self.passwordHash = passwordHash
    }
}

/// A person who has just proven a factor, with the epoch that was read with what it was compared with;
/// made only by `verify`.
package struct VerifiedUser: Sendable {
    package let id: Identifier
    package let epoch: Int64
    package let factor: Factor

    /// Checks a password, in the same time whether the user exists or not. It takes some
    /// tenths of a second of a core, and is called on threads of its own.
    package static func verify(
        _ user: UserRead?, password: Redacted<String>
    ) throws(PasswordHash.Failure) -> VerifiedUser? {
        let isRight = try (user?.passwordHash ?? .nobodys).matches(password)
        guard let user, user.passwordHash != nil, isRight, !user.isDisabled else { return nil }
        return VerifiedUser(id: user.id, epoch: user.epoch, factor: .password)
    }

    private init(id: Identifier, epoch: Int64, factor: Factor) {
        self.id = id
        self.epoch = epoch
        self.factor = factor
    }
}

/// A person as `/userinfo` tells of them (OpenID Connect Core §5.1).
package struct UserProfile: Sendable, Equatable {
    package let username: String
    package let name: String?
    package let email: String?
    package let isEmailVerified: Bool
    package let updatedAt: UnixTime

    package init(
        username: String, name: String?, email: String?, isEmailVerified: Bool, updatedAt: UnixTime
    ) {
        self.username = username
        self.name = name
        self.email = email
        self.isEmailVerified = isEmailVerified
        self.updatedAt = updatedAt
    }
}

/// The answer of `/userinfo` (OpenID Connect Core §5.3): what the token's scope lets it know.
package enum UserInfo {
    /// The claims that there are, for the metadata.
    package static let claims = [
        "sub", "preferred_username", "name", "updated_at", "email", "email_verified",
    ]

    /// That a token may ask: it is somebody's, and was given `openid`.
    package static func subject(of token: LiveToken) -> Identifier? {
        token.scope.contains("openid") ? token.user?.id : nil
    }

    package static func document(
        _ subject: Identifier, _ profile: UserProfile, scope: Scope
    ) -> String {
        var json = JSONObject()
        json.set("sub", subject.description)
        if scope.contains("profile") {
            json.set("preferred_username", profile.username)
            if let name = profile.name { json.set("name", name) }
            json.set("updated_at", profile.updatedAt.seconds)
        }
        if scope.contains("email"), let email = profile.email {
            json.set("email", email)
            json.set("email_verified", profile.isEmailVerified)
        }
        return json.encoded
    }
}

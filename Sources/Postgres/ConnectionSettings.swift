import CLibPQ

/// A libpq URI, taken apart as far as Doornail needs it: one endpoint for each of its hosts.
///
/// libpq's asynchronous connect has no time limit for a single host, so a host that swallows
/// packets would hide the others behind it: each is tried by itself, within its share of the time.
package struct ConnectionSettings: Sendable {
    typealias Parameters = [(name: String, value: String)]

    let applicationName: String
    /// What each host overrides in the URI.
    let endpoints: [Parameters]
    private let url: String
    /// What must never be printed.
    private let secrets: [String]

    init(url: String, applicationName: String) throws(PostgresError) {
        self.url = url
        self.applicationName = applicationName
        let options = try Self.parse(url)
        secrets = ["password", "sslpassword"].compactMap { options[$0] }.filter { !$0.isEmpty }

        let lists = ["host", "hostaddr", "port"].compactMap { name in
            options[name].map { value in
                (name: name, values: value.split(separator: ",", omittingEmptySubsequences: false))
            }
        }
        let count = lists.map(\.values.count).max() ?? 1
        guard count > 1 else {
            endpoints = [[]]
            return
        }
        endpoints = (0..<count).map { index in
            lists.compactMap { list in
                // One port for several hosts holds for all of them.
                list.values.count == 1
                    ? (list.name, String(list.values[0]))
                    : index < list.values.count ? (list.name, String(list.values[index])) : nil
            }
        }
    }

    /// Whether libpq can read a URL at all; one that it cannot never gets better by waiting.
    package static func canRead(_ url: String) -> Bool {
        (try? ConnectionSettings(url: url, applicationName: "")) != nil
    }

    /// Everything that libpq is told for one endpoint; later ones override earlier ones.
    func parameters(for endpoint: Parameters) -> Parameters {
        let defaults: Parameters = [
            ("fallback_application_name", applicationName),
            ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "15000"),
        ]
        return defaults + [("dbname", url)] + endpoint + [("client_encoding", "UTF8")]
    }

    /// The text without passwords.
    func redacted(_ text: String) -> String {
        var text = text.trimmedLine
        for secret in secrets {
            while let range = text.firstRange(of: secret) {
                text.replaceSubrange(range, with: "***")
                if "***".contains(secret) { break }
            }
        }
        return text
    }

    private static func parse(_ url: String) throws(PostgresError) -> [String: String] {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(url, &message) else {
            let text = unsafe message.map { unsafe String(cString: $0) } ?? "out of memory"
            unsafe PQfreemem(message)
            throw .unavailable("the URL of the database cannot be read: \(unquoted(text))")
        }
        defer { unsafe PQconninfoFree(options) }
        var result: [String: String] = [:]
        var index = 0
        while let keyword = unsafe options[index].keyword {
            if let value = unsafe options[index].val {
                unsafe result[String(cString: keyword)] = unsafe String(cString: value)
            }
            index += 1
        }
        return result
    }

    /// libpq quotes the URI in its complaints, with the password in it.
    private static func unquoted(_ message: String) -> String {
        message.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset.isMultiple(of: 2) ? String($0.element) : "…" }
            .joined(separator: "\"").trimmedLine
    }
}

import Foundation
import Logging
import OAuth
import Operations
import Postgres
import ServiceLifecycle
import Serving
import Storage
import Web

/// What `doornail dev` runs: a private cluster, a migrated database, a demo user and demo clients,
/// and the server.
struct DevServer {
    let data: String
    let flags: Flags
    let logLevel: String?
    let environment: [String: String]

    func run() async throws {
        let before = try await Settings(flags: flags, file: nil, environment: environment)
        let address = try before.value(.listen)
        let admin = try before.value(.adminListen)
        try await address.requireFree(Setting.listen)
        try await admin.requireFree(Setting.adminListen)

        let bootLogger = try await Database.logOutput(
            Settings(flags: [:], file: nil, environment: environment), level: .warning,
            format: .text
        ).logger(label: "doornail")
        let cluster: PrivateCluster
        do {
            cluster = try await PrivateCluster.start(dataDirectory: data, logger: bootLogger)
        } catch {
            throw CommandFailure("\(error)")
        }
        do {
            try await serve(on: cluster, address: address, admin: admin, bootLogger)
        } catch {
            await cluster.stop()
            throw error
        }
        await cluster.stop()
    }

    private func serve(
        on cluster: PrivateCluster, address: ListenAddress, admin: ListenAddress,
        _ bootLogger: Logger
    ) async throws {
        let demo = try DemoFiles(cluster.files)
        let issuer = flags[Setting.issuer.name] ?? environment[Setting.issuer.name] ?? address.url
        var all = flags
        all[Setting.databaseURL.name] = cluster.url
        all[Setting.secretFile.name] = demo.secretFile
        all[Setting.issuer.name] = issuer
        all[Setting.logLevel.name] = logLevel
        let settings = try await Settings(flags: all, file: nil, environment: environment)
        try settings.requireServable()

        _ = try await Database.withConnection(cluster.url) { connection in
            do {
                return try await Migrator(migrations: Migrations.all).migrate(on: connection)
            } catch let error as MigrationError {
                throw CommandFailure(error.description)
            }
        }
        try await registerDemo(demo, on: cluster.url, bootLogger)
        try demo.writeEnvironment(databaseURL: cluster.url, issuer: issuer)

        let log = try Database.logOutput(settings, format: .text)
        let greeting = Greeting(
            url: issuer, metrics: admin.url + "/metrics", data: data, cluster: cluster.dataPath,
            password: demo.userPassword)
        let server = try Server(settings, log: log, onReady: { greeting.print() })
        try await server.run(beside: [ClusterWatch(cluster: cluster)])
    }

    /// The API that the demo's apps get tokens for.
    private static let audience = "https://api.demo.example"

    private func registerDemo(
        _ demo: DemoFiles, on url: String, _ logger: Logger
    ) async throws {
        let store = Store(
            PostgresPool.Configuration(url: url, size: 1, applicationName: "doornail dev"),
            logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.run() }
            group.addTask {
                try await register(
                    "demo-api", secret: demo.apiSecret,
                    ClientRegistration(
                        name: "Demo API", method: .any, grantTypes: [],
                        audiences: [Self.audience], introspects: .any),
                    in: store)
                try await register(
                    "demo-app", secret: demo.appSecret,
                    app("Demo app", "openid profile offline_access photos:read photos:write"),
                    in: store)
                try await register(
                    "demo-mail", secret: demo.mailSecret,
                    app("Demo mail", "openid offline_access mail:read"), in: store)
                try await registerUser(password: demo.userPassword, in: store)
            }
            // The registration is done, or it failed: the connection is no longer needed.
            try await group.next()
            group.cancelAll()
        }
    }

    /// An app that people log in through, native, and that also gets tokens for itself.
    private func app(_ name: String, _ scope: String) throws -> ClientRegistration {
        ClientRegistration(
            name: name, method: .any,
            grantTypes: [.authorizationCode, .refreshToken, .clientCredentials],
            redirectURIs: ["http://127.0.0.1/callback"],
            postLogoutRedirectURIs: ["http://127.0.0.1/logged-out"], scope: try Scope(scope),
            audiences: [Self.audience])
    }

    private static let remade = Cause(reason: "made anew for the demo", by: Console.actor)

    /// Makes a demo client, or gives the one that is there this registration and the secret of the
    /// file.
    private func register(
        _ id: String, secret: Redacted<String>, _ registration: ClientRegistration,
        in store: Store
    ) async throws {
        let hash = ClientSecret.hash(secret)
        do {
            try await store.createClient(
                id, id: Operations.newIdentifier(), registration, secretHash: hash)
        } catch StoreError.conflict {
            let record = try await store.clientRecord(id)
            if record.client.registration != registration {
                _ = try await store.updateClient(
                    ClientChange(to: registration, of: record, secretHash: hash),
                    because: Self.remade)
            }
            let present = try await store.client(id).client
            if present?.secretHashes.first != hash {
                _ = try await store.rotateClientSecret(
                    id, to: hash, keepsPrevious: false, because: Self.remade)
            }
        }
    }

    /// Makes the demo user, or gives the one that is there the password of the file.
    private func registerUser(password: Redacted<String>, in store: Store) async throws {
        guard let username = Username(DemoFiles.user) else {
            throw CommandFailure("'\(DemoFiles.user)' is no user name")
        }
        let present = try await store.user(username).user
        // Nothing else runs yet that the tenth of a second for each of these could hold up.
        if try present?.passwordHash?.matches(password) == true { return }
        var random = SystemRandomNumberGenerator()
        let hash = try PasswordHash(password, using: &random)
        if present == nil {
            try await store.createUser(
                NewUser(
                    id: Operations.newIdentifier(), username: username, name: "Ada Lovelace",
                    email: "ada@demo.example", isEmailVerified: true, passwordHash: hash))
        } else {
            _ = try await store.endUser(
                UserReference(DemoFiles.user), password: hash, because: Self.remade)
        }
    }
}

/// PostgreSQL as a service: when it dies by itself, the server stops and says so.
private struct ClusterWatch: Service {
    let cluster: PrivateCluster

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            await cluster.waitUntilExit()
            guard Task.isCancelled || Task.isShuttingDownGracefully else {
                throw CommandFailure(
                    "PostgreSQL stopped by itself; its log is \(cluster.logPath)")
            }
        }
    }
}

/// What is printed once everything runs: where it is, and commands to paste.
private struct Greeting: Sendable {
    let url: String
    let metrics: String
    let data: String
    let cluster: String
    let password: Redacted<String>

    func print() {
        let environment = DemoFiles.environmentFile(in: data)
        Console.print(
            """

            Doornail is running at \(url)
              metrics       \(metrics)
              data          \(data) (PostgreSQL: \(cluster))
              log in        \(url)/login as \(DemoFiles.user), password \(password.value)
              demo apps     demo-app and demo-mail, get tokens
              demo API      demo-api, may introspect any token

            Paste into another terminal, in this folder:

              . \(DemoFiles.quoted(environment))
              TOKEN=$(curl -s -u "demo-app:$DEMO_APP_SECRET" -d grant_type=client_credentials \\
                \(url)/token | sed -E 's/.*"access_token":"([^"]+)".*/\\1/')
              curl -s -u "demo-api:$DEMO_API_SECRET" -d "token=$TOKEN" \(url)/introspect; echo
              curl -s -i -u "demo-app:$DEMO_APP_SECRET" -d "token=$TOKEN" \(url)/revoke
              curl -s -u "demo-api:$DEMO_API_SECRET" -d "token=$TOKEN" \(url)/introspect; echo

            scripts/login laptop demo-app logs \(DemoFiles.user) in on a device, without a browser.
            Ctrl-C stops the server and PostgreSQL; the next start goes on with the same data.

            """)
    }
}

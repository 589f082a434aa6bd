import Cluster
import Duties
import Foundation
import Hummingbird
import Lease
import Logging
import Metrics
import OAuth
import Postgres
import Serving
import ServiceLifecycle
import Storage
import UnixSignals
import Web

/// The composition root: everything that runs in a server, from the configuration to the group of
/// services, top down.
struct Server {
    private let backend: Backend
    private let listeners: [any Service]
    private let reload: ReloadService
    private let logger: Logger

    init(
        _ settings: Settings, log: LogOutput,
        onReady: @escaping @Sendable () async -> Void = {}
    ) throws {
        let logger = log.logger(label: "doornail")
        let metrics = PrometheusMetrics(version: Version.text)
        MetricsSystem.bootstrap(metrics)
        let limits = try OpenFiles.connections(pool: settings.value(.pool))

        if let trap = Trap.planted?.rawValue ?? LeaseTrap.planted?.rawValue {
            logger.critical("this server has a trap planted", metadata: ["trap": "\(trap)"])
        }
        let authority = LeaseAuthority()
        let store = Store(
            PostgresPool.Configuration(
                url: try settings.databaseURL(), size: try settings.value(.pool),
                applicationName: "doornail"),
            authority: authority, logger: logger)
        let node = Node(
            store: store, authority: authority,
            following: DatabaseUpstream.Configuration(
                url: try settings.databaseURL(), lease: try settings.value(.lease)),
            cacheBytes: try settings.value(.cache), secrets: try settings.secrets(),
            version: Version.text, logger: logger)
        let services = Services(
            store: store, node: node, revoker: Revoker(store: store, logger: logger),
            issuer: try settings.issuer(), proxies: try settings.value(.trustedProxies),
            lifetimes: Lifetimes(
                accessTokenSeconds: try settings.value(.accessTokenTTL),
                refreshTokenIdleSeconds: try settings.value(.refreshTokenIdle),
                refreshTokenMaximumSeconds: try settings.value(.refreshTokenMax),
                session: SessionLifetime(
                    idleSeconds: try settings.value(.sessionIdle),
                    maximumSeconds: try settings.value(.sessionMax))),
            passwords: PasswordWork(threads: 2), pages: try PageRenderer(brand: settings.brand()),
            logger: logger)

        let address = try settings.value(.listen)
        let admin = try settings.value(.adminListen)
        let certificates = try settings.certificates(logger: logger)
        if certificates == nil, !address.isLoopback {
            logger.warning(
                "plain HTTP on an address that others reach: TLS must end in front of it",
                metadata: ["listen": "\(address)"])
        }
        for warning in settings.warnings { logger.warning("\(warning)") }
        let recorder = Listeners.recorder(
            services, log: AccessLog(log), metrics: metrics)
        let adminAdmission = Admission(
            "admin", limits: .admin, proxies: services.proxies, logger: logger)
        let admission = Admission(
            "public", limits: limits, proxies: services.proxies, logger: logger)
        self.logger = logger
        backend = Backend(
            url: try settings.databaseURL(), store: store, node: node, logger: logger,
            onReady: onReady)
        reload = ReloadService(certificates: certificates, logger: logger)
        listeners = [
            Application(
                router: Listeners.nothing(services, recorder: recorder),
                server: try ServerBuilder.server(
                    adminAdmission, recorder: recorder,
                    api: Listeners.adminAPI(services, metrics: { metrics.render() })),
                configuration: ServerBuilder.configuration(admin, adminAdmission, logger: logger),
                onServerRunning: { listener in
                    await ServerBuilder.running(listener, logger: logger)
                    logger.info("metrics and health", metadata: ["listen": "\(admin)"])
                },
                logger: logger),
            Application(
                router: Listeners.pages(services, recorder: recorder),
                server: try ServerBuilder.server(
                    admission, certificates: certificates, recorder: recorder,
                    api: Listeners.publicAPI(services),
                    saysHTTPSOnly: services.issuer.isSecure),
                configuration: ServerBuilder.configuration(address, admission, logger: logger),
                onServerRunning: { listener in
                    await ServerBuilder.running(listener, logger: logger)
                    logger.notice(
                        "serving",
                        metadata: [
                            "listen": "\(address)", "issuer": "\(services.issuer.text)",
                            "version": "\(Version.text)",
                            "connections": .stringConvertible(limits.connections),
                            "connections_by_address":
                                .stringConvertible(limits.connectionsByAddress),
                        ])
                },
                logger: logger),
        ]
    }

    /// Refuses what cannot be served before anything listens. A database that is away is waited for
    /// later.
    static func requireServable(_ settings: Settings) async throws {
        do {
            try await Database.withConnection(
                settings.databaseURL(), deadline: .now + .seconds(2)
            ) { connection in
                let status = try await Migrator(migrations: Migrations.all).status(on: connection)
                if let problem = Database.problem(with: status) { throw CommandFailure(problem) }
                let known = try await Store.secrets(on: connection).map(\.known)
                _ = try SecretRules.unknown(secrets: settings.secrets(), known: known)
            }
        } catch let refusal as SecretRules.Refusal {
            throw CommandFailure(refusal.sentence)
        } catch let error where Backend.mayPass(error) {
            return
        }
    }

    /// Serves until SIGTERM or SIGINT; services stop in the reverse of this order.
    func run(
        beside more: [any Service] = []
    ) async throws {
        signal(SIGPIPE, SIG_IGN)
        let all: [any Service] = more + [backend, reload] + listeners
        var configuration = ServiceGroupConfiguration(
            services: all.map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(30)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as CommandFailure {
            throw error
        } catch {
            throw CommandFailure("the server stopped: \(error)")
        }
    }
}

/// The database's side of a server: the pool, the node's row, and the removal of what is over.
///
/// While the database is away it waits; a database of another version, or secrets that do not fit,
/// end the server.
struct Backend: Service {
    let url: String
    let store: Store
    let node: Node
    let logger: Logger
    let onReady: @Sendable () async -> Void

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await waitForVersion() }
        } catch is CancellationError {
            return
        }
        // The pool outlives the node's work, so that the node can take its leave.
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await store.run() }
            group.addTask {
                do {
                    try await cancelWhenGracefulShutdown { try await work() }
                } catch is CancellationError {
                    // It was told to stop before it had joined.
                } catch {
                    // Its row may be there already, and nobody is to wait for it.
                    await node.leave()
                    throw error
                }
                await node.leave()
            }
            try await group.next()
            group.cancelAll()
        }
    }

    private func work() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await node.run(onReady: onReady)
                } catch Node.StartError.secrets(let refusal) {
                    throw CommandFailure(refusal.sentence)
                } catch Node.StartError.store(let error) {
                    throw CommandFailure(error.sentence)
                }
            }
            group.addTask { await tidy() }
            // The others end only when they are cancelled.
            try await group.next()
            group.cancelAll()
        }
    }

    private func waitForVersion() async throws {
        let waiting = Duty(
            "version", .every(.milliseconds(500)), failing: "waiting for the database",
            level: .error, logger: logger)
        try await waiting.untilDone(passing: Self.mayPass) {
            let status = try await Database.withConnection(url) { connection in
                try await Migrator(migrations: Migrations.all).status(on: connection)
            }
            if let problem = Database.problem(with: status) { throw CommandFailure(problem) }
        }
    }

    /// Whether an error may be over the next time: the database is away, and not wrong.
    static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case is UnreachableDatabase, MigrationError.database(.unavailable),
            MigrationError.database(.outcomeUnknown), StoreError.unavailable:
            true
        default: false
        }
    }

    private func tidy() async {
        var horizon = PurgeHorizon()
        let halfAMinute = Duration.seconds(20) ... .seconds(40)
        await Duty(
            "tidying", Schedule(rest: halfAMinute, retry: halfAMinute),
            failing: "nothing was removed", level: .info, levelAgain: .info, logger: logger
        ).run {
            for (table, rows) in try await store.tidy(&horizon) where rows > 0 {
                logger.debug(
                    "removed what is over", metadata: ["table": "\(table)", "rows": "\(rows)"])
            }
            return .again
        }
    }
}

/// SIGHUP: the certificate and key are read again.
struct ReloadService: Service {
    let certificates: CertificateReload?
    let logger: Logger

    func run() async {
        await cancelWhenGracefulShutdown {
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                if let certificates {
                    // What is wrong was logged; the pair before it is still served.
                    _ = certificates.reload()
                } else {
                    logger.notice("SIGHUP: there is no certificate to read again")
                }
            }
        }
    }
}

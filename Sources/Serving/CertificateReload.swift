package import Logging
import NIOCertificateReloading
import NIOSSL
import Synchronization

/// The certificate and key that TLS is served with, read again on demand.
///
/// New connections get what was read last; those that are open keep theirs. A pair that cannot be
/// served never replaces one that can, so a half-written renewal costs an error in the log and no
/// connection.
package final class CertificateReload: Sendable {
    private let files: TLSFiles
    private let logger: Logger
    private let source: Source
    private let reloader: TimedCertificateReloader
    /// Held while a pair is read and taken over, so that two reloads cannot mix.
    private let turn = Mutex<Void>(())

    /// What the reloader reads: bytes that were examined, and not the files a second time.
    private final class Source: Sendable {
        let pair: Mutex<CertificatePair>

        init(_ pair: CertificatePair) {
            self.pair = Mutex(pair)
        }
    }

    /// Reads and examines the pair; what is wrong with it is thrown as one sentence.
    package init(_ files: TLSFiles, logger: Logger) throws(CertificateError) {
        self.files = files
        self.logger = logger
        let pair = try CertificatePair.read(files)
        let source = Source(pair)
        self.source = source
        reloader = TimedCertificateReloader(
            // Its timer never runs: reading again is asked for by a signal.
            refreshInterval: .seconds(86_400),
            certificateSource: .init(
                location: .memory(provider: { source.pair.withLock { $0.certificates } }),
                format: .pem),
            privateKeySource: .init(
                location: .memory(provider: { source.pair.withLock { $0.key } }), format: .pem))
        try Self.takeOver(reloader, files: files)
        Self.log(pair, files: files, logger: logger)
    }

    /// Reads the files again; on failure, which is logged, the pair that was served still is.
    @discardableResult
    package func reload() -> Result<Void, CertificateError> {
        let outcome: Result<CertificatePair, CertificateError> = turn.withLock { _ in
            let previous = source.pair.withLock { $0 }
            do throws(CertificateError) {
                let pair = try CertificatePair.read(files)
                source.pair.withLock { $0 = pair }
                try Self.takeOver(reloader, files: files)
                return .success(pair)
            } catch {
                source.pair.withLock { $0 = previous }
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let pair):
            Self.log(pair, files: files, logger: logger)
            return .success(())
        case .failure(let error):
            logger.error(
                "the TLS certificate was not replaced; the one before it is still served",
                metadata: ["error": "\(error)"])
            return .failure(error)
        }
    }

    /// TLS 1.2 and above, with the pair that is current when a connection begins. Of TLS 1.2 only what has
    /// forward secrecy and authenticated encryption (RFC 9325 §4.2), as all of TLS 1.3 has.
    func configuration() throws -> TLSConfiguration {
        var configuration = try TLSConfiguration.makeServerConfiguration(
            certificateReloader: reloader)
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.applicationProtocols = ["http/1.1"]
        return configuration
    }

    private static func takeOver(
        _ reloader: TimedCertificateReloader, files: TLSFiles
    ) throws(CertificateError) {
        do {
            try reloader.reload()
        } catch {
            throw CertificateError(
                "the TLS certificate \(files.certificate) and key \(files.key) cannot be used: "
                    + "\(error)")
        }
    }

    private static func log(_ pair: CertificatePair, files: TLSFiles, logger: Logger) {
        let now = UTCTime.now()
        let end = UTCTime(millisecondsSinceEpoch: pair.validUntil * 1000)
        let metadata: Logger.Metadata = [
            "certificate": "\(files.certificate)", "valid_until": "\(end.rfc3339)",
        ]
        if end.milliseconds <= now.milliseconds {
            logger.warning("the TLS certificate has expired", metadata: metadata)
        } else {
            logger.info("TLS certificate loaded", metadata: metadata)
        }
    }
}

import Foundation
import NIOSSL
import Testing

@testable import Serving
@testable import Web

/// TLS with real files, changed while the server runs.
@Suite struct ServerCertificateTests {
    static let hello = "GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    @Test func newConnectionsGetTheNewPairAndOldOnesLiveOn() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeEC("a")
        try folder.makeRSA("b")
        try folder.use("a")
        let lines = CapturedLines()
        let certificates = try CertificateReload(folder.files, logger: lines.logger())
        try await TestServer.run(certificates: certificates) { server in
            let client = RawClient(port: server.port, tls: RawClient.anyCertificate)
            let live = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
            let old = try await client.talk([
                .send(live), .answers(1),
                .perform {
                    try folder.use("b")
                    #expect(throws: Never.self) { try certificates.reload().get() }
                    let new = try await client.talk([.send(Self.hello)])
                    #expect(new.statuses == [200])
                    #expect(try folder.name(of: new) == "b")
                },
                .send(Self.hello),
            ])
            #expect(old.statuses == [200, 200])
            #expect(try folder.name(of: old) == "a")
        }
        #expect(lines.all.count { $0.contains("TLS certificate loaded") } == 2)
    }

    @Test(arguments: CertificateFolder.Damage.allCases)
    func aBadPairKeepsTheOldOne(_ damage: CertificateFolder.Damage) async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeEC("a")
        try folder.makeRSA("b")
        try folder.use("a")
        let lines = CapturedLines()
        let certificates = try CertificateReload(folder.files, logger: lines.logger())
        try await TestServer.run(certificates: certificates) { server in
            try folder.apply(damage)
            guard case .failure(let error) = certificates.reload() else {
                Issue.record("a bad pair was taken")
                return
            }
            #expect(error.description.contains(damage.words))
            #expect(error.description.contains(folder.path))
            #expect(lines.all.last?.contains(#""level":"error""#) == true)
            let reply = try await RawClient(port: server.port, tls: RawClient.anyCertificate)
                .talk([.send(Self.hello)])
            #expect(reply.statuses == [200])
            #expect(try folder.name(of: reply) == "a")
        }
        #expect(throws: CertificateError.self) {
            try CertificateReload(folder.files, logger: lines.logger())
        }
    }

    @Test func chainsAndCombinedFilesAreServed() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeEC("a")
        try folder.makeRSA("b")
        // A chain of two, with the key and a comment in the same file and Windows line ends.
        let combined = try ["a.crt", "b.crt", "a.key"].map { try folder.text($0) }
            .joined(separator: "a comment\n").replacingOccurrences(of: "\n", with: "\r\n")
        try folder.write("tls.crt", combined)
        let files = TLSFiles(
            certificate: folder.files.certificate, key: folder.files.certificate)
        let certificates = try CertificateReload(files, logger: CapturedLines().logger())
        try await TestServer.run(certificates: certificates) { server in
            let reply = try await RawClient(port: server.port, tls: RawClient.anyCertificate)
                .talk([.send(Self.hello)])
            #expect(reply.statuses == [200])
            #expect(try folder.name(of: reply) == "a")
        }
    }

    @Test(arguments: [
        (TLSVersion.tlsv1, false), (.tlsv11, false), (.tlsv12, true), (.tlsv13, true),
    ])
    func oldVersionsAreRefused(_ version: TLSVersion, _ accepted: Bool) async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeRSA("a")
        try folder.use("a")
        let certificates = try CertificateReload(folder.files, logger: CapturedLines().logger())
        try await TestServer.run(certificates: certificates) { server in
            var tls = RawClient.anyCertificate
            tls.minimumTLSVersion = version
            tls.maximumTLSVersion = version
            let client = RawClient(port: server.port, tls: tls, patience: .seconds(2))
            let reply = try await client.talk([.send(Self.hello)])
            #expect(reply.statuses == (accepted ? [200] : []))
        }
    }

    @Test func aLargeBodyIsRefusedInWordsOverTLSToo() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeEC("a")
        try folder.use("a")
        let certificates = try CertificateReload(folder.files, logger: CapturedLines().logger())
        try await TestServer.run(certificates: certificates) { server in
            let reply = try await RawClient(port: server.port, tls: RawClient.anyCertificate)
                .talk([.send(ServerRequestTests.post(String(repeating: "a", count: 1 << 20)))])
            #expect(reply.statuses == [413])
            #expect(!reply.wasReset)
        }
    }

    @Test func silenceDuringTheHandshakeIsCutOff() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        try folder.makeEC("a")
        try folder.use("a")
        let certificates = try CertificateReload(folder.files, logger: CapturedLines().logger())
        try await TestServer.run(
            limits: ServerDeadlineTests.short, certificates: certificates
        ) { server in
            let reply = try await RawClient(port: server.port).talk([])
            #expect(reply.ended)
            #expect(reply.elapsed < .seconds(15))
        }
    }
}

/// A folder with certificates that `openssl` makes, and the pair that is served.
struct CertificateFolder: Sendable {
    enum Damage: CaseIterable, Sendable {
        case missingCertificate, missingKey, garbageCertificate, brokenCertificate, emptyKey
        case brokenChain, brokenKey, wrongKey, passwordKey

        var words: String {
            switch self {
            case .missingCertificate, .missingKey: "does not exist"
            case .garbageCertificate: "has no PEM certificate"
            case .brokenCertificate: "certificate 1 in"
            case .brokenChain: "PEM block 2"
            case .emptyKey: "has no PEM private key"
            case .brokenKey: "is damaged"
            case .wrongKey: "does not belong"
            case .passwordKey: "protected by a password"
            }
        }
    }

    let url: URL

    var path: String { url.path }
    var files: TLSFiles {
        TLSFiles(
            certificate: url.appending(path: "tls.crt").path,
            key: url.appending(path: "tls.key").path)
    }

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func remove() {
        try? FileManager.default.removeItem(at: url)
    }

    func makeEC(_ name: String) throws {
        try openssl(["ecparam", "-name", "prime256v1", "-genkey", "-out", "\(name).key"])
        try openssl(
            ["req", "-new", "-x509", "-key", "\(name).key"] + subject(name))
    }

    func makeRSA(_ name: String) throws {
        try openssl(
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "\(name).key"]
                + subject(name))
    }

    private func subject(_ name: String) -> [String] {
        ["-subj", "/CN=\(name)", "-days", "2", "-out", "\(name).crt"]
    }

    func use(_ name: String) throws {
        try write("tls.crt", text("\(name).crt"))
        try write("tls.key", text("\(name).key"))
    }

    func apply(_ damage: Damage) throws {
        switch damage {
        case .missingCertificate:
            try FileManager.default.removeItem(atPath: files.certificate)
        case .missingKey: try FileManager.default.removeItem(atPath: files.key)
        case .garbageCertificate: try write("tls.crt", "garbage")
        case .brokenCertificate:
            try write(
                "tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        case .brokenChain:
            try write("tls.crt", text("a.crt") + "-----BEGIN CERTIFICATE----- \n")
        case .emptyKey: try write("tls.key", "")
        case .brokenKey:
            try write("tls.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        case .wrongKey: try write("tls.key", text("b.key"))
        case .passwordKey:
            try openssl([
                "pkcs8", "-topk8", "-in", "a.key", "-passout", "pass:x", "-out", "tls.key",
            ])
        }
    }

    func text(_ name: String) throws -> String {
        try String(contentsOf: url.appending(path: name), encoding: .utf8)
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: url.appending(path: name))
    }

    /// Which of the certificates a server showed.
    func name(of reply: Reply) throws -> String? {
        try ["a", "b"].first { name in
            try NIOSSLCertificate.fromPEMFile(url.appending(path: "\(name).crt").path).first
                == reply.certificate
        }
    }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = url
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}

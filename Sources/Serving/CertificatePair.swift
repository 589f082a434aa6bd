import NIOSSL
import SwiftASN1

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A certificate chain and its key as PEM, read from files and found fit to serve.
struct CertificatePair: Sendable {
    /// The chain alone: files often hold text between the certificates, or the key too.
    let certificates: [UInt8]
    /// The one block of a private key; `openssl ecparam` writes its parameters before it.
    let key: [UInt8]
    /// The end of the first certificate's validity, in seconds since 1970.
    let validUntil: Int64

    static func read(_ files: TLSFiles) throws(CertificateError) -> CertificatePair {
        let chainText = try contents(files.certificate, "certificate")
        let keyText = try contents(files.key, "key")

        let chain = try documents(in: chainText, of: "TLS certificate file \(files.certificate)")
            .filter { $0.discriminator == "CERTIFICATE" }
        guard !chain.isEmpty else {
            throw CertificateError(
                "the TLS certificate file \(files.certificate) has no PEM certificate in it")
        }
        let isEncrypted = CertificateError(
            "the TLS key in \(files.key) is protected by a password; store it without one")
        // OpenSSL's older form has headers within the block, which RFC 7468 does not know.
        guard !keyText.contains("Proc-Type: 4,ENCRYPTED") else { throw isEncrypted }
        let keys = try documents(in: keyText, of: "TLS key file \(files.key)")
            .filter { $0.discriminator.hasSuffix("PRIVATE KEY") }
        guard let key = keys.first else {
            throw CertificateError("the TLS key file \(files.key) has no PEM private key in it")
        }
        guard keys.count == 1 else {
            throw CertificateError("the TLS key file \(files.key) has more than one private key")
        }
        guard key.discriminator != "ENCRYPTED PRIVATE KEY" else { throw isEncrypted }
        return try examined(chain: chain, key: key, files: files)
    }

    /// Makes a TLS context of the pair, so that a mismatch is found here and not by a client.
    private static func examined(
        chain: [PEMDocument], key: PEMDocument, files: TLSFiles
    ) throws(CertificateError) -> CertificatePair {
        var certificates: [NIOSSLCertificate] = []
        for document in chain {
            do {
                certificates.append(
                    try NIOSSLCertificate(bytes: document.derBytes, format: .der))
            } catch {
                throw CertificateError(
                    "certificate \(certificates.count + 1) in \(files.certificate) is damaged")
            }
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: key.derBytes, format: .der)
        } catch {
            throw CertificateError("the TLS key in \(files.key) is damaged")
        }
        do {
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: certificates.map { .certificate($0) },
                    privateKey: .privateKey(privateKey)))
        } catch {
            throw CertificateError(
                "the TLS key in \(files.key) does not belong to the first certificate in "
                    + files.certificate)
        }
        return CertificatePair(
            certificates: Array(chain.map(\.pemString).joined(separator: "\n").utf8),
            key: Array(key.pemString.utf8),
            validUntil: certificates.first.map { Int64($0.notValidAfter) } ?? 0)
    }

    /// The PEM blocks of a text, none of which may be damaged; a text may have none.
    private static func documents(
        in text: String, of file: String
    ) throws(CertificateError) -> [PEMDocument] {
        let documents: [PEMDocument]
        do {
            documents = try PEMDocument.parseMultiple(pemString: text)
        } catch {
            throw CertificateError("the \(file) is damaged: \(error)")
        }
        // The parser ends at a BEGIN that has more on its line.
        guard documents.count == text.ranges(of: "-----BEGIN ").count else {
            throw CertificateError("the \(file) is damaged: PEM block \(documents.count + 1)")
        }
        return documents
    }

    private static func contents(
        _ path: String, _ what: String
    ) throws(CertificateError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw CertificateError(
                FileManager.default.fileExists(atPath: path)
                    ? "the TLS \(what) file \(path) cannot be read"
                    : "the TLS \(what) file \(path) does not exist")
        }
        // PEM is ASCII; of other bytes no block can be made anyway.
        return String(decoding: data, as: UTF8.self)
    }
}

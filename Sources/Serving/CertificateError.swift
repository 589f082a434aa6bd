/// Why a certificate and key cannot be served, in one sentence.
package struct CertificateError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

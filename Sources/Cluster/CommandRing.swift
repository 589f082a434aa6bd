package import OAuth
package import Storage

extension Node {
    /// The key ring of a command that is no node: it lists nothing and makes no secret known.
    package static func ring(
        for secrets: [ServerSecret], from store: Store
    ) async throws(StartError) -> KeyRing {
        do {
            let known = try await store.secrets().map(\.known)
            _ = try SecretRules.unknown(secrets: secrets, known: known)
            return try SecretRules.ring(secrets: secrets, known: known, nodes: [])
        } catch let refusal as SecretRules.Refusal {
            throw .secrets(refusal)
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .store(.broken("\(error)"))
        }
    }
}

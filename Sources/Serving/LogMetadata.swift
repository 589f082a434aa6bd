import Logging

/// A log event's metadata as a sorted list of names and plain values.
enum LogMetadata {
    /// A handler's own, then the provider's, then the event's; the later one wins.
    static func merged(
        _ base: Logger.Metadata, _ provider: Logger.MetadataProvider?, _ event: LogEvent
    ) -> [(key: String, value: Logger.MetadataValue)] {
        var all = base
        if let provided = provider?.get(), !provided.isEmpty {
            all.merge(provided) { _, new in new }
        }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error, all["error"] == nil { all["error"] = .string("\(error)") }
        return all.flatMap { flattened($0.key, $0.value) }.sorted { $0.key < $1.key }
    }

    /// Dictionaries become dotted names, so that every line is one flat object.
    private static func flattened(
        _ key: String, _ value: Logger.MetadataValue
    ) -> [(key: String, value: Logger.MetadataValue)] {
        guard case .dictionary(let inner) = value else { return [(key, value)] }
        return inner.flatMap { flattened("\(key).\($0.key)", $0.value) }
    }
}

extension Duration {
    /// Of a span that this process measured, or between times of a server, which are bounded: it never
    /// overflows.
    package var microseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

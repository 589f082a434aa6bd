/// How the pool is now.
package struct PoolStatus: Sendable, Equatable {
    package var open: Int
    package var idle: Int
    package var waiting: Int
    /// Why no connection could be opened, last; nil once one was.
    package var lastError: String?
}

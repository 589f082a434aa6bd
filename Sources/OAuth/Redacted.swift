/// Something that must not be printed: a password, a token, a client's secret.
///
/// Its value is reached only by name, so a log line or an error message shows `***`.
package struct Redacted<Value: Sendable>: Sendable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    package let value: Value

    package init(_ value: Value) {
        self.value = value
    }

    package var description: String { "***" }
    package var debugDescription: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Redacted: Equatable where Value: Equatable {}

/// The four types of the text format that we write.
enum MetricKind: String, Sendable {
    case counter, gauge, histogram
}

/// A label of a metric, its name made valid.
struct MetricLabel: Hashable, Comparable, Sendable {
    let name: String
    let value: String

    static func < (left: MetricLabel, right: MetricLabel) -> Bool {
        (left.name, left.value) < (right.name, right.value)
    }

    /// Sorted by name, so that the order in which a caller names them makes no difference.
    static func list(_ dimensions: [(String, String)]) -> [MetricLabel] {
        dimensions
            .map { MetricLabel(name: MetricText.labelName($0.0), value: $0.1) }
            .sorted()
    }
}

/// Writes the Prometheus text format 0.0.4.
struct MetricText {
    private(set) var text = ""

    /// `# HELP` and `# TYPE`, once before a name's samples.
    mutating func family(_ name: String, _ kind: MetricKind, help: String?) {
        if let help {
            text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
        }
        text += "# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: [MetricLabel], value: Double) {
        sample(name, labels, Self.number(value))
    }

    mutating func sample(_ name: String, _ labels: [MetricLabel], count: Int64) {
        sample(name, labels, String(count))
    }

    private mutating func sample(_ name: String, _ labels: [MetricLabel], _ value: String) {
        text += name
        if !labels.isEmpty {
            text += "{"
            for (index, label) in labels.enumerated() {
                if index > 0 { text += "," }
                text += "\(label.name)=\"\(Self.escaped(label.value, quotes: true))\""
            }
            text += "}"
        }
        text += " \(value)\n"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return value.description
    }

    /// Backslash, line feed and, in a label's value, the quote.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: result.append(contentsOf: "\\\"".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`: other characters, the dots of Swift's labels too, become `_`.
    static func name(_ label: String) -> String {
        valid(label, colons: true)
    }

    static func labelName(_ label: String) -> String {
        valid(label, colons: false)
    }

    private static func valid(_ label: String, colons: Bool) -> String {
        var result = ""
        for (index, scalar) in label.unicodeScalars.enumerated() {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": result.unicodeScalars.append(scalar)
            case "0"..."9":
                if index == 0 { result += "_" }
                result.unicodeScalars.append(scalar)
            case ":" where colons: result += ":"
            default: result += "_"
            }
        }
        return result.isEmpty ? "_" : result
    }
}

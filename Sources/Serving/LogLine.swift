import JSON
import Logging

/// One line of the log under construction, as bytes: for programs a JSON object, for people text.
struct LogLine {
    private let format: LogOutput.Format
    private(set) var bytes: [UInt8] = []

    /// Begins the line with what every line has.
    init(
        _ format: LogOutput.Format, time: UTCTime, level: Logger.Level, label: String,
        message: String
    ) {
        self.format = format
        bytes.reserveCapacity(512)
        switch format {
        case .json:
            bytes += #"{"time":""#.utf8
            time.appendRFC3339(to: &bytes)
            bytes += #"","level":""#.utf8
            bytes += level.rawValue.utf8
            bytes += #"","logger":"#.utf8
            JSONText.append(label, to: &bytes)
            bytes += #","message":"#.utf8
            JSONText.append(message, to: &bytes)
        case .text:
            time.appendRFC3339(to: &bytes)
            bytes.append(UInt8(ascii: " "))
            bytes += level.rawValue.utf8
            let width = max(1, 9 - level.rawValue.utf8.count)
            bytes += repeatElement(UInt8(ascii: " "), count: width)
            bytes += AccessText.harmless(message, limit: .max).utf8
        }
    }

    /// Ends the line.
    consuming func ended() -> [UInt8] {
        switch format {
        case .json: bytes += "}\n".utf8
        case .text: bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    mutating func set(_ name: String, _ text: String) {
        begin(name)
        switch format {
        case .json: JSONText.append(text, to: &bytes)
        case .text: appendWord(text)
        }
    }

    mutating func set(_ name: String, _ number: some BinaryInteger) {
        begin(name)
        append(decimal: Int64(number))
    }

    /// Milliseconds with three decimals; a text in JSON, as it always was.
    mutating func set(_ name: String, milliseconds duration: Duration) {
        begin(name)
        let microseconds = max(0, AccessText.nanoseconds(duration) / 1000)
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
        append(decimal: microseconds / 1000)
        let fraction = microseconds % 1000
        bytes.append(UInt8(ascii: "."))
        for digit in [fraction / 100, fraction / 10 % 10, fraction % 10] {
            bytes.append(UInt8(ascii: "0") + UInt8(digit))
        }
        if format == .json { bytes.append(UInt8(ascii: "\"")) }
    }

    mutating func set(_ name: String, _ value: Logger.MetadataValue) {
        begin(name)
        switch format {
        case .json: append(value)
        case .text: appendWord("\(value)")
        }
    }

    private mutating func begin(_ name: String) {
        switch format {
        case .json:
            bytes.append(UInt8(ascii: ","))
            JSONText.append(name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
        case .text:
            bytes.append(UInt8(ascii: " "))
            bytes += AccessText.harmless(name, limit: .max).utf8
            bytes.append(UInt8(ascii: "="))
        }
    }

    private mutating func append(decimal number: Int64) {
        bytes += String(number).utf8
    }

    /// As it is where that is one word, in quotes and escaped elsewhere.
    private mutating func appendWord(_ text: String) {
        let isWord =
            !text.isEmpty
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") }
        if isWord { bytes += text.utf8 } else { JSONText.append(text, to: &bytes) }
    }

    private mutating func append(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text):
            JSONText.append(text, to: &bytes)
        case .stringConvertible(let value):
            if value is any BinaryInteger {
                bytes += value.description.utf8
            } else {
                JSONText.append(value.description, to: &bytes)
            }
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                append(value)
            }
            bytes.append(UInt8(ascii: "]"))
        case .dictionary(let values):
            bytes.append(UInt8(ascii: "{"))
            for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONText.append(key, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                append(value)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }
}

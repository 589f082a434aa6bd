internal import Foundation

/// A colour on a screen, in sRGB.
package struct Color: Sendable, Equatable, CustomStringConvertible {
    package let red: UInt8
    package let green: UInt8
    package let blue: UInt8

    private init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    package init(_ hexadecimal: UInt32) {
        self.init(
            UInt8(hexadecimal >> 16 & 0xFF), UInt8(hexadecimal >> 8 & 0xFF),
            UInt8(hexadecimal & 0xFF))
    }

    /// Reads `#rrggbb`; nil for anything else.
    package init?(_ text: String) {
        let digits = text.utf8.dropFirst()
        guard text.utf8.first == UInt8(ascii: "#"), digits.count == 6,
            // UInt32 would take a sign, too.
            digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
            let value = UInt32(String(Substring(digits)), radix: 16)
        else { return nil }
        self.init(value)
    }

    /// As a style sheet writes it.
    package var description: String {
        let digits = Array("0123456789abcdef")
        return [red, green, blue].reduce(into: "#") { text, value in
            text.append(digits[Int(value >> 4)])
            text.append(digits[Int(value & 15)])
        }
    }

    package static let black = Color(0x000000)
    package static let white = Color(0xFFFFFF)

    // MARK: Contrast

    /// Relative luminance (WCAG 2.2), from 0 to 1.
    private var luminance: Double {
        func linear(_ value: UInt8) -> Double {
            let part = Double(value) / 255
            return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    /// From 1, for the same colour, to 21, for black and white.
    package func contrast(with other: Color) -> Double {
        let (darker, lighter) = (min(luminance, other.luminance), max(luminance, other.luminance))
        return (lighter + 0.05) / (darker + 0.05)
    }

    /// Black or white, whichever is read better on it: one of them always has 4.5.
    package var ink: Color {
        contrast(with: .black) >= contrast(with: .white) ? .black : .white
    }

    /// The tone of this colour that is nearest to it and has a contrast to all of the grounds: mixed
    /// with black on light grounds and with white on dark ones, in hundredths.
    package func tone(on grounds: [Color], contrast needed: Double) -> Color {
        let end = grounds.first?.ink ?? .black
        for share in 0..<100 {
            let mixed = mixed(with: end, hundredths: share)
            if grounds.allSatisfy({ mixed.contrast(with: $0) >= needed }) { return mixed }
        }
        return end
    }

    private func mixed(with other: Color, hundredths share: Int) -> Color {
        func mix(_ one: UInt8, _ two: UInt8) -> UInt8 {
            UInt8((Int(one) * (100 - share) + Int(two) * share + 50) / 100)
        }
        return Color(mix(red, other.red), mix(green, other.green), mix(blue, other.blue))
    }
}

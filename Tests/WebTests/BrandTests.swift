import OAuth
import Testing
import Web

/// A name, a logo and a colour of somebody else.
@Suite struct BrandTests {
    // MARK: Colours

    @Test(
        arguments: [
            ("#000000", "#000000"), ("#1D5a4B", "#1d5a4b"), ("#ffffff", "#ffffff"),
            ("1d5a4b", nil), ("#1d5a4", nil), ("#1d5a4bb", nil), ("#fff", nil), ("#gggggg", nil),
            ("#+d5a4b", nil), ("#-d5a4b", nil), ("green", nil), ("", nil), ("#", nil),
            ("#1d5a4b;", nil), ("#1d5a4\u{301}", nil), ("rgb(0,0,0)", nil), (" #1d5a4b", nil),
        ] as [(String, String?)])
    func colors(text: String, color: String?) {
        #expect(Color(text)?.description == color)
    }

    @Test(
        arguments: [
            (0x000000, 0xFFFFFF, 21.0), (0xFFFFFF, 0xFFFFFF, 1.0), (0x777777, 0xFFFFFF, 4.478),
            (0x767676, 0xFFFFFF, 4.542), (0xFF0000, 0xFFFFFF, 3.998), (0x0000FF, 0xFFFFFF, 8.592),
        ] as [(UInt32, UInt32, Double)])
    func contrasts(one: UInt32, two: UInt32, contrast: Double) {
        #expect(abs(Color(one).contrast(with: Color(two)) - contrast) < 0.001)
        #expect(Color(one).contrast(with: Color(two)) == Color(two).contrast(with: Color(one)))
    }

    @Test(
        arguments: [
            (0xFFFFFF, .black), (0x000000, .white), (0xFFFF00, .black), (0x0000FF, .white),
            (0xFF0000, .black), (0x1D5A4B, .white), (0x757575, .white), (0x777777, .black),
        ] as [(UInt32, Color)])
    func inks(color: UInt32, ink: Color) {
        #expect(Color(color).ink == ink)
    }

    /// Whatever the colour, its text is read: on itself, by day and in the dark.
    @Test func everyColorIsRead() {
        let steps: [UInt32] = [0, 0x33, 0x66, 0x99, 0xCC, 0xFF]
        for red in steps {
            for green in steps {
                for blue in steps {
                    let color = Color(red << 16 | green << 8 | blue)
                    #expect(color.contrast(with: color.ink) >= 4.5)
                    for grounds in [Brand.lightGrounds, Brand.darkGrounds] {
                        let tone = color.tone(on: grounds, contrast: Brand.contrast)
                        #expect(grounds.allSatisfy { tone.contrast(with: $0) >= 4.5 }, "\(color)")
                        #expect(tone.contrast(with: tone.ink) >= 4.5, "\(color)")
                    }
                }
            }
        }
    }

    @Test(
        arguments: [
            // What can be read already stays as it is.
            (0x1D5A4B, 0xF3EFE8, 0x1D5A4B), (0x82CDB6, 0x1E2522, 0x82CDB6),
            (0x000000, 0xFFFFFF, 0x000000),
            // What cannot moves toward black on light grounds, and toward white on dark ones.
            (0xFFFFFF, 0xFFFFFF, 0x757575), (0x000000, 0x000000, 0x757575),
            (0xFFFF00, 0xFFFFFF, 0x7A7A00),
        ] as [(UInt32, UInt32, UInt32)])
    func tones(color: UInt32, ground: UInt32, tone: UInt32) {
        #expect(Color(color).tone(on: [Color(ground)], contrast: 4.5) == Color(tone))
    }

    @Test func theGroundsAreThoseOfTheStyle() throws {
        let html = try PageRenderer().render(NotLoggedInPage(.english)).html
        for grounds in [Brand.lightGrounds, Brand.darkGrounds] {
            #expect(html.contains("--ground: \(grounds[0]); --door: \(grounds[1]);"))
        }
    }

    // MARK: The name

    @Test(
        arguments: [
            ("Acme", true), ("Müller & Söhne", true), (String(repeating: "x", count: 64), true),
            (String(repeating: "x", count: 65), false), (" \u{A0}", false), ("a\nb", false),
            ("a\0b", false), ("a\u{85}b", false),
        ])
    func names(name: String, isName: Bool) {
        #expect(((try? Brand(name: name)) != nil) == isName)
    }

    // MARK: The logo

    private static let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"

    @Test(
        arguments: [
            ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0], "image/png"),
            ([0xFF, 0xD8, 0xFF, 0xE0], "image/jpeg"),
            (Array("RIFF1234WEBPVP8 ".utf8), "image/webp"), (Array("RIFF1234WAVE".utf8), nil),
            (Array(svg.utf8), "image/svg+xml"),
            (
                Array(
                    "\u{FEFF}<?xml version=\"1.0\"?>\r\n<!-- <svg> -->\n<!DOCTYPE svg>\(svg)".utf8),
                "image/svg+xml"
            ),
            (Array("<svg/>".utf8), nil), (Array("<svg width=\"1\"></svg>".utf8), nil),
            (Array("<svgx xmlns=\"http://www.w3.org/2000/svg\"/>".utf8), nil),
            (Array("<html>\(svg)</html>".utf8), nil), (Array("<!-- \(svg)".utf8), nil),
            (Array("<svg xmlns=\"http://www.w3.org/2000/svg\"".utf8), nil),
            (Array(svg.utf8) + [0xFF], nil), (Array("GIF89a".utf8), nil), ([], nil),
        ] as [([UInt8], String?)])
    func logos(bytes: [UInt8], type: String?) {
        let url = try? Logo(bytes).url
        #expect(url?.prefix { $0 != ";" } == type.map { "data:\($0)" })
    }

    @Test func theLogoIsBounded() {
        let start: [UInt8] = [0xFF, 0xD8, 0xFF]
        func padded(_ count: Int) -> [UInt8] {
            start + Array(repeating: 0, count: count - start.count)
        }
        #expect(throws: Never.self) { try Logo(padded(65_536)) }
        #expect(throws: Brand.Invalid.self) { try Logo(padded(65_537)) }
    }

    // MARK: On the pages

    @Test func pagesShowIt() throws {
        let name = "M&M <b>"
        let brand = try Brand(
            name: name, logo: Logo(Array(Self.svg.utf8)), accent: Color(0xFFCC00))
        for page in PageTests.pages("plain") {
            let rendered = try PageRenderer(brand: brand).render(page)
            #expect(rendered.html.contains(" - M&amp;M &lt;b&gt;</title>"))
            #expect(rendered.html.contains("<span>M&amp;M &lt;b&gt;</span>"))
            #expect(!rendered.html.contains("Doornail"))
            #expect(rendered.html.ranges(of: "<img src=\"data:image/svg+xml;base64,").count == 1)
            #expect(!rendered.html.contains("<path"))
            #expect(rendered.html.contains("--accent: #ffcc00; --on-accent: #000000;"))
            let policy = rendered.headers.first { $0.0 == "Content-Security-Policy" }?.1
            #expect(policy?.contains("; img-src data:; base-uri 'none';") == true)
        }
    }

    /// Only a logo needs pictures.
    @Test func withoutALogoNoPicturesMayLoad() throws {
        let brand = try Brand(name: "Acme", accent: Color(0xFFCC00))
        let rendered = try PageRenderer(brand: brand).render(NotLoggedInPage(.german))
        let policy = rendered.headers.first { $0.0 == "Content-Security-Policy" }?.1
        #expect(policy?.contains("img-src") == false)
        #expect(!rendered.html.contains("<img"))
        #expect(rendered.html.contains("<path"))
        #expect(rendered.html.contains("<title>Nicht angemeldet - Acme</title>"))
    }
}

import Web

/// A tag that a template may not have.
struct TemplateProblem: Error {
    let tag: String
}

/// The names that a template uses of a value; throws at any tag but `{{{name}}}` in text or in
/// double quotes, `{{#name}}`, `{{^name}}` and `{{/name}}`, and at a name that is not there.
func names(in template: String, of value: Any) throws -> Set<String> {
    var used: Set<String> = []
    var stack: [(name: String, scope: Any?)] = [("", value)]
    var rest = template[...]
    while let start = rest.firstRange(of: "{{") {
        let before = rest[..<start.lowerBound]
        rest = rest[start.upperBound...]
        let isInsertion = rest.hasPrefix("{")
        guard let end = rest.firstRange(of: isInsertion ? "}}}" : "}}") else {
            throw TemplateProblem(tag: String(rest))
        }
        let tag = String(rest[..<end.lowerBound])
        rest = rest[end.upperBound...]
        let name = String(tag.dropFirst())
        guard let kind = tag.first, "{#^/".contains(kind),
            !name.isEmpty, name.utf8.allSatisfy({ isLetter($0) || $0 == UInt8(ascii: ".") })
        else { throw TemplateProblem(tag: tag) }
        if kind == "/" {
            guard stack.count > 1, stack.removeLast().name == name else {
                throw TemplateProblem(tag: tag)
            }
            continue
        }
        guard let member = stack.reversed().lazy.compactMap({ child(name, of: $0.scope) }).first
        else { throw TemplateProblem(tag: tag) }
        used.insert(name)
        switch kind {
        case "{":
            guard member is HTML, !before.hasSuffix("=") else { throw TemplateProblem(tag: tag) }
        case "#":
            stack.append((name, (member as? [Any])?.first ?? member))
        default:
            guard member is Bool else { throw TemplateProblem(tag: tag) }
            stack.append((name, nil))
        }
    }
    guard stack.count == 1 else { throw TemplateProblem(tag: "unclosed") }
    return used
}

private func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}

/// A stored member by its name, or by a path of names, as swift-mustache finds it.
private func child(_ path: String, of value: Any?) -> Any? {
    path.split(separator: ".", omittingEmptySubsequences: false).reduce(value) { value, name in
        guard let value else { return nil }
        let child = Mirror(reflecting: value).children.first { $0.label == String(name) }
        return child.flatMap { unwrapped($0.value) }
    }
}

private func unwrapped(_ value: Any) -> Any? {
    let mirror = Mirror(reflecting: value)
    return mirror.displayStyle == .optional ? mirror.children.first?.value : value
}

/// Whether a value holds nothing but HTML, flags, words and sources of a policy.
func isSafe(_ value: Any) -> Bool {
    guard let value = unwrapped(value) else { return true }
    if value is HTML || value is Bool || value is FormTargets || value is Language { return true }
    let mirror = Mirror(reflecting: value)
    // A function among the words is for the page alone: no template can insert it.
    if mirror.displayStyle == nil { return true }
    guard mirror.displayStyle == .struct || mirror.displayStyle == .collection else { return false }
    return mirror.children.allSatisfy { isSafe($0.value) }
}

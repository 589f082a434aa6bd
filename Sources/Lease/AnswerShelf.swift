import OAuth

/// Answers about access tokens by the tokens' ids, laid one behind the other in a few large arrays: it is
/// known what they take, no answer is an allocation of its own, and all are dropped together.
///
/// What is replaced or removed leaves a gap.
struct AnswerShelf {
    /// What stands before an answer's bytes.
    private struct Head: BitwiseCopyable {
        let token: Identifier
        let scopes: AnswerScopes
        var tick: Int64
        let certainUntil: Int64
        let bodyCount: UInt16
        let textCount: UInt16
        let audienceCount: UInt16

        var count: Int { Int(bodyCount) + Int(textCount) + Int(audienceCount) }
    }

    /// Where an answer lies.
    struct Position {
        fileprivate let chunk: Int
        fileprivate let offset: Int
    }

    /// How many bytes an array may have, and how many of them there may be: both have 16 bits in a
    /// position.
    static let chunkBytes = 65_504
    private static let chunkCount = 65_535
    static let headBytes = MemoryLayout<Head>.size
    private static let free = UInt32.max
    private static let removed = UInt32.max - 1

    private var chunks: [[UInt8]] = []
    private let chunkBytes: Int
    /// Positions, found by open addressing; a power of two, never more than half full.
    private var index: [UInt32] = []
    /// Places of the index that are not free.
    private var taken = 0
    private(set) var count = 0

    /// - Parameter limit: about how many bytes it is going to have; 4096 are set aside at least.
    init(limit: Int) {
        chunkBytes = min(max(limit, 4096), Self.chunkBytes)
    }

    /// What it takes.
    var bytes: Int {
        guard let last = chunks.last else { return 0 }
        return (chunks.count - 1) * chunkBytes + last.count
            + index.count * MemoryLayout<UInt32>.size
    }

    /// How much a new answer takes, with its share of the index.
    static func bytes(of answer: RememberedAnswer) -> Int {
        headBytes + answer.bytes.count + 4 * MemoryLayout<UInt32>.size
    }

    /// Whether there is a place for it at all: an array is no larger than `chunkBytes`.
    func canKeep(_ answer: RememberedAnswer) -> Bool {
        Self.headBytes + answer.bytes.count <= chunkBytes && chunks.count < Self.chunkCount
    }

    // MARK: Looking

    func position(of token: Identifier) -> Position? {
        place(of: token).map { Position($0.position) }
    }

    func tick(at position: Position) -> Int64 { head(at: position).tick }

    func scopes(at position: Position) -> AnswerScopes { head(at: position).scopes }

    func answer(at position: Position) -> RememberedAnswer {
        let head = head(at: position)
        let begin = position.offset + Self.headBytes
        return RememberedAnswer(
            bytes: Array(chunks[position.chunk][begin..<(begin + head.count)]),
            bodyCount: Int(head.bodyCount), textCount: Int(head.textCount),
            client: head.scopes.client, certainUntil: UnixTime(seconds: head.certainUntil))
    }

    private func head(at position: Position) -> Head {
        unsafe chunks[position.chunk].withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: position.offset, as: Head.self)
        }
    }

    /// The place in the index, and what it says.
    private func place(of token: Identifier) -> (place: Int, position: UInt32)? {
        guard !index.isEmpty else { return nil }
        var place = first(for: token)
        while index[place] != Self.free {
            let position = index[place]
            if position != Self.removed, head(at: Position(position)).token == token {
                return (place, position)
            }
            place = (place + 1) & (index.count - 1)
        }
        return nil
    }

    /// How many places after its first one a token was put.
    func detour(of token: Identifier) -> Int? {
        place(of: token).map { ($0.place - first(for: token)) & (index.count - 1) }
    }

    /// The low half of an id is random, and its lowest bits have chosen the shard.
    private func first(for token: Identifier) -> Int {
        Int(truncatingIfNeeded: (token.low &* 0x9E37_79B9_7F4A_7C15) >> 32) & (index.count - 1)
    }

    // MARK: Changing

    /// That it was found good up to a later tick.
    mutating func set(tick: Int64, at position: Position) {
        var head = head(at: position)
        head.tick = tick
        write(head, at: position)
    }

    /// Lays an answer down, if it can be kept.
    mutating func keep(
        _ answer: RememberedAnswer, of token: Identifier, scopes: AnswerScopes, tick: Int64
    ) {
        guard canKeep(answer) else { return }
        let size = Self.headBytes + answer.bytes.count
        let head = Head(
            token: token, scopes: scopes, tick: tick, certainUntil: answer.certainUntil.seconds,
            bodyCount: UInt16(answer.bodyCount), textCount: UInt16(answer.textCount),
            audienceCount: UInt16(answer.bytes.count - answer.bodyCount - answer.textCount))
        let old = place(of: token)
        if let old, self.head(at: Position(old.position)).count == answer.bytes.count {
            write(head, answer.bytes, at: Position(old.position))
            return
        }
        if (chunks.last?.count ?? .max) > chunkBytes - size {
            chunks.append([])
            chunks[chunks.count - 1].reserveCapacity(chunkBytes)
        }
        let chunk = chunks.count - 1
        let position = Position(chunk: chunk, offset: chunks[chunk].count)
        chunks[chunk].append(contentsOf: repeatElement(0, count: Self.headBytes))
        chunks[chunk].append(contentsOf: answer.bytes)
        write(head, at: position)
        if let old {
            index[old.place] = position.packed
        } else {
            enter(position, of: token)
            count += 1
        }
    }

    mutating func remove(_ token: Identifier) {
        guard let (place, _) = place(of: token) else { return }
        index[place] = Self.removed
        count -= 1
    }

    private mutating func write(_ head: Head, _ bytes: [UInt8] = [], at position: Position) {
        let (offset, behind) = (position.offset, position.offset + Self.headBytes)
        unsafe chunks[position.chunk].withUnsafeMutableBytes { chunk in
            unsafe chunk.storeBytes(of: head, toByteOffset: offset, as: Head.self)
            unsafe UnsafeMutableRawBufferPointer(rebasing: chunk[behind...]).copyBytes(from: bytes)
        }
    }

    private mutating func enter(_ position: Position, of token: Identifier) {
        if 2 * (taken + 1) > index.count { grow() }
        var place = first(for: token)
        while index[place] != Self.free { place = (place + 1) & (index.count - 1) }
        index[place] = position.packed
        taken += 1
    }

    private mutating func grow() {
        let old = index.filter { $0 != Self.free && $0 != Self.removed }
        // One that has become full of what was removed stays as large as it is.
        let size = 4 * (old.count + 1) > index.count ? max(2 * index.count, 16) : index.count
        index = Array(repeating: Self.free, count: size)
        taken = 0
        for packed in old {
            let position = Position(packed)
            enter(position, of: head(at: position).token)
        }
    }
}

extension AnswerShelf.Position {
    fileprivate init(_ packed: UInt32) {
        chunk = Int(packed >> 16)
        offset = Int(packed & 0xFFFF)
    }

    fileprivate var packed: UInt32 { UInt32(chunk) << 16 | UInt32(offset) }
}

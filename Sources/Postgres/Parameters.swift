/// The parameters of a statement in binary form, in one buffer.
struct Parameters: Sendable {
    private var bytes: [UInt8] = []
    /// Where each begins; nil for null.
    private var offsets: [Int?] = []
    private var lengths: [Int32] = []

    init<each Input: PostgresValue>(_ input: repeat each Input) {
        repeat append(each input)
    }

    private mutating func append<Value: PostgresValue>(_ value: Value) {
        let start = bytes.count
        let isNull = !value.encode(into: &bytes)
        offsets.append(isNull ? nil : start)
        lengths.append(Int32(clamping: bytes.count - start))
    }

    /// Gives the arrays that libpq wants to a closure: count, values, lengths, formats.
    func withPointers<T>(
        _ body: (
            Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?,
            UnsafePointer<Int32>?
        ) -> T
    ) -> T {
        // One byte more, so that an empty value has an address too: none would mean null.
        let padded = bytes + [0]
        let formats = [Int32](repeating: 1, count: offsets.count)
        return unsafe padded.withUnsafeBytes { buffer in
            let values = unsafe offsets.map { offset in
                unsafe offset.flatMap { offset in
                    unsafe buffer.baseAddress.map {
                        unsafe ($0 + offset).assumingMemoryBound(to: CChar.self)
                    }
                }
            }
            return unsafe values.withUnsafeBufferPointer { values in
                unsafe lengths.withUnsafeBufferPointer { lengths in
                    unsafe formats.withUnsafeBufferPointer { formats in
                        unsafe body(
                            Int32(offsets.count), values.baseAddress, lengths.baseAddress,
                            formats.baseAddress)
                    }
                }
            }
        }
    }
}

import CFuzzer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// libFuzzer's driver over one target, which FUZZ_TARGET names; `make fuzz` runs them all.
@main enum Fuzz {
    fileprivate static let target = unsafe getenv("FUZZ_TARGET").flatMap {
        unsafe Target(rawValue: String(cString: $0))
    }

    static func main() {
        guard target != nil else {
            let names = Target.allCases.map(\.rawValue).joined(separator: " ")
            print("FUZZ_TARGET names what is to be fuzzed, one of: \(names)")
            exit(2)
        }
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
            unsafe CommandLine.unsafeArgv
        unsafe exit(LLVMFuzzerRunDriver(&count, &arguments, examine))
    }
}

/// The archive of libFuzzer asks for it by this name, too.
@_cdecl("LLVMFuzzerTestOneInput")
func examine(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    unsafe Fuzz.target?.examine(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}

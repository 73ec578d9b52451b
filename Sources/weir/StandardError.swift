#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where everything goes that is not a command's result.
enum StandardError {
    /// Writes one line.
    static func print(_ line: String) { write(line.hasSuffix("\n") ? line : line + "\n") }

    /// Writes the text as it is.
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let written = put(STDERR_FILENO, rest)
                if written <= 0 { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }
}

private func put(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}

/// Ends the process; a function of its own because `exit` inside a command means the argument parser's.
func endProcess(_ code: Int32) -> Never { exit(code) }

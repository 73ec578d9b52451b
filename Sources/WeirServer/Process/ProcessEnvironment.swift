import CWeirLinux
import SystemPackage
import WeirModel

/// What a process is given from outside, without Foundation, whose share of memory and start-up time is larger than the
/// broker's own.
enum ProcessEnvironment {
    /// The variables that concern Weir.
    static func variables() -> [String: String] {
        var variables: [String: String] = [:]
        guard var entry = weir_environment() else { return [:] }
        while let text = entry.pointee {
            defer { entry += 1 }
            let line = String(cString: text)
            guard line.hasPrefix("WEIR_"), let separator = line.firstIndex(of: "=") else { continue }
            variables[String(line[..<separator])] = String(line[line.index(after: separator)...])
        }
        return variables
    }

    /// Reads a configuration file, which must be UTF-8 and at most 1 MiB.
    static func readFile(_ name: String) throws(ConfigurationError) -> String {
        let sizeMax = 1 << 20
        var bytes = [UInt8](repeating: 0, count: sizeMax + 1)
        var count = 0
        do {
            let file = try FileDescriptor.open(FilePath(name), .readOnly)
            defer { try? file.close() }
            while count < bytes.count {
                let got = try bytes.withUnsafeMutableBytes { space in
                    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: space[count...]))
                }
                if got == 0 { break }
                count += got
            }
        } catch {
            throw ConfigurationError("\(name): cannot be read: \((error as? Errno)?.description ?? "\(error)")")
        }
        if count > sizeMax { throw ConfigurationError("\(name): longer than 1 MiB, which no configuration is") }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw ConfigurationError("\(name): not UTF-8 text")
        }
        return text
    }
}

internal import SystemPackage

/// The names of a segment's files: the first offset in 20 digits, and what the file is.
enum SegmentName {
    enum Kind: String {
        case log, index, timeindex, snapshot, txnindex
    }

    /// The files that compaction writes anew, the log last: while it has another name the segment does not count.
    static let compacted: [Kind] = [.index, .timeindex, .log]

    static func text(_ offset: Int64, _ kind: Kind) -> String {
        let digits = String(max(0, offset))
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + "." + kind.rawValue
    }

    /// Reads such a name; nil for any other.
    static func parse(_ name: String) -> (offset: Int64, kind: Kind)? {
        let bytes = Array(name.utf8)
        guard bytes.count > 21, bytes[20] == UInt8(ascii: "."),
            bytes[..<20].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let offset = Int64(String(decoding: bytes[..<20], as: UTF8.self)),
            // Offsets in a segment go up to 2³² behind its first.
            offset < Int64.max - (1 << 33),
            let kind = Kind(rawValue: String(decoding: bytes[21...], as: UTF8.self))
        else { return nil }
        return (offset, kind)
    }
}

public import NIOCore

/// Cuts a stream of bytes into lines, without their ends (`\n`, or `\r\n`).
public struct LineSplitter: Sendable {
    private var rest = ByteBuffer()

    public init() {}

    /// Takes the next bytes and gives the lines that are complete now; they share the memory of what was read.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer) -> [ByteBuffer] {
        rest.writeBytes(bytes)
        var lines: [ByteBuffer] = []
        while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            guard var line = rest.readSlice(length: end - rest.readerIndex) else { break }
            rest.moveReaderIndex(forwardBy: 1)
            Self.dropReturn(&line)
            lines.append(line)
        }
        if rest.readableBytes == 0 {
            // What was given out keeps the memory.
            rest = ByteBuffer()
        } else if !lines.isEmpty {
            rest = ByteBuffer(bytes: rest.readableBytesView)
        }
        return lines
    }

    /// The last line, when it has no end.
    public mutating func finish() -> ByteBuffer? {
        defer { rest = ByteBuffer() }
        return rest.readableBytes > 0 ? rest : nil
    }

    private static func dropReturn(_ line: inout ByteBuffer) {
        if line.readableBytesView.last == UInt8(ascii: "\r") { line.moveWriterIndex(to: line.writerIndex - 1) }
    }
}

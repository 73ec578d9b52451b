import NIOCore
import Testing
import WeirProtocol

@Suite struct FramingTests {
    @Test func prefixes() throws {
        #expect(try Framing.length(0, limit: 10) == 0)
        #expect(try Framing.length(10, limit: 10) == 10)
        #expect(throws: Framing.Failure.oversized(11, limit: 10)) { try Framing.length(11, limit: 10) }
        #expect(throws: Framing.Failure.negative(-1)) { try Framing.length(-1, limit: 10) }
        #expect(throws: Framing.Failure.negative(.min)) { try Framing.length(.min, limit: .max) }
        #expect(try Framing.length(.max, limit: .max) == Int(Int32.max))
    }

    /// Frames are the same in whatever pieces they arrive.
    @Test func anyPieces() throws {
        let frames: [[UInt8]] = [[1, 2, 3], [], [9], Array(repeating: 7, count: 300)]
        var stream = ByteBuffer()
        for frame in frames {
            stream.writeInteger(Int32(frame.count))
            stream.writeBytes(frame)
        }
        for piece in [1, 2, 3, 4, 5, 7, 64, stream.readableBytes] {
            var (received, rest, found) = (ByteBuffer(), stream, [[UInt8]]())
            while let bytes = rest.readSlice(length: min(piece, rest.readableBytes)), bytes.readableBytes > 0 {
                received.writeImmutableBuffer(bytes)
                while case .frame(let frame) = try Framing.next(from: &received, limit: 300) {
                    found.append(Array(frame.readableBytesView))
                }
            }
            #expect(found == frames, "pieces of \(piece)")
            #expect(received.readableBytes == 0)
        }
    }

    @Test func incomplete() throws {
        var buffer = ByteBuffer(bytes: [0, 0, 0])
        #expect(try Framing.next(from: &buffer, limit: 10) == .incomplete(needed: 4))
        buffer.writeInteger(UInt8(5))
        #expect(try Framing.next(from: &buffer, limit: 10) == .incomplete(needed: 9))
        #expect(buffer.readableBytes == 4)
        #expect(throws: Framing.Failure.oversized(5, limit: 4)) { try Framing.next(from: &buffer, limit: 4) }
    }
}

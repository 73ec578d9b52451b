import NIOCore
import Testing

@testable import WeirServer

/// Plays NIO's part: lends the accumulator's buffer, writes what "came" into it, gives it back.
private struct Socket {
    var frames: FrameAccumulator
    let pool = ReceiveBufferPool()
    var seen: [[UInt8]] = []

    init(max: Int = 1 << 20) { frames = FrameAccumulator(frameBytesMax: max) }

    /// Brings bytes in reads of at most `step` bytes, and takes every frame that is whole.
    mutating func receive(_ bytes: [UInt8], step: Int) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            var buffer = frames.takeReceiveBuffer(from: pool)
            let count = min(step, rest.count, buffer.writableBytes)
            #expect(count > 0, "a buffer without room was lent")
            buffer.writeBytes(rest.prefix(count))
            rest = rest.dropFirst(count)
            try frames.received(buffer)
            while let frame = try frames.next() { seen.append(Array(frame.readableBytesView)) }
            frames.settle(pool)
        }
    }
}

private func frame(_ bytes: [UInt8]) -> [UInt8] {
    var buffer = ByteBuffer()
    buffer.writeInteger(Int32(bytes.count))
    buffer.writeBytes(bytes)
    return Array(buffer.readableBytesView)
}

private func pattern(_ count: Int, _ seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) }
}

@Suite struct FrameAccumulatorTests {
    @Test(arguments: [1, 2, 3, 7, 512, 4096, 300_000])
    func framesComeWholeWhateverTheReads(step: Int) throws {
        var sizes = [0, 1, 3, 100, 511, 512, 513, 5000, 40_000, 5, 70_000, 0]
        if step >= 512 { sizes += [262_144, 300_000, 600_000, 1, 600_000, 600_000, 1_000_000, 9] }
        let sent = sizes.enumerated().map { pattern($0.element, $0.offset) }
        var socket = Socket()
        try socket.receive(sent.flatMap(frame), step: step)
        #expect(socket.seen == sent)
        #expect(socket.frames.heldCapacity == 0, "nothing is kept once every frame is taken")
    }

    @Test func lengthsOutOfBoundsAreRefusedBeforeTheirBytesCome() throws {
        let cases: [([UInt8], FrameError)] = [
            ([0xFF, 0xFF, 0xFF, 0xFF], .negativeLength(-1)),
            ([0x80, 0, 0, 0], .negativeLength(.min)),
            ([0, 0x10, 0, 1], .tooLong(1_048_577, max: 1 << 20)),
            ([0x47, 0x45, 0x54, 0x20], .tooLong(0x4745_5420, max: 1 << 20)),
        ]
        for (bytes, expected) in cases {
            var socket = Socket()
            #expect(throws: expected) { try socket.receive(bytes, step: 4) }
        }
        var socket = Socket()
        try socket.receive([0, 0x10, 0, 0], step: 1)
        #expect(socket.seen.isEmpty)
    }

    @Test func memoryFollowsTheBytesThatCameNotTheDeclaredLength() throws {
        var socket = Socket(max: 100 << 20)
        // 100 MiB are announced and never come.
        try socket.receive([0x06, 0x40, 0, 0], step: 1)
        #expect(socket.frames.heldCapacity <= 64)
        try socket.receive(pattern(1000, 1), step: 100)
        #expect(socket.frames.heldCapacity <= 2048)
        try socket.receive(pattern(100_000, 1), step: 10_000)
        #expect(socket.frames.heldCapacity <= 1 << 20)
    }

    @Test func framesThatWaitStayUndecodedAndInOrder() throws {
        var frames = FrameAccumulator(frameBytesMax: 1 << 20)
        let pool = ReceiveBufferPool()
        let sent = (0..<50).map { pattern(20_000, $0) }
        var rest = sent.flatMap(frame)[...]
        var seen: [[UInt8]] = []
        // One frame a read is taken; more come than are taken, as when a peer closes while its requests wait.
        while !rest.isEmpty {
            var buffer = frames.takeReceiveBuffer(from: pool)
            let count = min(buffer.writableBytes, rest.count, 50_000)
            buffer.writeBytes(rest.prefix(count))
            rest = rest.dropFirst(count)
            try frames.received(buffer)
            if let frame = try frames.next() { seen.append(Array(frame.readableBytesView)) }
            frames.settle(pool)
        }
        while let frame = try frames.next() { seen.append(Array(frame.readableBytesView)) }
        #expect(seen == sent)
    }

    @Test func slicesThatAreKeptSurviveLaterReads() throws {
        var frames = FrameAccumulator(frameBytesMax: 1 << 20)
        let pool = ReceiveBufferPool()
        var kept: [ByteBuffer] = []
        for round in 0..<20 {
            var buffer = frames.takeReceiveBuffer(from: pool)
            buffer.writeBytes(frame(pattern(100, round)))
            try frames.received(buffer)
            kept.append(try #require(try frames.next()))
            frames.settle(pool)
        }
        for (round, frame) in kept.enumerated() { #expect(Array(frame.readableBytesView) == pattern(100, round)) }
    }

    @Test func aLentBufferThatDoesNotComeBackEndsTheConnection() throws {
        var frames = FrameAccumulator(frameBytesMax: 1 << 20)
        let pool = ReceiveBufferPool()
        func read(_ bytes: [UInt8]) throws {
            var buffer = frames.takeReceiveBuffer(from: pool)
            buffer.writeBytes(bytes)
            try frames.received(buffer)
            frames.settle(pool)
        }
        try read([0, 0])
        _ = frames.takeReceiveBuffer(from: pool)
        #expect(throws: FrameError.bytesLost) { try read([0, 1]) }
    }

    @Test func buffersGoRound() throws {
        let pool = ReceiveBufferPool()
        let first = pool.takeChunk()
        let address = first.withUnsafeReadableBytes { $0.baseAddress }
        pool.give(first, isChunk: true)
        // `first` still holds it, so that a new one is made; the one after is the new one again.
        var second = pool.takeChunk()
        #expect(second.withUnsafeReadableBytes { $0.baseAddress } != address)
        second.writeString("x")
        pool.trim()
        #expect(second.readableBytes == 1)
        withExtendedLifetime(first) {}
    }
}

import NIOCore
import Testing
import WeirModel
import WeirProtocol

/// Bytes that no honest client sends: every decoder must refuse them or make a message of them, never trap, and never take
/// memory out of proportion. A trap ends the test run, so that these tests can fail only in the hardest way, apart from
/// what they expect of messages that came out.
@Suite struct HostileInputTests {
    static let subjects = Subject.all + Subject.headers

    /// Reads, and when that works, writes and reads again: what was read can always be written, and stays what it is.
    private func feed(_ bytes: ByteBuffer, to subject: Subject, _ version: Int16, _ what: String) {
        let context = "\(subject.name) v\(version), \(what), seed \(testSeed), bytes \(hex(bytes.readableBytesView))"
        let value: Subject.Value
        do throws(WireError) { value = try subject.read(bytes, version) } catch { return }
        do throws(WireError) {
            let written = try value.encode()
            let again = try subject.read(written, version)
            #expect(fields(of: again.message) == fields(of: value.message), "\(context)")
        } catch {
            Issue.record("\(context): read, but then \(error)")
        }
    }

    @Test(arguments: subjects)
    func randomBytes(_ subject: Subject) {
        for version in subject.versions {
            var generator = SeededGenerator(seed: testSeed, stream: "noise/\(subject.name)/\(version)")
            for _ in 0..<60 {
                // Small values are what lengths and counts look like.
                let small = generator.chance(0.5)
                let noise = generator.bytes(generator.below(200)).map { small ? $0 & 3 : $0 }
                feed(ByteBuffer(bytes: noise), to: subject, version, "noise")
            }
        }
    }

    /// No prefix of a message is a message, whatever its length.
    @Test(arguments: subjects)
    func truncations(_ subject: Subject) throws {
        for version in subject.versions {
            var generator = SeededGenerator(seed: testSeed, stream: "cut/\(subject.name)/\(version)")
            for _ in 0..<3 {
                let whole = try subject.random(version, &generator).encode()
                let lengths =
                    whole.readableBytes <= 300 ? Array(0..<whole.readableBytes) : [0, 1, 100, whole.readableBytes - 1]
                for length in lengths {
                    let cut = try #require(whole.getSlice(at: whole.readerIndex, length: length))
                    #expect(throws: WireError.self, "\(subject.name) v\(version), \(length) of \(whole.readableBytes)")
                    {
                        try subject.read(cut, version)
                    }
                }
            }
        }
    }

    @Test(arguments: subjects)
    func mutations(_ subject: Subject) throws {
        for version in subject.versions {
            var generator = SeededGenerator(seed: testSeed, stream: "mutant/\(subject.name)/\(version)")
            for _ in 0..<40 {
                var bytes = Array(try subject.random(version, &generator).encode().readableBytesView.prefix(2000))
                for _ in 0...generator.below(3) { mutate(&bytes, &generator) }
                feed(ByteBuffer(bytes: bytes), to: subject, version, "mutant")
            }
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        guard !bytes.isEmpty else { return bytes.append(contentsOf: generator.bytes(4)) }
        let at = generator.below(bytes.count)
        let until = min(at + 1 + generator.below(8), bytes.count)
        switch generator.below(5) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes[at] ^= 1 << UInt8(generator.below(8))
        case 2: bytes.removeSubrange(at..<until)
        case 3: bytes.insert(contentsOf: generator.bytes(until - at), at: at)
        // What lengths, counts and varints break on.
        default:
            let edge: [[UInt8]] = [
                [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], [0x80, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
                [0x80, 0x80, 0x80, 0x80, 0x08], [0x7F, 0xFF], [0x80, 0], [0xFF, 0xFE],
            ]
            for (index, byte) in generator.pick(edge).enumerated() where at + index < bytes.count {
                bytes[at + index] = byte
            }
        }
    }

    // MARK: One trick at a time

    private func read<Value: WireStruct>(
        _ type: Value.Type, _ bytes: [UInt8], version: Int16 = 0, flexible: Bool
    ) throws(WireError) -> Value {
        var buffer = ByteBuffer(bytes: bytes)
        return try WireReader.readPrefix(type, from: &buffer, version: version, flexible: flexible)
    }

    @Test func countsBeyondTheFrame() {
        // acks, timeout, then 2^31-1 topics.
        #expect(throws: WireError.lengthBeyondFrame(0x7FFF_FFFF, left: 0)) {
            try read(ProduceRequest.self, [0, 1, 0, 0, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF], flexible: false)
        }
        // The same in a varint, 2^32-1 less the one that stands for null.
        #expect(throws: WireError.lengthBeyondFrame(0xFFFF_FFFE, left: 0)) {
            try read(DeleteGroupsRequest.self, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], version: 2, flexible: true)
        }
    }

    @Test func negativeLengths() {
        #expect(throws: WireError.negativeLength(-2)) { try read(String.self, [0xFF, 0xFE], flexible: false) }
        #expect(throws: WireError.negativeLength(-32768)) { try read(String.self, [0x80, 0], flexible: false) }
        #expect(throws: WireError.nullNotAllowed) { try read(String.self, [0xFF, 0xFF], flexible: false) }
        #expect(throws: WireError.nullNotAllowed) { try read(String.self, [0], flexible: true) }
        #expect(throws: WireError.negativeLength(Int(Int32.min))) {
            try read(DeleteGroupsRequest.self, [0x80, 0, 0, 0], flexible: false)
        }
        #expect(throws: WireError.nullNotAllowed) {
            try read(DeleteGroupsRequest.self, [0xFF, 0xFF, 0xFF, 0xFF], flexible: false)
        }
        #expect(throws: WireError.negativeLength(-7)) {
            try read(RequestHeader.self, [0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xF9], flexible: false)
        }
    }

    @Test func varintsThatNeverEnd() {
        #expect(throws: WireError.varintTooLong) {
            try read(String.self, [0x80, 0x80, 0x80, 0x80, 0x80, 0x01], flexible: true)
        }
        #expect(throws: WireError.varintTooLong) {
            try read(String.self, [0xFF, 0xFF, 0xFF, 0xFF, 0x1F], flexible: true)
        }
        #expect(throws: WireError.truncated(needed: 1, left: 0)) {
            try read(String.self, [0x80, 0x80], flexible: true)
        }
    }

    @Test func textThatIsNotUTF8() {
        for bad: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] {
            #expect(throws: WireError.notUTF8) { try read(String.self, [UInt8(bad.count + 1)] + bad, flexible: true) }
            #expect(throws: WireError.notUTF8) {
                try read(RequestHeader.self, [0, 0, 0, 0, 0, 0, 0, 1, 0, UInt8(bad.count)] + bad, flexible: false)
            }
        }
    }

    @Test func taggedFields() throws {
        // More than the frame can hold.
        #expect(throws: WireError.lengthBeyondFrame(0xFFFF_FFFF, left: 0)) {
            try read(ResponseHeader.self, [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], flexible: true)
        }
        // A size beyond the frame.
        #expect(throws: WireError.lengthBeyondFrame(127, left: 0)) {
            try read(ResponseHeader.self, [0, 0, 0, 1, 1, 0, 127], flexible: true)
        }
        // Twice the same, and falling.
        #expect(throws: WireError.tagsOutOfOrder) {
            try read(ResponseHeader.self, [0, 0, 0, 1, 2, 5, 0, 5, 0], flexible: true)
        }
        #expect(throws: WireError.tagsOutOfOrder) {
            try read(ResponseHeader.self, [0, 0, 0, 1, 2, 5, 0, 4, 0], flexible: true)
        }
        // A hundred that nobody knows are skipped.
        let unknown: [UInt8] = (0..<100).flatMap { (tag: UInt8) -> [UInt8] in [tag, 1, 0xAA] }
        #expect(try read(ResponseHeader.self, [0, 0, 0, 7, 100] + unknown, flexible: true).correlationID == 7)
    }

    @Test func taggedFieldsOfTheWrongSize() throws {
        // ApiVersions v3 with the features epoch (tag 1) in seven and nine bytes instead of eight.
        let head: [UInt8] = [0, 0, 1, 0, 0, 0, 0, 1, 1]
        #expect(throws: WireError.truncated(needed: 8, left: 7)) {
            try read(ApiVersionsResponse.self, head + [7, 0, 0, 0, 0, 0, 0, 5], version: 3, flexible: true)
        }
        #expect(throws: WireError.bytesLeftOver(1)) {
            try read(ApiVersionsResponse.self, head + [9, 0, 0, 0, 0, 0, 0, 0, 5, 0], version: 3, flexible: true)
        }
        let exact = head + [8, 0, 0, 0, 0, 0, 0, 0, 5]
        #expect(try read(ApiVersionsResponse.self, exact, version: 3, flexible: true).finalizedFeaturesEpoch == 5)
    }

    /// Three bytes on the wire become fifty in memory: so that memory is bounded by the frame's size, over all arrays of a
    /// message together.
    @Test func elementBombs() throws {
        // Group members with empty names, three bytes each in LeaveGroup v4.
        let count = 500_000
        var bomb = ByteBuffer(bytes: [1])
        writeCompactCount(count, to: &bomb)
        for _ in 0..<count { bomb.writeBytes([1, 0, 0]) }
        bomb.writeInteger(UInt8(0))
        #expect(throws: WireError.tooManyElements(count)) {
            try WireReader.read(LeaveGroupRequest.self, from: bomb, version: 4)
        }

        // The same in small portions: a thousand groups with two hundred nameless topics each, in OffsetFetch v8.
        var nested = ByteBuffer()
        writeCompactCount(1000, to: &nested)
        for _ in 0..<1000 {
            nested.writeInteger(UInt8(1))
            writeCompactCount(200, to: &nested)
            for _ in 0..<200 { nested.writeBytes([1, 1, 0]) }
            nested.writeInteger(UInt8(0))
        }
        nested.writeBytes([0, 0])
        #expect(throws: WireError.tooManyElements(200)) {
            try WireReader.read(OffsetFetchRequest.self, from: nested, version: 8)
        }
    }

    /// A broker makes targets, results and an answer of each partition that a request names: a frame of 38 MiB took it
    /// 1.2 GB.
    @Test func requestsNameOnlySoManyThings() throws {
        func fetch(_ count: Int) -> ByteBuffer {
            var bytes = ByteBuffer()
            bytes.writeMultipleIntegers(Int32(-1), Int32(0), Int32(1), Int32(1 << 20), Int8(0), Int32(1))
            bytes.writeMultipleIntegers(Int16(1), UInt8(ascii: "t"), Int32(clamping: count))
            bytes.writeRepeatingByte(0, count: count * 16)
            return bytes
        }
        let honest = try WireReader.readRequest(FetchRequest.self, from: fetch(200_000), version: 4)
        #expect(honest.topics.first?.partitions.count == 200_000)
        #expect(throws: WireError.tooManyElements(2_500_000)) {
            try WireReader.readRequest(FetchRequest.self, from: fetch(2_500_000), version: 4)
        }
    }

    private func writeCompactCount(_ count: Int, to buffer: inout ByteBuffer) {
        var rest = count + 1
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
    }

    /// What is large for a reason is not taken for a bomb: the messages whose elements grow most when they are read.
    @Test func largeHonestMessages() throws {
        var fetch = FetchResponse()
        var topic = FetchResponse.FetchableTopicResponse()
        topic.partitions = (0..<100_000).map { (index: Int32) in
            var partition = FetchResponse.PartitionData()
            partition.partitionIndex = index
            partition.records = .bytes(ByteBuffer())
            return partition
        }
        fetch.responses = [topic]
        for version: Int16 in [4, 13] {
            let bytes = try WireWriter.bytes(fetch, version: version, flexible: FetchResponse.isFlexible(version))
            let read = try WireReader.read(FetchResponse.self, from: bytes, version: version)
            #expect(read.responses.first?.partitions.count == 100_000, "v\(version)")
        }

        var produced = ProduceResponse()
        produced.responses = (0..<100_000).map { _ in
            var topic = ProduceResponse.TopicProduceResponse()
            topic.partitionResponses = [ProduceResponse.PartitionProduceResponse()]
            return topic
        }
        let bytes = try WireWriter.bytes(produced, version: 0, flexible: false)
        #expect(try WireReader.read(ProduceResponse.self, from: bytes, version: 0).responses.count == 100_000)

        var metadata = MetadataResponse()
        var described = MetadataResponse.MetadataResponseTopic()
        described.partitions = (0..<100_000).map { (index: Int32) in
            var partition = MetadataResponse.MetadataResponsePartition()
            partition.partitionIndex = index
            (partition.replicaNodes, partition.isrNodes) = ([1, 2, 3], [1, 2, 3])
            return partition
        }
        metadata.topics = [described]
        let cluster = try WireWriter.bytes(metadata, version: 12, flexible: true)
        let read = try WireReader.read(MetadataResponse.self, from: cluster, version: 12)
        #expect(read.topics.first?.partitions.count == 100_000)
    }

    @Test func bytesLeftOver() {
        #expect(throws: WireError.bytesLeftOver(1)) {
            try WireReader.read(ApiVersionsRequest.self, from: ByteBuffer(bytes: [0]), version: 0)
        }
    }
}

import NIOCore
import Testing
import WeirModel
import WeirProtocol

private struct Blob: DeferredBytes {
    let count: Int
}

private struct AllTypes: WireStruct {
    var bool = false
    var int8: Int8 = 0
    var int16: Int16 = 0
    var uint16: UInt16 = 0
    var int32: Int32 = 0
    var uint32: UInt32 = 0
    var int64: Int64 = 0
    var float64 = 0.0
    var uuid = UniqueID.zero
    var string = ""
    var null: String?
    var bytes = ByteBuffer()

    mutating func code<C: WireCoder>(_ c: inout C) throws(WireError) {
        try c.bool(&bool)
        try c.int8(&int8)
        try c.int16(&int16)
        try c.uint16(&uint16)
        try c.int32(&int32)
        try c.uint32(&uint32)
        try c.int64(&int64)
        try c.float64(&float64)
        try c.uuid(&uuid)
        try c.string(&string)
        try c.nullableString(&null)
        try c.bytes(&bytes)
        try c.tags()
    }
}

/// Bytes worked out by hand from Kafka's protocol guide.
@Suite struct CodecTests {
    private var sample: AllTypes {
        var value = AllTypes()
        value.bool = true
        value.int8 = -2
        value.int16 = 0x0102
        value.uint16 = 0xFFFE
        value.int32 = -3
        value.uint32 = 0xFEDC_BA98
        value.int64 = 0x0102_0304_0506_0708
        value.float64 = 1.5
        value.uuid = UniqueID(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
        value.string = "é"
        value.bytes = ByteBuffer(bytes: [9])
        return value
    }

    private static let fixed =
        "01fe0102fffefffffffdfedcba9801020304050607083ff800000000000011112222333344445555666677778888"

    @Test func primitives() throws {
        let plain = try WireWriter.bytes(sample, version: 0, flexible: false)
        #expect(hex(plain.readableBytesView) == Self.fixed + "0002c3a9" + "ffff" + "0000000109")
        let compact = try WireWriter.bytes(sample, version: 0, flexible: true)
        #expect(hex(compact.readableBytesView) == Self.fixed + "03c3a9" + "00" + "0209" + "00")
        for (buffer, flexible) in [(plain, false), (compact, true)] {
            var rest = buffer
            let read = try WireReader.readPrefix(AllTypes.self, from: &rest, version: 0, flexible: flexible)
            #expect(fields(of: read) == fields(of: sample))
            #expect(rest.readableBytes == 0)
        }
    }

    @Test func headers() throws {
        var header = RequestHeader()
        header.apiKey = 18
        header.apiVersion = 3
        header.correlationID = 7
        header.clientID = "ab"
        // The client id keeps its int16 length in the flexible header.
        #expect(
            hex(try WireWriter.bytes(header, version: 1, flexible: false).readableBytesView)
                == "0012000300000007" + "00026162")
        #expect(
            hex(try WireWriter.bytes(header, version: 2, flexible: true).readableBytesView)
                == "0012000300000007" + "00026162" + "00")
        header.clientID = nil
        #expect(
            hex(try WireWriter.bytes(header, version: 2, flexible: true).readableBytesView)
                == "0012000300000007" + "ffff" + "00")
    }

    @Test func taggedFieldsWithLongSizes() throws {
        // Tag 0 of ApiVersions v3, large enough for a size of two bytes: it is moved behind its size when written.
        var response = ApiVersionsResponse()
        for index in 0..<30 {
            var feature = ApiVersionsResponse.SupportedFeatureKey()
            feature.name = "feature-\(index)"
            feature.maxVersion = Int16(index)
            response.supportedFeatures.append(feature)
        }
        response.zkMigrationReady = true
        let written = try WireWriter.bytes(response, version: 3, flexible: true)
        let read = try WireReader.read(ApiVersionsResponse.self, from: written, version: 3)
        #expect(fields(of: read) == fields(of: response))
    }

    @Test func frames() throws {
        var response = HeartbeatResponse()
        response.errorCode = 27
        let frame = try WireWriter.frame(
            header: ResponseHeader(correlationID: 5), flexibleHeader: true, body: response, version: 4)
        #expect(frame.parts.count == 1)
        #expect(frame.count == 16)
        guard case .bytes(let bytes) = frame.parts.first else {
            Issue.record("not in memory")
            return
        }
        #expect(hex(bytes.readableBytesView) == "0000000c" + "00000005" + "00" + "00000000" + "001b" + "00")
    }

    /// Records that lie in files go out between stretches of the buffer, and count into the frame's length.
    @Test func deferredBytes() throws {
        var response = FetchResponse()
        var topic = FetchResponse.FetchableTopicResponse()
        topic.topic = "t"
        for (index, count) in [1000, 0, 500].enumerated() {
            var partition = FetchResponse.PartitionData()
            partition.partitionIndex = Int32(index)
            partition.records = .deferred(Blob(count: count))
            topic.partitions.append(partition)
        }
        response.responses = [topic]
        for version: Int16 in [4, 12] {
            let frame = try WireWriter.frame(
                header: ResponseHeader(correlationID: 1), flexibleHeader: version >= 12, body: response,
                version: version)
            #expect(frame.parts.count == 5 - (version == 4 ? 1 : 0))
            var (joined, deferred) = (ByteBuffer(), [Int]())
            for part in frame.parts {
                switch part {
                case .bytes(let buffer): joined.writeImmutableBuffer(buffer)
                case .deferred(let blob):
                    deferred.append(blob.count)
                    joined.writeRepeatingByte(0xEE, count: blob.count)
                }
            }
            #expect(deferred == [1000, 500])
            #expect(joined.readableBytes == frame.count)
            let length = joined.readInteger(as: Int32.self)
            #expect(length.map(Int.init) == joined.readableBytes)
            _ = try WireReader.readPrefix(
                ResponseHeader.self, from: &joined, version: 0, flexible: version >= 12)
            let read = try WireReader.read(FetchResponse.self, from: joined, version: version)
            #expect(read.responses.first?.partitions.map(\.records.count) == [1000, 0, 500])
        }
    }

    @Test func whatAVersionCannotSay() throws {
        var join = JoinGroupRequest()
        join.groupInstanceID = "static"
        #expect(throws: WireError.self) { try WireWriter.bytes(join, version: 4, flexible: false) }
        _ = try WireWriter.bytes(join, version: 5, flexible: false)

        var metadata = MetadataRequest()
        metadata.topics = []
        #expect(throws: WireError.self) { try WireWriter.bytes(metadata, version: 0, flexible: false) }
        metadata.topics = nil
        #expect(hex(try WireWriter.bytes(metadata, version: 0, flexible: false).readableBytesView) == "00000000")
        #expect(hex(try WireWriter.bytes(metadata, version: 1, flexible: false).readableBytesView) == "ffffffff")

        var fetch = OffsetFetchRequest()
        fetch.topics = nil
        #expect(throws: WireError.nullNotAllowed) { try WireWriter.bytes(fetch, version: 1, flexible: false) }

        var long = FindCoordinatorRequest()
        long.key = String(repeating: "x", count: 40_000)
        #expect(throws: WireError.self) { try WireWriter.bytes(long, version: 0, flexible: false) }
    }

    /// Below v7 JoinGroup has no null for "no protocol".
    @Test func joinGroupWithoutAProtocol() throws {
        var response = JoinGroupResponse()
        response.protocolName = nil
        let old = try WireWriter.bytes(response, version: 6, flexible: true)
        #expect(try WireReader.read(JoinGroupResponse.self, from: old, version: 6).protocolName == "")
        let new = try WireWriter.bytes(response, version: 7, flexible: true)
        #expect(try WireReader.read(JoinGroupResponse.self, from: new, version: 7).protocolName == nil)
    }
}

@Suite struct ConsumerProtocolTests {
    @Test func subscriptions() throws {
        var subscription = ConsumerProtocolSubscription()
        subscription.topics = ["a", "b"]
        subscription.userData = ByteBuffer(bytes: [1, 2])
        var owned = ConsumerProtocolSubscription.TopicPartition()
        owned.topic = "a"
        owned.partitions = [0, 3]
        subscription.ownedPartitions = [owned]
        subscription.generationID = 4
        subscription.rackID = "r"
        for version: Int16 in 0...3 {
            let read = try ConsumerProtocolSubscription.decode(subscription.encode(version: version))
            #expect(read.topics == ["a", "b"])
            #expect(read.userData == subscription.userData)
            #expect(read.ownedPartitions == (version >= 1 ? [owned] : []))
            #expect(read.generationID == (version >= 2 ? 4 : -1))
            #expect(read.rackID == (version >= 3 ? "r" : nil))
        }
        #expect(
            hex(try subscription.encode(version: 0).readableBytesView)
                == "0000" + "00000002" + "000161" + "000162" + "00000002" + "0102")
    }

    /// A member that runs a newer client is still understood, as far as this one's fields go.
    @Test func newerVersions() throws {
        var assignment = ConsumerProtocolAssignment()
        assignment.userData = ByteBuffer(bytes: [5])
        var bytes = try assignment.encode()
        bytes.setInteger(Int16(9), at: bytes.readerIndex)
        bytes.writeBytes([1, 2, 3])
        #expect(try ConsumerProtocolAssignment.decode(bytes).userData == assignment.userData)
        #expect(throws: WireError.self) { try ConsumerProtocolAssignment.decode(ByteBuffer(bytes: [0xFF, 0xFF])) }
        #expect(throws: WireError.self) { try ConsumerProtocolAssignment.decode(ByteBuffer()) }
        #expect(throws: WireError.self) { try assignment.encode(version: 4) }
    }
}

import NIOCore
import Testing
import WeirCoordination
import WeirModel
import WeirProtocol

@testable import WeirBroker

/// The bytes were made by a generic encoder from Apache Kafka's own definitions of these records.
@Suite("Records of __consumer_offsets")
struct GroupsRecordTests {
    private func bytes(_ hex: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        var rest = hex[...]
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            buffer.writeInteger(byte)
            rest = rest.dropFirst(2)
        }
        return buffer
    }

    @Test("keys")
    func keys() throws {
        let offset = OffsetsTopicKey.offset(group: "grüppe", topic: "orders", partition: 7)
        let written = bytes("000100076772c3bc70706500066f726465727300000007")
        #expect(try OffsetsTopicKey.decode(bytes("000000076772c3bc70706500066f726465727300000007")) == offset)
        #expect(try OffsetsTopicKey.decode(written) == offset)
        #expect(try offset.encode() == written)
        let group = OffsetsTopicKey.group("grüppe")
        #expect(try OffsetsTopicKey.decode(bytes("000200076772c3bc707065")) == group)
        #expect(try group.encode() == bytes("000200076772c3bc707065"))
        #expect(try OffsetsTopicKey.decode(bytes("0003000141")) == .unknown(version: 3))
        for cut in 0..<written.readableBytes {
            let part = written.getSlice(at: 0, length: cut) ?? ByteBuffer()
            #expect(throws: WireError.self, "\(cut) bytes") { try OffsetsTopicKey.decode(part) }
        }
        #expect(throws: WireError.self) { try OffsetsTopicKey.decode(bytes("000200076772c3bc70706500")) }
    }

    @Test(
        "offsets, every version",
        arguments: [
            (0 as Int16, "0000000001000000000300056ec3a474650000018bcfe5687b"),
            (1, "0001000001000000000300056ec3a474650000018bcfe5687b0000018bcfee903b"),
            (2, "0002000001000000000300056ec3a474650000018bcfe5687b"),
            (3, "000300000100000000030000000900056ec3a474650000018bcfe5687b"),
            (4, "0004000001000000000300000009066ec3a474650000018bcfe5687b00"),
        ])
    func offsets(version: Int16, hex: String) throws {
        var value = OffsetCommitValue()
        value.offset = (1 << 40) + 3
        if version >= 3 { value.leaderEpoch = 9 }
        value.metadata = "näte"
        value.commitTimestamp = 1_700_000_000_123
        if version == 1 { value.expireTimestamp = 1_700_000_600_123 }
        #expect(try OffsetCommitValue.decode(bytes(hex)) == value)
        #expect(try value.encode(version: version) == bytes(hex))
        // What Weir writes by itself: v1 with an expiry, else v3.
        if version == 1 || version == 3 { #expect(try value.encode() == bytes(hex)) }
    }

    /// By version; 130 zeros, the second member's assignment, follow.
    private static let groupHeads: [String] = [
        """
        00000008636f6e73756d65720000000c000572616e676500036d2d310000000200036d2d310006636c69656e74000a2f3132372e\
        302e302e310000afc80000000300010200000001ff00036d2d32000000042f3a3a31000000020000000000000082
        """,
        """
        00010008636f6e73756d65720000000c000572616e676500036d2d310000000200036d2d310006636c69656e74000a2f3132372e\
        302e302e31000493e00000afc80000000300010200000001ff00036d2d32000000042f3a3a310000000100000002000000000000\
        0082
        """,
        """
        00020008636f6e73756d65720000000c000572616e676500036d2d310000018bcfe569c80000000200036d2d310006636c69656e\
        74000a2f3132372e302e302e31000493e00000afc80000000300010200000001ff00036d2d32000000042f3a3a31000000010000\
        00020000000000000082
        """,
        """
        00030008636f6e73756d65720000000c000572616e676500036d2d310000018bcfe569c80000000200036d2d310003692d310006\
        636c69656e74000a2f3132372e302e302e31000493e00000afc80000000300010200000001ff00036d2d32ffff000000042f3a3a\
        3100000001000000020000000000000082
        """,
        """
        000409636f6e73756d65720000000c0672616e6765046d2d310000018bcfe569c803046d2d3104692d3107636c69656e740b2f31\
        32372e302e302e31000493e00000afc80400010202ff00046d2d320001052f3a3a310000000100000002018301
        """,
    ]

    @Test("group metadata, every version", arguments: 0...4 as ClosedRange<Int16>)
    func groups(version: Int16) throws {
        let zeros = String(repeating: "00", count: 130)
        let hex = Self.groupHeads[Int(version)] + zeros + (version >= 4 ? "0000" : "")
        var first = GroupMetadataValue.MemberMetadata()
        first.memberID = "m-1"
        if version >= 3 { first.groupInstanceID = "i-1" }
        first.clientID = "client"
        first.clientHost = "/127.0.0.1"
        if version >= 1 { first.rebalanceTimeout = 300_000 }
        first.sessionTimeout = 45_000
        first.subscription = ByteBuffer(bytes: [0, 1, 2])
        first.assignment = ByteBuffer(bytes: [0xFF])
        var second = GroupMetadataValue.MemberMetadata()
        second.memberID = "m-2"
        second.clientHost = "/::1"
        if version >= 1 { second.rebalanceTimeout = 1 }
        second.sessionTimeout = 2
        second.assignment = ByteBuffer(repeating: 0, count: 130)
        var value = GroupMetadataValue()
        value.protocolType = "consumer"
        value.generation = 12
        value.protocolName = "range"
        value.leader = "m-1"
        if version >= 2 { value.currentStateTimestamp = 1_700_000_000_456 }
        value.members = [first, second]
        #expect(try GroupMetadataValue.decode(bytes(hex)) == value)
        #expect(try value.encode(version: version) == bytes(hex))
        if version == 3 { #expect(try value.encode() == bytes(hex)) }
    }

    @Test("an empty group, and values that are no values")
    func edges() throws {
        let empty = bytes("00030008636f6e73756d65720000000dffffffffffffffffffffffff00000000")
        let snapshot = try GroupRecords.snapshot(empty)
        #expect(snapshot.members.isEmpty && snapshot.generation == 13 && snapshot.protocolName == nil)
        #expect(try GroupRecords.metadata(of: "g", snapshot).value == empty)
        for cut in 0..<empty.readableBytes {
            let part = empty.getSlice(at: 0, length: cut) ?? ByteBuffer()
            #expect(throws: WireError.self, "\(cut) bytes") { try GroupMetadataValue.decode(part) }
        }
        #expect(throws: WireError.self) { try GroupMetadataValue.decode(bytes("0005")) }
        #expect(throws: WireError.self) { try OffsetCommitValue.decode(bytes("ffff")) }
    }
}

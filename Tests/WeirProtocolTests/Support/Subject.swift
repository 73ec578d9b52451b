import NIOCore
import Testing
import WeirProtocol

/// Something that the codec can read and write, with its type hidden.
struct Subject: Sendable, CustomTestStringConvertible {
    /// The name of Kafka's definition.
    let name: String
    let versions: ClosedRange<Int16>
    /// Reads a whole buffer.
    let read: @Sendable (_ bytes: ByteBuffer, _ version: Int16) throws(WireError) -> Value
    /// A value with random contents in every field of the version.
    let random: @Sendable (_ version: Int16, _ generator: inout SeededGenerator) throws(WireError) -> Value

    var testDescription: String { name }

    struct Value {
        let message: any WireStruct
        /// Encodes in the version that the value was read or made in.
        let encode: () throws(WireError) -> ByteBuffer
    }

    static func message<Message: WireMessage>(_ type: Message.Type, _ versions: ClosedRange<Int16>) -> Subject {
        other(type, name: "\(type)".replacing("ID", with: "Id"), versions, isFlexible: Message.isFlexible)
    }

    static func other<Value: WireStruct>(
        _ type: Value.Type, name: String, _ versions: ClosedRange<Int16>,
        isFlexible: @escaping @Sendable (Int16) -> Bool
    ) -> Subject {
        @Sendable func wrap(_ message: Value, _ version: Int16) -> Subject.Value {
            Subject.Value(message: message) { () throws(WireError) in
                try WireWriter.bytes(message, version: version, flexible: isFlexible(version))
            }
        }
        return Subject(
            name: name, versions: versions,
            read: { (bytes, version) throws(WireError) in
                var rest = bytes
                let message = try WireReader.readPrefix(
                    Value.self, from: &rest, version: version, flexible: isFlexible(version))
                guard rest.readableBytes == 0 else { throw .bytesLeftOver(rest.readableBytes) }
                return wrap(message, version)
            },
            random: { (version, generator) throws(WireError) in
                var filler = RandomFiller(version: version, flexible: isFlexible(version), generator: generator)
                var message = Value()
                try message.code(&filler)
                generator = filler.generator
                return wrap(message, version)
            })
    }

    /// Both directions of an API.
    private static func api<Request: WireRequest>(_ type: Request.Type, _ versions: ClosedRange<Int16>) -> [Subject] {
        [message(type, versions), message(Request.Response.self, versions)]
    }

    /// Every message of Kafka's that Weir speaks, in all versions.
    static let all: [Subject] =
        [
            api(ProduceRequest.self, 0...13),
            api(FetchRequest.self, 0...18),
            api(ListOffsetsRequest.self, 0...11),
            api(MetadataRequest.self, 0...13),
            api(OffsetCommitRequest.self, 0...10),
            api(OffsetFetchRequest.self, 0...10),
            api(FindCoordinatorRequest.self, 0...6),
            api(JoinGroupRequest.self, 0...9),
            api(HeartbeatRequest.self, 0...4),
            api(LeaveGroupRequest.self, 0...5),
            api(SyncGroupRequest.self, 0...5),
            api(DescribeGroupsRequest.self, 0...6),
            api(ListGroupsRequest.self, 0...5),
            api(ApiVersionsRequest.self, 0...4),
            api(CreateTopicsRequest.self, 0...7),
            api(DeleteTopicsRequest.self, 0...6),
            api(DeleteRecordsRequest.self, 0...2),
            api(InitProducerIDRequest.self, 0...6),
            api(OffsetForLeaderEpochRequest.self, 0...4),
            api(DescribeConfigsRequest.self, 0...4),
            api(AlterConfigsRequest.self, 0...2),
            api(DescribeLogDirsRequest.self, 0...5),
            api(CreatePartitionsRequest.self, 0...3),
            api(DeleteGroupsRequest.self, 0...2),
            api(IncrementalAlterConfigsRequest.self, 0...1),
            api(OffsetDeleteRequest.self, 0...0),
            api(DescribeClusterRequest.self, 0...2),
            api(DescribeTopicPartitionsRequest.self, 0...0),
            [
                other(ConsumerProtocolSubscription.self, name: "ConsumerProtocolSubscription", 0...3) { _ in false },
                other(ConsumerProtocolAssignment.self, name: "ConsumerProtocolAssignment", 0...3) { _ in false },
            ],
        ].flatMap { $0 }

    /// What stands before them.
    static let headers: [Subject] = [
        other(RequestHeader.self, name: "RequestHeader", 1...2) { $0 >= 2 },
        other(ResponseHeader.self, name: "ResponseHeader", 0...1) { $0 >= 1 },
    ]
}

// WeirClient: the public client library: producer, consumer, group member, admin. It drives WeirConnection's machines on
// one NIO event loop per client and gives them an async interface. Talks to any broker that speaks Kafka's protocol.
// Never in here: arguments, terminals, JSON, files of a log.

@_exported public import struct NIOCore.ByteBuffer
@_exported public import struct WeirConnection.ClusterView
@_exported public import enum WeirConnection.Assignor
@_exported public import enum WeirConnection.OffsetSpec
@_exported public import struct WeirModel.BrokerID
@_exported public import struct WeirModel.ErrorCode
@_exported public import struct WeirModel.LeaderEpoch
@_exported public import struct WeirModel.Offset
@_exported public import struct WeirModel.PartitionIndex
@_exported public import struct WeirModel.TopicPartition
@_exported public import struct WeirModel.UniqueID
@_exported public import enum WeirRecords.CompressionCodec
@_exported public import struct WeirRecords.RecordHeader

extension TopicPartition {
    /// A partition by its topic's name and its number.
    public init(_ topic: String, _ partition: Int32) { self.init(topic, PartitionIndex(partition)) }
}

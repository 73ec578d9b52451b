public import NIOCore

/// A record's header: a name and bytes. Names may repeat.
public struct RecordHeader: Sendable, Hashable {
    public var key: String
    public var value: ByteBuffer?

    public init(key: String, value: ByteBuffer?) {
        self.key = key
        self.value = value
    }
}

/// One record of a log.
public struct Record: Sendable, Hashable {
    /// The record's own attribute bits; Kafka uses none.
    public var attributes: UInt8
    public var offset: Int64
    /// In milliseconds since 1970; -1 when it has none.
    public var timestamp: Int64
    public var key: ByteBuffer?
    public var value: ByteBuffer?
    public var headers: [RecordHeader]

    public init(
        attributes: UInt8 = 0, offset: Int64, timestamp: Int64, key: ByteBuffer?, value: ByteBuffer?,
        headers: [RecordHeader] = []
    ) {
        self.attributes = attributes
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }
}

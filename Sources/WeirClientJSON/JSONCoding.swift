// WeirClientJSON: Codable values as JSON in records. A room of its own, so that the client itself does not need Foundation.

public import NIOCore
public import WeirClient

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `Codable` values as JSON, with the coders' defaults.
public struct JSONCoding<Value: Codable & Sendable>: RecordCoding {
    public init(_ type: Value.Type = Value.self) {}

    public func encode(_ value: Value, into buffer: inout ByteBuffer) throws {
        buffer.writeBytes(try JSONEncoder().encode(value))
    }

    public func decode(_ bytes: ByteBuffer) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(bytes.readableBytesView))
    }
}

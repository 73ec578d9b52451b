// WeirProtocol: Kafka's messages and Weir's own, the records of internal topics, their codec and framing. No I/O, no state.
// One file per API. Each message has one `code` method that reads, measures or writes, depending on the coder it is given.
//
// Source: https://kafka.apache.org/protocol.html and Apache Kafka's message definitions.

public import NIOCore
public import WeirModel

/// A value with a place in Kafka's messages.
///
/// `code` names the fields in wire order, with the version guards inline; the coder reads into them, measures them or
/// writes them. Conforming types start out with Kafka's default for every field.
public protocol WireStruct: Sendable {
    init()
    mutating func code<C: WireCoder>(_ c: inout C) throws(WireError)

    // `code` with each of the coders. These are requirements with a default, never to be implemented, so that every type
    // has its own compiled for the coder: a generic caller in another room then makes one indirect call for a message,
    // not one for each field.
    mutating func codeReading(_ reader: inout WireReader) throws(WireError)
    mutating func codeSizing(_ sizer: inout WireSizer) throws(WireError)
    mutating func codeWriting(_ writer: inout WireWriter) throws(WireError)
}

extension WireStruct {
    public mutating func codeReading(_ reader: inout WireReader) throws(WireError) { try code(&reader) }
    public mutating func codeSizing(_ sizer: inout WireSizer) throws(WireError) { try code(&sizer) }
    public mutating func codeWriting(_ writer: inout WireWriter) throws(WireError) { try code(&writer) }
}

/// A request or response body as a whole.
public protocol WireMessage: WireStruct {
    static var key: APIKey { get }
    /// The first version with compact lengths and tagged fields (KIP-482).
    static var firstFlexible: Int16 { get }
}

/// A request body, which knows its response.
public protocol WireRequest: WireMessage {
    associatedtype Response: WireMessage
}

extension WireMessage {
    /// Whether the version has compact lengths and tagged fields.
    public static func isFlexible(_ version: Int16) -> Bool { version >= firstFlexible }
    /// For messages that never became flexible.
    public static var neverFlexible: Int16 { .max }
}

/// Reads, measures or writes the primitive types of Kafka's protocol.
///
/// Lengths and counts are compact (unsigned varint of n+1) when `isFlexible`, fixed-width otherwise; a message never
/// needs to say which.
public protocol WireCoder {
    /// The API version that is being coded.
    var version: Int16 { get }
    var isFlexible: Bool { get }
    /// True for the coder that fills values in, for the few places where reading and writing differ.
    static var isReader: Bool { get }

    mutating func bool(_ value: inout Bool) throws(WireError)
    mutating func int8(_ value: inout Int8) throws(WireError)
    mutating func int16(_ value: inout Int16) throws(WireError)
    mutating func uint16(_ value: inout UInt16) throws(WireError)
    mutating func int32(_ value: inout Int32) throws(WireError)
    mutating func uint32(_ value: inout UInt32) throws(WireError)
    mutating func int64(_ value: inout Int64) throws(WireError)
    mutating func float64(_ value: inout Double) throws(WireError)
    mutating func uuid(_ value: inout UniqueID) throws(WireError)
    mutating func string(_ value: inout String) throws(WireError)
    mutating func nullableString(_ value: inout String?) throws(WireError)
    /// A string with an int16 length in every version: the client id of request headers.
    mutating func shortNullableString(_ value: inout String?) throws(WireError)
    mutating func bytes(_ value: inout ByteBuffer) throws(WireError)
    mutating func nullableBytes(_ value: inout ByteBuffer?) throws(WireError)
    mutating func records(_ value: inout RecordData) throws(WireError)
    mutating func array<Element: WireStruct>(_ values: inout [Element]) throws(WireError)
    mutating func nullableArray<Element: WireStruct>(_ values: inout [Element]?) throws(WireError)
    /// A nullable struct: one byte, -1 for null and 1 otherwise, then the struct (flexible versions only).
    mutating func nullableStruct<Value: WireStruct>(_ value: inout Value?) throws(WireError)

    /// The tagged fields at the end of a struct. Does nothing in versions that have none. Every struct of a flexible
    /// version ends with one, so every `code` method ends with `tags()` or `tags { … }`.
    mutating func tags(_ fields: (inout Self) throws(WireError) -> Void) throws(WireError)
    /// One tagged field, called inside `tags` in rising tag order: coded when `isDefault` is false, or when it was read.
    mutating func tagged<Value>(
        _ tag: UInt32, _ value: inout Value, isDefault: Bool,
        _ code: (inout Self, inout Value) throws(WireError) -> Void
    ) throws(WireError)
}

extension WireCoder {
    /// The end of a struct without tagged fields of its own.
    public mutating func tags() throws(WireError) { try tags { (_) throws(WireError) in } }
}

/// The record batches of a Produce request or a Fetch response.
public enum RecordData: Sendable {
    case null
    /// Batches in memory; decoding gives a slice of the frame, without a copy.
    case bytes(ByteBuffer)
    /// Batches that the server sends from their file. Only ever written, never read.
    case deferred(any DeferredBytes)

    /// The size in bytes; 0 for null.
    public var count: Int {
        switch self {
        case .null: 0
        case .bytes(let buffer): buffer.readableBytes
        case .deferred(let bytes): bytes.count
        }
    }
}

/// Why bytes are not the message they claim to be.
public enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    case truncated(needed: Int, left: Int)
    case negativeLength(Int)
    case lengthBeyondFrame(Int, left: Int)
    case nullNotAllowed
    case notUTF8
    case varintTooLong
    case tooManyElements(Int)
    case bytesLeftOver(Int)
    case tagsOutOfOrder
    /// A value that no version of the message allows; the text says which.
    case invalid(String)

    public var description: String {
        switch self {
        case .truncated(let needed, let left): "\(needed) bytes expected, \(left) left"
        case .negativeLength(let length): "a length of \(length)"
        case .lengthBeyondFrame(let length, let left): "a length of \(length) with \(left) bytes left"
        case .nullNotAllowed: "null where the protocol does not allow it"
        case .notUTF8: "a string that is not UTF-8"
        case .varintTooLong: "a varint longer than its type"
        case .tooManyElements(let count): "\(count) array elements, too many for a message of this size"
        case .bytesLeftOver(let count): "\(count) bytes left over after the message"
        case .tagsOutOfOrder: "tagged fields that are not in rising order"
        case .invalid(let what): what
        }
    }
}

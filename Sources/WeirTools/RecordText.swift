import NIOCore
public import WeirClient
import WeirModel
import WeirRecords

/// Records as JSON, one a line, both ways.
///
/// `{"topic","partition","offset","timestamp","key","value","headers"}`, the timestamp in milliseconds since 1970 (null when the
/// record has none), headers a list of `{"key","value"}`. Bytes that are not UTF-8 stand as base64 under `key_base64` and
/// `value_base64` instead; null stays null.
public enum RecordText {
    /// Appends a record as one line of JSON.
    public static func writeJSON(_ record: ConsumerRecord, to out: inout [UInt8]) {
        out.append(contentsOf: "{\"topic\":".utf8)
        JSON.write(record.topic, to: &out)
        out.append(contentsOf: ",\"partition\":\(record.partition.partition),\"offset\":\(record.offset)".utf8)
        out.append(contentsOf: ",\"timestamp\":".utf8)
        out.append(contentsOf: (record.timestamp < 0 ? "null" : String(record.timestamp)).utf8)
        out.append(UInt8(ascii: ","))
        record.withKeyBytes { writeMember("key", $0, to: &out) }
        out.append(UInt8(ascii: ","))
        record.withValueBytes { writeMember("value", $0, to: &out) }
        out.append(contentsOf: ",\"headers\":[".utf8)
        if record.hasHeaders {
            for (index, header) in record.headers.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                out.append(contentsOf: "{\"key\":".utf8)
                JSON.write(header.key, to: &out)
                out.append(UInt8(ascii: ","))
                if let value = header.value {
                    value.withUnsafeReadableBytes { writeMember("value", $0, to: &out) }
                } else {
                    writeMember("value", nil, to: &out)
                }
                out.append(UInt8(ascii: "}"))
            }
        }
        out.append(contentsOf: "]}\n".utf8)
    }

    private static func writeMember(_ name: StaticString, _ bytes: UnsafeRawBufferPointer?, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { out.append(contentsOf: $0) }
        guard let bytes else {
            out.append(contentsOf: "\":null".utf8)
            return
        }
        if isUTF8(bytes) {
            out.append(contentsOf: "\":".utf8)
            JSON.writeUTF8(bytes, to: &out)
        } else {
            out.append(contentsOf: "_base64\":\"".utf8)
            Base64.write(bytes, to: &out)
            out.append(UInt8(ascii: "\""))
        }
    }

    static func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.allSatisfy({ $0 < 0x80 }) { return true }
        return String(validating: bytes.assumingMemoryBound(to: UInt8.self), as: UTF8.self) != nil
    }

    /// Reads a line of JSON as a record to produce; its topic and offset are left aside.
    public static func readJSON(_ line: UnsafeRawBufferPointer) throws(ToolError) -> ProducerRecord {
        let json = try JSON(parsing: line)
        guard case .object = json else { throw ToolError("a record in JSON must be an object") }
        var record = ProducerRecord(key: try bytes("key", of: json), value: try bytes("value", of: json))
        switch json["partition"] {
        case nil, .null: break
        case .integer(let number):
            guard let partition = Int32(exactly: number), partition >= 0 else {
                throw ToolError("\(number) is not a partition")
            }
            record.partition = PartitionIndex(partition)
        default: throw ToolError("\"partition\" must be a number")
        }
        switch json["timestamp"] {
        case nil, .null: break
        case .integer(let number): record.timestamp = number
        default: throw ToolError("\"timestamp\" must be a number of milliseconds")
        }
        switch json["headers"] {
        case nil, .null: break
        case .array(let headers):
            for header in headers {
                guard case .string(let key) = header["key"] else {
                    throw ToolError("\"headers\" must be a list of {\"key\",\"value\"}")
                }
                record.headers.append(RecordHeader(key: key, value: try bytes("value", of: header)))
            }
        default: throw ToolError("\"headers\" must be a list of {\"key\",\"value\"}")
        }
        return record
    }

    private static func bytes(_ name: String, of json: JSON) throws(ToolError) -> ByteBuffer? {
        switch json[name] {
        case .string(let text): return ByteBuffer(string: text)
        case nil, .null: break
        default:
            throw ToolError("\"\(name)\" must be a string or null; other bytes go as base64 under \"\(name)_base64\"")
        }
        switch json["\(name)_base64"] {
        case nil, .null: return nil
        case .string(let text):
            guard let bytes = Base64.decode(text) else { throw ToolError("\"\(name)_base64\" is not base64") }
            return ByteBuffer(bytes: bytes)
        default: throw ToolError("\"\(name)_base64\" must be a string")
        }
    }
}

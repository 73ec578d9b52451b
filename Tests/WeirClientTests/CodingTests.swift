import NIOCore
import Testing
import WeirClient
import WeirClientJSON

@Suite("Values in records")
struct CodingTests {
    private struct Thing: Codable, Sendable, Equatable {
        var name: String
        var count: Int
    }

    @Test("bytes, text and JSON become records")
    func encode() throws {
        let text = try ProducerRecord(key: 1, as: JSONCoding(Int.self), value: "é", as: .string)
        #expect(text.key == ByteBuffer(string: "1") && text.value == ByteBuffer(string: "é"))
        let json = try ProducerRecord(key: "k", value: Thing(name: "a", count: 2), as: JSONCoding(Thing.self))
        #expect(try JSONCoding(Thing.self).decode(json.value ?? ByteBuffer()) == Thing(name: "a", count: 2))
        let none = try ProducerRecord(value: nil, as: .bytes)
        #expect(none.value == nil)
    }

    @Test("what cannot be decoded says so")
    func failures() {
        #expect(throws: ClientError.self) { try StringCoding().decode(ByteBuffer(bytes: [0xFF])) }
        do throws(ClientError) {
            _ = try ProducerRecord(value: Double.nan, as: JSONCoding(Double.self))
            Issue.record("NaN is no JSON")
        } catch {
            #expect(error.code == .serialization)
        }
    }
}

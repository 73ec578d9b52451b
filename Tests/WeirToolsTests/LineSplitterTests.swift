import NIOCore
import Testing
import WeirTools

@Suite("Lines")
struct LineSplitterTests {
    @Test("lines come out whole, however the bytes come in", arguments: 1...9)
    func pieces(size: Int) {
        let text = Array("one\n\ntwo\r\nthree with words\nlast".utf8)
        var splitter = LineSplitter()
        var lines: [String] = []
        for start in stride(from: 0, to: text.count, by: size) {
            let piece = Array(text[start..<min(start + size, text.count)])
            lines += piece.withUnsafeBytes { splitter.feed($0) }.map { String(buffer: $0) }
        }
        if let last = splitter.finish() { lines.append(String(buffer: last)) }
        #expect(lines == ["one", "", "two", "three with words", "last"])
        #expect(splitter.finish() == nil)
    }
}

import Foundation
import Testing
import WeirBroker

@Suite("docs/protocol-support.md")
struct ProtocolSupportTests {
    /// The page is what the handlers say. `WEIR_UPDATE_DOCS=1` writes it anew.
    @Test func thePageIsMadeFromTheHandlers() async throws {
        let broker = try await TestBroker.start()
        let expected = ProtocolSupport.markdown(Handlers.all(broker.broker))
        await broker.stop()
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/protocol-support.md")
        if ProcessInfo.processInfo.environment["WEIR_UPDATE_DOCS"] == "1" {
            try expected.write(to: page, atomically: true, encoding: .utf8)
        }
        let committed = try String(contentsOf: page, encoding: .utf8)
        #expect(committed == expected, "run the test with WEIR_UPDATE_DOCS=1 and commit docs/protocol-support.md")
    }
}

import Testing
import WeirClient
import WeirTools

@Suite("Positions and times")
struct TimeTextTests {
    private let now: Int64 = 1_700_000_000_000

    @Test("positions as people write them")
    func specs() throws {
        #expect(try TimeText.spec("earliest", nowMs: now) == .earliest)
        #expect(try TimeText.spec("latest", nowMs: now) == .latest)
        #expect(try TimeText.spec("42", nowMs: now) == .offset(Offset(42)))
        #expect(try TimeText.spec("-1h", nowMs: now) == .timestamp(now - 3_600_000))
        #expect(try TimeText.spec("-1h30m", nowMs: now) == .timestamp(now - 5_400_000))
        #expect(try TimeText.spec("2023-11-14T22:13:20Z", nowMs: 0) == .timestamp(now))
        for wrong in ["", "-", "-5", "-h", "1h", "yesterday", "-1x", "2023-13-01", "--1h"] {
            #expect(throws: ToolError.self, "\(wrong)") { try TimeText.spec(wrong, nowMs: now) }
        }
    }

    @Test(
        "times of ISO 8601",
        arguments: [
            ("1970-01-01", 0), ("1970-01-01T00:00:01Z", 1_000), ("2000-02-29", 951_782_400_000),
            ("2026-01-31T12:00", 1_769_860_800_000), ("2026-01-31T12:00:00.5+02:00", 1_769_853_600_500),
            ("2026-01-31 12:00:00-0130", 1_769_866_200_000), ("1969-12-31T23:59:59Z", -1_000),
        ] as [(String, Int64)])
    func instants(text: String, milliseconds: Int64) { #expect(TimeText.instant(text) == milliseconds) }

    @Test(
        "what is no time",
        arguments: [
            "2026-02-29", "2026-00-01", "2026-01-01T25:00", "2026-01-01T10", "26-01-01", "2026-01-01Z",
            "2026-01-01T10:00:60",
        ])
    func notInstants(text: String) { #expect(TimeText.instant(text) == nil) }

    @Test(
        "an instant written is an instant read",
        arguments: [0, 1, 951_782_399_999, 1_700_000_000_123, -86_400_001, 4_102_444_800_000])
    func roundTrip(milliseconds: Int64) {
        #expect(TimeText.instant(TimeText.text(ofInstant: milliseconds)) == milliseconds)
    }

    @Test("durations")
    func durations() {
        #expect(TimeText.duration("500ms") == 500 && TimeText.duration("2d") == 172_800_000)
        #expect(TimeText.duration("1w1s") == 604_801_000)
        #expect(TimeText.duration("99999999999999999w") == nil && TimeText.duration("5") == nil)
    }
}

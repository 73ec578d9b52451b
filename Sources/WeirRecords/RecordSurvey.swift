import WeirModel

/// What one walk over a batch's records finds out: that they are records, and what the rules ask about.
struct RecordSurvey {
    /// The largest timestamp and the first record that has it; -1 when none has one.
    private(set) var maxTimestamp: Int64 = -1
    private(set) var maxTimestampOffsetDelta: Int32 = -1
    /// The smallest timestamp of those that have one.
    private var minTimestamp: Int64 = .max
    private var hasNullKey = false

    /// Walks the records, decompressed. Nil unless they are as many as the header says, with offset deltas that count up
    /// from 0, and nothing follows them.
    ///
    /// This is the hot path: about ten nanoseconds a record.
    init?(_ records: UnsafeRawBufferPointer, _ header: RecordBatchHeader) {
        guard var cursor = RecordCursor(records),
            Int(header.recordCount) <= records.count / RecordCursor.recordBytesMin
        else { return nil }
        let baseTimestamp = header.baseTimestamp
        var maxTimestamp: Int64 = -1
        var maxIndex: Int32 = -1
        var minTimestamp = Int64.max
        var hasNullKey = false
        var index: Int32 = 0
        while index < header.recordCount {
            guard let record = cursor.next(), record.offsetDelta == index else { return nil }
            let timestamp = baseTimestamp &+ record.timestampDelta
            if timestamp > maxTimestamp {
                maxTimestamp = timestamp
                maxIndex = index
            }
            if timestamp < minTimestamp, timestamp != -1 { minTimestamp = timestamp }
            if record.keyCount < 0 { hasNullKey = true }
            index &+= 1
        }
        guard cursor.isAtEnd else { return nil }
        self.maxTimestamp = maxTimestamp
        self.maxTimestampOffsetDelta = maxIndex
        self.minTimestamp = minTimestamp
        self.hasNullKey = hasNullKey
    }

    /// Whether any record breaks the rules for keys and timestamps.
    func breaks(_ rules: BatchRules) -> Bool {
        if rules.requireKeys, hasNullKey { return true }
        guard rules.timestampType == .createTime else { return false }
        if minTimestamp != .max, !Self.isInBounds(minTimestamp, rules) { return true }
        return maxTimestamp != -1 && !Self.isInBounds(maxTimestamp, rules)
    }

    private static func isInBounds(_ timestamp: Int64, _ rules: BatchRules) -> Bool {
        timestamp >= rules.nowMs.subtractingSaturated(rules.timestampBeforeMaxMs)
            && timestamp <= rules.nowMs.addingSaturated(rules.timestampAfterMaxMs)
    }

    /// Names the records that break the rules. They have been walked before.
    static func refusal(
        _ records: UnsafeRawBufferPointer, _ header: RecordBatchHeader, _ rules: BatchRules
    ) -> BatchRefusal {
        var problems: [BatchRefusal.RecordProblem] = []
        var isTimestampWrong = false
        var cursor = RecordCursor(records)
        var index: Int32 = 0
        while problems.count < BatchRefusal.recordErrorsMax, let record = cursor?.next() {
            let timestamp = header.baseTimestamp &+ record.timestampDelta
            if rules.requireKeys, record.keyCount < 0 {
                problems.append(
                    .init(index: index, message: "A compacted topic does not accept records without a key."))
            } else if rules.timestampType == .createTime, timestamp != -1, !isInBounds(timestamp, rules) {
                isTimestampWrong = true
                let first = rules.nowMs.subtractingSaturated(rules.timestampBeforeMaxMs)
                let last = rules.nowMs.addingSaturated(rules.timestampAfterMaxMs)
                problems.append(
                    .init(
                        index: index,
                        message: "The timestamp \(timestamp) is out of range. It should be within [\(first), \(last)].")
                )
            }
            index &+= 1
        }
        return BatchRefusal(
            isTimestampWrong ? .invalidTimestamp : .invalidRecord,
            isTimestampWrong
                ? "One or more records have been rejected due to invalid timestamp."
                : "One or more records have been rejected because they have no key.",
            recordErrors: problems)
    }
}

extension Int64 {
    func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }

    func subtractingSaturated(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : difference
    }
}

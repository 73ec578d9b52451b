import ArgumentParser
import WeirClient
import WeirModel
import WeirTools

struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Read a topic's records to standard output.",
        discussion: """
            Reads from the end and follows, unless told otherwise. A position is earliest, latest, an offset, a time such as \
            2026-01-31T12:00:00Z (UTC unless it names a zone), or a duration back from now such as -1h or -1h30m.

            With --format a record is printed by a template: %t topic, %p partition, %o offset, %T timestamp in milliseconds, \
            %k key, %K key length, %s value, %S value length, %R value length as 4 bytes big-endian, %h headers, %% percent; \
            \\n, \\r, \\t, \\0, \\\\ and \\xHH. Nothing is added after it.

            Examples:
              weir consume orders --from earliest --exit-at-end
              weir consume orders --from -1h --json
              weir consume orders --format '%p/%o %k: %s\\n' --count 10
            """)

    @Argument var topic: String

    @Option(help: ArgumentHelp("Read as a member of this group and commit what was read.", valueName: "group"))
    var group: String?

    @Option(help: ArgumentHelp("Only this partition. May be repeated.", valueName: "p"))
    var partition: [Int32] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Where to start; in a group, where it has no offset yet.", valueName: "position"))
    var from = "latest"

    @Option(parsing: .unconditional, help: ArgumentHelp("Stop before this position.", valueName: "position"))
    var until: String?

    @Option(help: ArgumentHelp("Stop after that many records.", valueName: "n"))
    var count: Int?

    @Flag(help: "Stop where the topic ends at the start of the command.")
    var exitAtEnd = false

    @Option(help: ArgumentHelp("How to print a record; see above.", valueName: "template"))
    var format: String?

    @Flag(help: "Print records in JSON, one a line.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if json, format != nil { throw ValidationError("--json and --format exclude each other") }
        if let count, count < 0 { throw ValidationError("--count is 0 or more") }
        if partition.contains(where: { $0 < 0 }) { throw ValidationError("a partition is 0 or more") }
        if group != nil, !partition.isEmpty { throw ValidationError("--group and --partition exclude each other") }
        if group != nil, until != nil { throw ValidationError("--group and --until exclude each other") }
        let start = try usage { () throws(ToolError) in try TimeText.spec(from, nowMs: 0) }
        if group != nil, start != .earliest, start != .latest {
            throw ValidationError("a group starts at earliest or latest")
        }
        if let until { _ = try usage { () throws(ToolError) in try TimeText.spec(until, nowMs: 0) } }
        if let format { _ = try usage { () throws(ToolError) in try RecordTemplate(format) } }
    }

    func run() async throws {
        let now = nowMilliseconds()
        let start = try TimeText.spec(from, nowMs: now)
        let consumer: Consumer
        if let group {
            var settings = GroupConfiguration(group)
            settings.onRebalance = { if connection.verbose { StandardError.print("rebalance: \($0)") } }
            let until = exitAtEnd ? try await ends() : nil
            consumer = try Consumer(
                try connection.configuration(), group: settings, topics: [topic], configuration(start), until: until)
        } else {
            consumer = try Consumer(try connection.configuration(), configuration(start))
        }
        do {
            if group == nil { try await assign(consumer, start: start, nowMs: now) }
            let stop = StopSignals.install { Task { await consumer.close() } }
            try await read(consumer)
            _ = stop
        } catch {
            await consumer.close()
            throw error
        }
        await consumer.close()
    }

    private func configuration(_ start: OffsetSpec) -> ConsumerConfiguration {
        var configuration = ConsumerConfiguration()
        configuration.startPosition = start == .earliest ? .earliest : .latest
        return configuration
    }

    /// Where the topic ends now; 0 for partitions without records.
    private func ends() async throws -> [TopicPartition: Offset] {
        try await connection.withAdmin { admin in
            let partitions = try await admin.topic(topic).partitions.map { TopicPartition(topic, $0.index) }
            let starts = try await admin.offsets(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) }))
            let ends = try await admin.offsets(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
            return ends.mapValues(\.offset).reduce(into: [:]) { result, end in
                let start = starts[end.key]?.offset ?? .zero
                result[end.key] = end.value > start ? end.value : .zero
            }
        }
    }

    private func assign(_ consumer: Consumer, start: OffsetSpec, nowMs: Int64) async throws {
        let all = try await consumer.partitions(of: topic)
        let wanted = partition.isEmpty ? all : partition.map { TopicPartition(topic, $0) }
        for key in wanted where !all.contains(key) {
            throw CommandFailure(
                "topic '\(topic)' has \(all.count) partition(s), so there is no partition \(key.partition)")
        }
        let starts = Dictionary(wanted.map { ($0, start) }, uniquingKeysWith: { first, _ in first })
        guard until != nil || exitAtEnd else { return try await consumer.assign(try await bounded(starts, consumer)) }
        var ends: [TopicPartition: Offset] = [:]
        if exitAtEnd {
            for (key, end) in try await consumer.offsets(starts.mapValues { _ in .latest }) { ends[key] = end.offset }
        }
        if let until {
            let spec = try TimeText.spec(until, nowMs: nowMs)
            for (key, end) in try await consumer.offsets(starts.mapValues { _ in spec }) {
                ends[key] = min(ends[key] ?? end.offset, end.offset)
            }
        }
        try await consumer.assign(try await bounded(starts, consumer), until: ends)
    }

    /// An offset before the log's start or behind its end is moved to it, with a word about it.
    private func bounded(
        _ starts: [TopicPartition: OffsetSpec], _ consumer: Consumer
    ) async throws -> [TopicPartition: OffsetSpec] {
        guard case .offset(let offset)? = starts.first?.value else { return starts }
        let earliest = try await consumer.offsets(starts.mapValues { _ in .earliest })
        let latest = try await consumer.offsets(starts.mapValues { _ in .latest })
        var moved = starts
        for key in starts.keys.sorted() {
            guard let first = earliest[key]?.offset, let end = latest[key]?.offset else { continue }
            if offset < first {
                StandardError.print("\(key) begins at offset \(first); reading from there")
                moved[key] = .offset(first)
            } else if offset > end {
                StandardError.print("\(key) ends at offset \(end); reading from there")
                moved[key] = .offset(end)
            }
        }
        return moved
    }

    private func read(_ consumer: Consumer) async throws {
        let template = try format.map { try RecordTemplate($0) }
        var left = count ?? .max
        guard left > 0 else { return }
        var output = RecordOutput()
        var progress = ProgressLine("read")
        var total = 0
        var last: ConsumerRecord?
        reading: for try await batch in consumer.batches {
            for record in batch {
                write(record, template, to: &output.bytes)
                left -= 1
                total += 1
                last = record
                if left == 0 { break }
            }
            guard output.flush() else { break reading }
            if !Terminal.hasOutput { progress.update(total) }
            if left == 0 { break reading }
        }
        progress.end()
        // The last batch may have been read in part only.
        if group != nil, let last { try await consumer.commit(last) }
    }

    private func write(_ record: ConsumerRecord, _ template: RecordTemplate?, to out: inout [UInt8]) {
        if json {
            RecordText.writeJSON(record, to: &out)
        } else if let template {
            template.write(record, to: &out)
        } else {
            record.withValueBytes { if let bytes = $0 { out.append(contentsOf: bytes) } }
            out.append(UInt8(ascii: "\n"))
        }
    }
}

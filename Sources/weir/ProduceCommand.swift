import ArgumentParser
import NIOCore
import WeirClient
import WeirModel
import WeirTools

struct ProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write standard input to a topic, one record a line.",
        discussion: """
            With --json each line is a record as `weir consume --json` prints it; the topic and offset in it are left aside, \
            partition and timestamp are kept.

            Examples:
              seq 100 | weir produce numbers
              echo 'user1:login' | weir produce events --key-separator :
              weir consume a --from earliest --exit-at-end --json | weir produce b --json
            """)

    @Argument(help: "The topic; the broker may create it.")
    var topic: String

    @Option(help: ArgumentHelp("What stands between key and value; lines without it have no key.", valueName: "s"))
    var keySeparator: String?

    @Option(help: ArgumentHelp("Send all records to this partition.", valueName: "p"))
    var partition: Int32?

    @Option(help: ArgumentHelp("Give every record this header. May be repeated.", valueName: "key=value"))
    var header: [KeyValue] = []

    @Option(help: ArgumentHelp("none, gzip, snappy, lz4 or zstd.", valueName: "codec"))
    var compression = CodecArgument(.none)

    @Option(help: "Wait for: 0 nothing, 1 the leader, all in-sync replicas.")
    var acks: AcksArgument = .all

    @Flag(help: "Lines are records in JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let partition, partition < 0 { throw ValidationError("a partition is 0 or more") }
        if keySeparator?.isEmpty == true { throw ValidationError("the key separator is empty") }
        if json, keySeparator != nil { throw ValidationError("--json and --key-separator exclude each other") }
    }

    func run() async throws {
        var configuration = ProducerConfiguration()
        configuration.acks = acks.value
        configuration.isIdempotent = acks == .all
        configuration.compression = compression.codec
        // Whether a record is too large is the topic's to say.
        configuration.recordBytesMax = 1 << 30
        configuration.deliveryTimeoutMs = connection.timeout.milliseconds
        configuration.topicTimeoutMs = connection.timeout.milliseconds
        try await Producer.with(try connection.configuration(), configuration) { producer in
            // A wrong address or topic shows before anything is read.
            let count = try await producer.partitionCount(of: topic)
            if let partition, partition >= count {
                throw CommandFailure(
                    "topic '\(topic)' has \(count) partition(s), so there is no partition \(partition)")
            }
            var pending = DeliveryWindow()
            var progress = ProgressLine("written")
            var lines = LineSplitter()
            var number = 0
            let input = InputThread.start()
            while let piece = await input.next() {
                let records = try piece.withUnsafeBytes { try self.records(lines.feed($0), after: &number) }
                try await pending.add(try await producer.send(contentsOf: records, to: topic))
                progress.update(number)
            }
            if let last = lines.finish() {
                let records = try self.records([last], after: &number)
                try await pending.add(try await producer.send(contentsOf: records, to: topic))
            }
            try await producer.flush()
            try await pending.settle()
            progress.end()
            if Terminal.hasErrors {
                StandardError.print("\(number) record\(number == 1 ? "" : "s") written to \(topic)")
            }
        }
    }

    private func records(_ lines: [ByteBuffer], after number: inout Int) throws -> [ProducerRecord] {
        var records: [ProducerRecord] = []
        records.reserveCapacity(lines.count)
        for line in lines {
            number += 1
            do throws(ToolError) {
                if var record = try record(line) {
                    if let partition { record.partition = PartitionIndex(partition) }
                    for entry in header {
                        record.headers.append(RecordHeader(key: entry.key, value: ByteBuffer(string: entry.value)))
                    }
                    records.append(record)
                }
            } catch {
                throw CommandFailure("line \(number): \(error)")
            }
        }
        return records
    }

    private func record(_ line: ByteBuffer) throws(ToolError) -> ProducerRecord? {
        if json {
            // A blank line at the end of a file is no record.
            if line.readableBytesView.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { return nil }
            let result: Result<ProducerRecord, ToolError> = line.withUnsafeReadableBytes { bytes in
                do throws(ToolError) {
                    return .success(try RecordText.readJSON(bytes))
                } catch {
                    return .failure(error)
                }
            }
            return try result.get()
        }
        guard let keySeparator else { return ProducerRecord(value: line) }
        let separator = Array(keySeparator.utf8)
        guard let range = line.readableBytesView.firstRange(of: separator) else { return ProducerRecord(value: line) }
        let key = line.getSlice(at: line.readerIndex, length: range.lowerBound - line.readerIndex)
        let value = line.getSlice(at: range.upperBound, length: line.writerIndex - range.upperBound)
        return ProducerRecord(key: key, value: value)
    }
}

/// Deliveries that are not settled yet; the oldest are awaited when there are many.
private struct DeliveryWindow {
    private var pending: [Delivery] = []
    private static let most = 100_000

    mutating func add(_ deliveries: [Delivery]) async throws {
        pending.append(contentsOf: deliveries)
        guard pending.count > Self.most else { return }
        let half = pending.count / 2
        try await settle(pending[..<half])
        pending.removeFirst(half)
    }

    mutating func settle() async throws {
        try await settle(pending[...])
        pending = []
    }

    private func settle(_ deliveries: ArraySlice<Delivery>) async throws {
        for delivery in deliveries { _ = try await delivery.acknowledged() }
    }
}

enum AcksArgument: String, ExpressibleByArgument, CaseIterable {
    case none = "0"
    case leader = "1"
    case all

    init?(argument: String) {
        // Kafka's tools write -1 for all.
        self.init(rawValue: argument == "-1" ? "all" : argument)
    }

    var value: ProducerConfiguration.Acks {
        switch self {
        case .none: .none
        case .leader: .leader
        case .all: .all
        }
    }
}

/// A codec by Kafka's name.
struct CodecArgument: ExpressibleByArgument {
    let codec: CompressionCodec

    init(_ codec: CompressionCodec) { self.codec = codec }

    init?(argument: String) {
        guard let codec = CompressionCodec(name: argument) else { return nil }
        self.codec = codec
    }

    static var allValueStrings: [String] { CompressionCodec.allCases.map(\.name) }
    var defaultValueDescription: String { codec.name }
}

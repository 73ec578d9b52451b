import ArgumentParser
import NIOCore
import WeirClient
import WeirModel
import WeirSystem
import WeirTools

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Load a broker, or time it.",
        discussion: "The topic should be one that nobody needs: `produce` and `ack` write to it.",
        subcommands: [BenchProduce.self, BenchConsume.self, BenchAck.self])
}

/// What the measurements have in common.
struct BenchOptions: ParsableArguments {
    @Argument(help: "The topic.")
    var topic: String

    @Option(help: ArgumentHelp("How many records.", valueName: "n"))
    var count = 1_000_000

    @Option(help: ArgumentHelp("Bytes of each record's value.", valueName: "bytes"))
    var size = 100

    @Flag(help: "Print a JSON object.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if count < 1 { throw ValidationError("--count is 1 or more") }
        if size < 0 { throw ValidationError("--size is 0 or more") }
    }

    /// Text that does not compress to nothing.
    var payload: ByteBuffer {
        var state: UInt32 = 1
        var bytes = ByteBuffer()
        bytes.reserveCapacity(size)
        for _ in 0..<size {
            state = state &* 1_664_525 &+ 1_013_904_223
            bytes.writeInteger(UInt8(ascii: "a") + UInt8(truncatingIfNeeded: (state >> 24) % 26))
        }
        return bytes
    }

    func report(_ what: String, count: Int, bytes: Int, seconds: Double) {
        let rate = Double(count) / max(seconds, 1e-9)
        if json {
            print(
                JSON.object([
                    "bench": .string(what), "count": .integer(count), "bytes": .integer(bytes),
                    "wall_s": .number(seconds), "per_s": .integer(Int(rate)),
                ]).text)
        } else {
            let megabytes = Double(bytes) / max(seconds, 1e-9) / 1_000_000
            print(
                "\(what): \(count) records in \(rounded(seconds)) s, \(Int(rate)) a second, \(rounded(megabytes)) MB a second"
            )
        }
    }

    private func rounded(_ value: Double) -> String { String((value * 100).rounded() / 100) }
}

private func secondsSince(_ start: MonotonicTime) -> Double {
    Double(SystemClock().monotonic.nanoseconds - start.nanoseconds) / 1e9
}

struct BenchProduce: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write records as fast as it goes.")

    @Option(help: ArgumentHelp("How long a batch waits for more records.", valueName: "ms"))
    var linger: Int64 = 5

    @Option(help: "Wait for: 0 nothing, 1 the leader, all in-sync replicas.")
    var acks: AcksArgument = .leader

    @Option(help: ArgumentHelp("none, gzip, snappy, lz4 or zstd.", valueName: "codec"))
    var compression = CodecArgument(.none)

    @OptionGroup var options: BenchOptions

    func run() async throws {
        var configuration = ProducerConfiguration()
        configuration.acks = acks.value
        configuration.isIdempotent = acks == .all
        configuration.lingerMs = linger
        configuration.compression = compression.codec
        let producer = try Producer(try options.connection.configuration(), configuration)
        let record = ProducerRecord(value: options.payload)
        // The connection is up before the clock starts.
        _ = try await producer.send(record, to: options.topic).acknowledged()
        let start = SystemClock().monotonic
        var left = options.count - 1
        var last: Delivery?
        while left > 0 {
            let piece = min(left, 1_000)
            last = try await producer.send(contentsOf: repeatElement(record, count: piece), to: options.topic).last
            left -= piece
        }
        try await producer.flush()
        _ = try await last?.acknowledged()
        options.report(
            "produce", count: options.count, bytes: options.count * options.size, seconds: secondsSince(start))
        try await producer.close()
    }
}

struct BenchConsume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume", abstract: "Read records from the topic's beginning as fast as it goes.")

    @Flag(help: "Take records one at a time instead of in batches.")
    var singly = false

    @OptionGroup var options: BenchOptions

    func run() async throws {
        let consumer = try Consumer(try options.connection.configuration())
        let partitions = try await consumer.partitions(of: options.topic)
        let start = SystemClock().monotonic
        try await consumer.assign(
            Dictionary(partitions.map { ($0, .earliest) }, uniquingKeysWith: { first, _ in first }))
        var seen = 0
        var bytes = 0
        if singly {
            for try await record in consumer {
                seen += 1
                bytes += record.valueByteCount
                if seen == options.count { break }
            }
        } else {
            for try await batch in consumer.batches {
                for record in batch {
                    seen += 1
                    bytes += record.valueByteCount
                }
                if seen >= options.count { break }
            }
        }
        options.report("consume", count: seen, bytes: bytes, seconds: secondsSince(start))
        await consumer.close()
    }
}

struct BenchAck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ack", abstract: "Time one record after the other, each to its acknowledgement.")

    @Option(help: "Wait for: 1 the leader, all in-sync replicas.")
    var acks: AcksArgument = .leader

    @OptionGroup var options: BenchOptions

    func run() async throws {
        var configuration = ProducerConfiguration()
        configuration.acks = acks.value
        configuration.isIdempotent = acks == .all
        configuration.lingerMs = 0
        let producer = try Producer(try options.connection.configuration(), configuration)
        let record = ProducerRecord(value: options.payload)
        for _ in 0..<100 { _ = try await producer.send(record, to: options.topic).acknowledged() }
        var times: [Int64] = []
        times.reserveCapacity(options.count)
        let clock = SystemClock()
        for _ in 0..<options.count {
            let start = clock.monotonic
            _ = try await producer.send(record, to: options.topic).acknowledged()
            times.append(clock.monotonic.nanoseconds - start.nanoseconds)
        }
        try await producer.close()
        times.sort()
        func percentile(_ part: Int) -> Double { Double(times[min(times.count - 1, times.count * part / 100)]) / 1_000 }
        if options.json {
            print(
                JSON.object([
                    "bench": .string("ack"), "count": .integer(times.count), "p50_us": .number(percentile(50)),
                    "p90_us": .number(percentile(90)), "p99_us": .number(percentile(99)),
                    "max_us": .number(percentile(100)),
                ]).text)
        } else {
            print("ack: p50 \(percentile(50)) µs, p90 \(percentile(90)) µs, p99 \(percentile(99)) µs")
        }
    }
}

import NIOCore
import Testing
import WeirClient
import WeirModel

@Suite("Producing and consuming, against librdkafka's mock cluster")
struct ProduceConsumeTests {
    private func read(_ topic: String, _ client: ClientConfiguration) async throws -> [ConsumerRecord] {
        let consumer = try Consumer(client)
        let partitions = try await consumer.partitions(of: topic)
        let ends = try await consumer.offsets(Dictionary(uniqueKeysWithValues: partitions.map { ($0, .latest) }))
        try await consumer.assign(
            Dictionary(uniqueKeysWithValues: partitions.map { ($0, .earliest) }), until: ends.mapValues(\.offset))
        var records: [ConsumerRecord] = []
        for try await record in consumer { records.append(record) }
        await consumer.close()
        return records
    }

    @Test("with every codec, records come back as they were sent", arguments: CompressionCodec.allCases)
    func codecs(codec: CompressionCodec) async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 4 3")
        var configuration = ProducerConfiguration()
        configuration.compression = codec
        let sent = (0..<500).map { index in
            ProducerRecord(
                key: index % 3 == 0 ? nil : ByteBuffer(string: "key-\(index % 7)"),
                value: index % 11 == 0 ? nil : ByteBuffer(string: String(repeating: "v\(index)", count: index % 50)),
                headers: index % 5 == 0 ? [RecordHeader(key: "h", value: ByteBuffer(string: "\(index)"))] : [],
                timestamp: 1_700_000_000_000 + Int64(index))
        }
        let metadata = try await Producer.with(try cluster.client(), configuration) { producer in
            var found: [RecordMetadata] = []
            for delivery in try await producer.send(contentsOf: sent, to: "t") {
                found.append(try await delivery.acknowledged())
            }
            return found
        }
        let records = try await read("t", try cluster.client())
        #expect(records.count == sent.count)
        let byPlace = Dictionary(uniqueKeysWithValues: records.map { (Place($0.partition, $0.offset), $0) })
        for (record, place) in zip(sent, metadata) {
            let offset = try #require(place.offset)
            let found = try #require(byPlace[Place(place.partition, offset)])
            #expect(found.key == record.key && found.value == record.value && found.timestamp == record.timestamp)
            #expect(found.headers.map(\.key) == record.headers.map(\.key))
            #expect(found.header("h") == record.headers.first?.value)
        }
    }

    private struct Place: Hashable {
        let partition: TopicPartition
        let offset: Offset
        init(_ partition: TopicPartition, _ offset: Offset) {
            self.partition = partition
            self.offset = offset
        }
    }

    @Test("through refusals, broken connections and a broker that goes away: everything once, in order")
    func trouble() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 3 3")
        var configuration = ProducerConfiguration()
        configuration.lingerMs = 1
        configuration.batchBytesMax = 400
        try await Producer.with(try cluster.client(), configuration) { producer in
            var deliveries: [Delivery] = []
            for index in 0..<600 {
                // Not leader, leader not available, broken connections, a full disk, too few replicas.
                if index == 100 { try cluster.run("errors 0 6 5 6") }
                if index == 200 { try cluster.run("errors 0 -195 -195") }
                if index == 250 { try cluster.run("errors 0 19 20 7 56") }
                if index == 300 { try cluster.run("down 2") }
                if index == 400 { try cluster.run("up 2") }
                let record = ProducerRecord(key: "k\(index % 5)", value: "\(index)")
                deliveries.append(try await producer.send(record, to: "t"))
                if index % 50 == 49 { for delivery in deliveries.suffix(1) where index != 349 { _ = delivery } }
            }
            for delivery in deliveries { _ = try await delivery.acknowledged() }
        }
        let records = try await read("t", try cluster.client())
        var byKey: [String: [Int]] = [:]
        for record in records {
            byKey[record.keyString ?? "", default: []].append(Int(record.valueString ?? "") ?? -1)
        }
        for key in 0..<5 {
            #expect(byKey["k\(key)"] == (0..<600).filter { $0 % 5 == key })
        }
    }

    @Test("a leader that moves is found")
    func leaderMoves() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 3")
        try cluster.run("leader t 0 1")
        try await Producer.with(try cluster.client()) { producer in
            for leader in [2, 3, 1] {
                _ = try await producer.send(ProducerRecord(value: "before \(leader)"), to: "t").acknowledged()
                try cluster.run("leader t 0 \(leader)")
                _ = try await producer.send(ProducerRecord(value: "after \(leader)"), to: "t").acknowledged()
            }
        }
        #expect(try await read("t", try cluster.client()).count == 6)
    }

    @Test("reading goes on over fetch errors and moving leaders")
    func fetchTrouble() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 3")
        try cluster.run("leader t 0 1")
        let producer = try Producer(try cluster.client())
        var settings = ConsumerConfiguration()
        settings.fetchWaitMs = 50
        let consumer = try Consumer(try cluster.client(), settings)
        try await consumer.assign([TopicPartition("t", 0): .earliest])
        var iterator = consumer.makeAsyncIterator()
        for round in 0..<30 {
            if round == 5 { try cluster.run("errors 1 6 5 -195") }
            if round == 10 { try cluster.run("leader t 0 2") }
            if round == 15 { try cluster.run("errors 1 -195 -195") }
            if round == 20 { try cluster.run("leader t 0 3") }
            _ = try await producer.send(ProducerRecord(value: "\(round)"), to: "t").acknowledged()
            #expect(try await iterator.next()?.valueString == "\(round)")
        }
        #expect(try await consumer.position(of: TopicPartition("t", 0)) == Offset(29))
        #expect(try await consumer.lag(of: TopicPartition("t", 0)) == 1)
        await consumer.close()
        #expect(try await iterator.next() == nil)
        try await producer.close()
    }

    @Test("records that are gone are reported with their offsets; a seek goes on")
    func dataLoss() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 1")
        let partition = TopicPartition("t", 0)
        try await Producer.with(try cluster.client()) { producer in
            for index in 0..<10 {
                _ = try await producer.send(ProducerRecord(value: "\(index)"), to: "t").acknowledged()
            }
        }
        try cluster.run("start t 0 6")
        let consumer = try Consumer(try cluster.client())
        try await consumer.assign([partition: .offset(Offset(2))])
        var iterator = consumer.makeAsyncIterator()
        do {
            _ = try await iterator.next()
            Issue.record("the loss was skipped")
        } catch {
            #expect(error.code == .dataLoss && error.partition == partition)
            #expect(error.lostRange?.from == Offset(2))
        }
        try await consumer.seek(partition, to: .earliest)
        #expect(try await iterator.next()?.valueString == "6")
        await consumer.close()
    }

    @Test("seek, pause and offsets for times")
    func positions() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 1")
        let partition = TopicPartition("t", 0)
        try await Producer.with(try cluster.client()) { producer in
            for index in 0..<10 { try await producer.send(ProducerRecord(value: "\(index)"), to: "t") }
        }
        let consumer = try Consumer(try cluster.client())
        try await consumer.assign([partition: .offset(Offset(4))])
        var iterator = consumer.makeAsyncIterator()
        #expect(try await iterator.next()?.valueString == "4")
        #expect(try await iterator.next()?.valueString == "5")
        #expect(try await consumer.position(of: partition) == Offset(5))
        try await consumer.seek(partition, to: .offset(Offset(1)))
        #expect(try await iterator.next()?.valueString == "1")
        let found = try await consumer.offsets([partition: .latest])
        #expect(found[partition]?.offset == Offset(10))
        try await consumer.pause([partition])
        try await consumer.resume([partition])
        #expect(try await consumer.assignment() == [partition])
        await consumer.close()
    }

    @Test("without acknowledgement a record has no offset")
    func acksNone() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 1")
        var configuration = ProducerConfiguration()
        configuration.acks = .none
        configuration.isIdempotent = false
        let metadata = try await Producer.with(try cluster.client(), configuration) { producer in
            try await producer.send(ProducerRecord(value: "x"), to: "t").acknowledged()
        }
        #expect(metadata.offset == nil)
    }

    @Test("batches give the same records")
    func batches() async throws {
        let cluster = try MockCluster()
        try cluster.run("topic t 1 1")
        try await Producer.with(try cluster.client()) { producer in
            try await producer.send(contentsOf: (0..<1000).map { ProducerRecord(value: "\($0)") }, to: "t")
        }
        let consumer = try Consumer(try cluster.client())
        try await consumer.assign(
            [TopicPartition("t", 0): .offset(Offset(10))], until: [TopicPartition("t", 0): Offset(990)])
        var values: [String] = []
        for try await batch in consumer.batches { for record in batch { values.append(record.valueString ?? "") } }
        #expect(values == (10..<990).map { "\($0)" })
        await consumer.close()
    }
}

import Logging
import ServiceLifecycle
import UnixSignals
import WeirClient

/// A program that reads, works and writes until it is told to stop; nothing is lost when it does.
func serve(_ client: ClientConfiguration) async throws {
    try await Producer.with(client) { producer in
        try await producer.send(contentsOf: (1...5).map { ProducerRecord(value: "\($0)") }, to: "example-numbers")
    }

    let producer = try Producer(client)
    var configuration = ConsumerConfiguration()
    configuration.startPosition = .earliest
    let consumer = try Consumer(
        client, group: GroupConfiguration("example-squares"), topics: ["example-numbers"], configuration)
    let squares = Squares(consumer: consumer, producer: producer)
    // Services stop in the reverse order: first the work ends, then the consumer commits and leaves, then the producer
    // flushes. The program ends when its work does, or on SIGTERM.
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: [
                .init(service: producer), .init(service: consumer),
                .init(service: squares, successTerminationBehavior: .gracefullyShutdownGroup),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "example")))
    try await group.run()
}

struct Squares: Service {
    let consumer: Consumer
    let producer: Producer

    func run() async throws {
        var left = 5
        for try await record in consumer {
            let number = Int(record.valueString ?? "") ?? 0
            try await producer.send(ProducerRecord(value: "\(number * number)"), to: "example-squares")
            print("\(number) squared is \(number * number)")
            left -= 1
            // An example ends; a service would not.
            if left == 0 { return }
        }
    }
}

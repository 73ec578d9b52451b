import ArgumentParser
import WeirClient
import WeirModel
import WeirTools

struct TopicCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Create, list, describe, change and delete topics.",
        subcommands: [
            TopicCreate.self, TopicList.self, TopicDescribe.self, TopicAlter.self, TopicDelete.self, TopicTrim.self,
        ])
}

struct TopicCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Create a topic.")

    @Argument(help: "1 to 249 letters, digits, '.', '_' and '-'.")
    var name: String

    @Option(help: ArgumentHelp("The broker's num.partitions when not given.", valueName: "n"))
    var partitions: Int32?

    @Option(help: ArgumentHelp("The broker's default.replication.factor when not given.", valueName: "r"))
    var replicationFactor: Int16?

    @Option(
        help: ArgumentHelp(
            "A topic configuration, such as retention.ms=3600000. May be repeated.", valueName: "key=value"))
    var config: [KeyValue] = []

    @Flag(help: "Do nothing when the topic exists already.")
    var ifNotExists = false

    @Flag(help: "Only check whether the topic could be created.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let partitions, partitions < 1 { throw ValidationError("a topic needs at least 1 partition") }
        if let replicationFactor, replicationFactor < 1 {
            throw ValidationError("the replication factor must be at least 1")
        }
    }

    func run() async throws {
        var topic = NewTopic(name, partitions: partitions, replicationFactor: replicationFactor)
        for entry in config { topic.configuration[entry.key] = entry.value }
        var plan = ["Create topic '\(name)' with \(partitions.map { "\($0)" } ?? "the default number of") partitions"]
        for entry in config { plan.append("  \(entry.key)=\(entry.value)") }
        if !dryRun { try Terminal.confirm(plan, yes: yes) }
        let wanted = topic
        try await connection.withAdmin { admin in
            do {
                let created = try await admin.createTopic(wanted, validateOnly: dryRun)
                print(json ? Self.json(created, isNew: !dryRun).text : Self.line(created, dryRun: dryRun))
            } catch let error as ClientError where ifNotExists && error.brokerCode == .topicAlreadyExists {
                print(
                    json ? JSON.object(["topic": .string(name), "created": .bool(false)]).text : "topic \(name) exists")
            }
        }
    }

    private static func line(_ topic: CreatedTopic, dryRun: Bool) -> String {
        let count = topic.partitions.map { ", \($0) partition\($0 == 1 ? "" : "s")" } ?? ""
        return dryRun ? "topic \(topic.name) could be created\(count)" : "created topic \(topic.name)\(count)"
    }

    private static func json(_ topic: CreatedTopic, isNew: Bool) -> JSON {
        .object([
            "topic": .string(topic.name), "id": .string("\(topic.id)"), "created": .bool(isNew),
            "partitions": topic.partitions.map { .integer($0) } ?? .null,
            "replication_factor": topic.replicationFactor.map { .integer(Int64($0)) } ?? .null,
        ])
    }
}

struct TopicList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the topics.")

    @Flag(help: "Include the broker's own topics.")
    var `internal` = false

    @Flag(help: "Print a JSON list.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let view = try await connection.withAdmin { try await $0.cluster() }
        let topics = view.topics.values.filter { `internal` || !$0.isInternal }.sorted { $0.name < $1.name }
        if json {
            let list = topics.map { topic in
                JSON.object([
                    "topic": .string(topic.name), "id": .string("\(topic.id)"),
                    "partitions": .integer(topic.partitions.count),
                    "replication_factor": .integer(topic.partitions.first?.replicas.count ?? 0),
                    "internal": .bool(topic.isInternal),
                ])
            }
            print(JSON.array(list).text)
            return
        }
        guard !topics.isEmpty else { return }
        var table = TextTable(["TOPIC", "PARTITIONS", "REPLICAS"], rightAligned: [1, 2])
        for topic in topics {
            table.add([topic.name, "\(topic.partitions.count)", "\(topic.partitions.first?.replicas.count ?? 0)"])
        }
        print(table.text)
    }
}

struct TopicDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show a topic's partitions, offsets and configuration.")

    @Argument(help: "The topics to describe.")
    var names: [String]

    @Flag(help: "Show every configuration key, not only those the topic sets itself.")
    var allConfigs = false

    @Flag(help: "Print JSON: an object for one topic, a list for several.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    private struct Description {
        let topic: ClusterView.Topic
        let configuration: [ConfigurationEntry]
        let starts: [TopicPartition: OffsetAndTimestamp]
        let ends: [TopicPartition: OffsetAndTimestamp]
    }

    func run() async throws {
        let found = try await connection.withAdmin { admin in
            var found: [Description] = []
            for name in names { found.append(try await describe(name, admin)) }
            return found
        }
        if json {
            let list = found.map(Self.json)
            print(list.count == 1 ? list[0].text : JSON.array(list).text)
        } else {
            print(found.map(text).joined(separator: "\n\n"))
        }
    }

    private func describe(_ name: String, _ admin: Admin) async throws -> Description {
        let topic = try await admin.topic(name)
        let entries = try await admin.configuration(of: .topic(name))
        // A partition without a leader has no offsets to tell.
        let led = topic.partitions.filter { $0.leader != nil }.map { TopicPartition(name, $0.index) }
        let starts = try await admin.offsets(Dictionary(uniqueKeysWithValues: led.map { ($0, OffsetSpec.earliest) }))
        let ends = try await admin.offsets(Dictionary(uniqueKeysWithValues: led.map { ($0, OffsetSpec.latest) }))
        return Description(
            topic: topic, configuration: entries.filter { allConfigs || $0.isOverride }, starts: starts, ends: ends)
    }

    private static func json(_ found: Description) -> JSON {
        let topic = found.topic
        let partitions = topic.partitions.map { partition in
            let key = TopicPartition(topic.name, partition.index)
            return JSON.object([
                "partition": .integer(partition.index.rawValue),
                "leader": partition.leader.map { .integer($0.rawValue) } ?? .null,
                "leader_epoch": .integer(partition.leaderEpoch.rawValue),
                "replicas": .array(partition.replicas.map { .integer($0.rawValue) }),
                "isr": .array(partition.inSyncReplicas.map { .integer($0.rawValue) }),
                "start_offset": found.starts[key].map { .integer($0.offset.rawValue) } ?? .null,
                "end_offset": found.ends[key].map { .integer($0.offset.rawValue) } ?? .null,
            ])
        }
        let configs = found.configuration.map { entry in
            JSON.object([
                "name": .string(entry.name), "value": .string(entry.value),
                "source": .string("\(entry.source)"), "read_only": .bool(entry.isReadOnly),
            ])
        }
        return .object([
            "topic": .string(topic.name), "id": .string("\(topic.id)"), "internal": .bool(topic.isInternal),
            "partitions": .array(partitions), "configs": .array(configs),
        ])
    }

    private func text(_ found: Description) -> String {
        let topic = found.topic
        var lines = ["topic \(topic.name), id \(topic.id)\(topic.isInternal ? ", internal" : "")"]
        for entry in found.configuration {
            lines.append("  \(entry.name)=\(entry.value ?? "")\(entry.isOverride ? "" : " (\(entry.source))")")
        }
        var table = TextTable(
            ["PARTITION", "LEADER", "REPLICAS", "IN SYNC", "START", "END"], rightAligned: [0, 1, 4, 5])
        for partition in topic.partitions {
            let key = TopicPartition(topic.name, partition.index)
            table.add([
                "\(partition.index)", partition.leader.map { "\($0)" } ?? "none",
                partition.replicas.map { "\($0)" }.joined(separator: ","),
                partition.inSyncReplicas.map { "\($0)" }.joined(separator: ","),
                found.starts[key].map { "\($0.offset)" } ?? "?", found.ends[key].map { "\($0.offset)" } ?? "?",
            ])
        }
        return (lines + [table.text]).joined(separator: "\n")
    }
}

struct TopicAlter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter", abstract: "Change a topic's configuration, or give it more partitions.")

    @Argument var name: String

    @Option(help: ArgumentHelp("The new number of partitions; it can only grow, and keys move.", valueName: "n"))
    var partitions: Int32?

    @Option(help: ArgumentHelp("Set a configuration key. May be repeated.", valueName: "key=value"))
    var config: [KeyValue] = []

    @Option(help: ArgumentHelp("Set a configuration key back to its default. May be repeated.", valueName: "key"))
    var removeConfig: [String] = []

    @Flag(help: "Only check whether the change could be made.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if partitions == nil, config.isEmpty, removeConfig.isEmpty {
            throw ValidationError("say what to change: --partitions, --config or --remove-config")
        }
        if let partitions, partitions < 1 { throw ValidationError("a topic needs at least 1 partition") }
    }

    func run() async throws {
        try await connection.withAdmin { admin in
            let topic = try await admin.topic(name)
            var plan = ["Change topic '\(name)':"]
            if let partitions { plan.append("  partitions: \(topic.partitions.count) to \(partitions)") }
            for entry in config { plan.append("  set \(entry.key)=\(entry.value)") }
            for key in removeConfig { plan.append("  remove \(key)") }
            if !dryRun { try Terminal.confirm(plan, yes: yes) }
            let changes =
                config.map { ConfigChange($0.key, .set($0.value)) } + removeConfig.map { ConfigChange($0, .remove) }
            // The whole change is checked before any of it is made.
            if !changes.isEmpty { try await admin.alterConfiguration(of: .topic(name), changes, validateOnly: true) }
            if let partitions { try await admin.createPartitions(topic: name, total: partitions, validateOnly: true) }
            if !dryRun {
                if !changes.isEmpty { try await admin.alterConfiguration(of: .topic(name), changes) }
                if let partitions { try await admin.createPartitions(topic: name, total: partitions) }
            }
            if json {
                print(JSON.object(["topic": .string(name), "changed": .bool(!dryRun)]).text)
            } else {
                print(dryRun ? "topic \(name) could be changed" : "changed topic \(name)")
            }
        }
    }
}

struct TopicDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete topics and all their records.")

    @Argument var names: [String]

    @Flag(help: "Leave out topics that do not exist.")
    var ifExists = false

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try Terminal.confirm(names.map { "Delete topic '\($0)' and all its records" }, yes: yes)
        try await connection.withAdmin { admin in
            for name in names {
                var isDeleted = true
                do {
                    try await admin.deleteTopic(name)
                } catch let error as ClientError where ifExists && error.code == .unknownTopicOrPartition {
                    isDeleted = false
                }
                if json {
                    print(JSON.object(["topic": .string(name), "deleted": .bool(isDeleted)]).text)
                } else {
                    print(isDeleted ? "deleted topic \(name)" : "topic \(name) does not exist")
                }
            }
        }
    }
}

struct TopicTrim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trim", abstract: "Delete a topic's oldest records.",
        discussion: "Records before the given position go; consumers that had not read them will not see them.")

    @Argument var name: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Delete records before: latest (all of them), an offset, a time such as 2026-01-31T12:00:00Z, or -1h.",
            valueName: "position"))
    var before: String

    @Option(help: ArgumentHelp("Only this partition. May be repeated.", valueName: "p"))
    var partition: [Int32] = []

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let spec = try usage { () throws(ToolError) in try TimeText.spec(before, nowMs: nowMilliseconds()) }
        try await connection.withAdmin { admin in
            let topic = try await admin.topic(name)
            let all = topic.partitions.map { TopicPartition(name, $0.index) }
            let wanted = partition.isEmpty ? all : partition.map { TopicPartition(name, $0) }
            for key in wanted where !all.contains(key) {
                throw CommandFailure("topic '\(name)' has no partition \(key.partition)")
            }
            let starts = try await admin.offsets(Dictionary(uniqueKeysWithValues: wanted.map { ($0, .earliest) }))
            let ends = try await admin.offsets(Dictionary(uniqueKeysWithValues: wanted.map { ($0, .latest) }))
            let targets = try await admin.offsets(Dictionary(uniqueKeysWithValues: wanted.map { ($0, spec) }))
            var before: [TopicPartition: Offset?] = [:]
            var plan: [String] = []
            for (key, target) in targets.sorted(by: { $0.key < $1.key }) {
                guard let start = starts[key]?.offset, let end = ends[key]?.offset else { continue }
                let next = min(target.offset, end)
                guard next > start else { continue }
                before[key] = next
                plan.append("Delete offsets \(start) to \(next - 1) of \(key)")
            }
            if !before.isEmpty {
                try Terminal.confirm(plan, yes: yes)
                try await admin.deleteRecords(before: before)
            }
            if json {
                let list = before.sorted { $0.key < $1.key }.map { key, offset in
                    JSON.object([
                        "topic": .string(name), "partition": .integer(key.partition.rawValue),
                        "start_offset": offset.map { .integer($0.rawValue) } ?? .null,
                    ])
                }
                print(JSON.array(list).text)
            } else {
                print(before.isEmpty ? "nothing to trim" : "trimmed \(before.count) partition(s) of topic \(name)")
            }
        }
    }
}

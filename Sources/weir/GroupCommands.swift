import ArgumentParser
import WeirClient
import WeirModel
import WeirTools

struct GroupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "List, describe and delete consumer groups.",
        subcommands: [GroupList.self, GroupDescribe.self, GroupDelete.self])
}

struct GroupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the groups.")

    @Flag(help: "Print a JSON list.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let groups = try await connection.withAdmin { try await $0.groups() }
        if json {
            let list = groups.map { group in
                JSON.object([
                    "group": .string(group.id), "state": .string(group.state),
                    "protocol_type": .string(group.protocolType), "type": .string(group.type),
                ])
            }
            print(JSON.array(list).text)
            return
        }
        guard !groups.isEmpty else { return }
        var table = TextTable(["GROUP", "STATE", "PROTOCOL"])
        for group in groups { table.add([group.id, group.state ?? "?", group.protocolType]) }
        print(table.text)
    }
}

struct GroupDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show a group's members, committed offsets and lag.")

    @Argument(help: "The group's name.")
    var name: String

    @Flag(help: "Print a JSON object.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (group, committed, ends) = try await connection.withAdmin { admin in
            let group = try await admin.describeGroup(name)
            let committed = try await admin.committedOffsets(group: name)
            // A partition may have been deleted since its offset was committed.
            let view = try await admin.cluster(topics: Set(committed.keys.map(\.topic)).sorted())
            let known = committed.keys.filter { view.leader(of: $0) != nil }
            let ends = try await admin.offsets(Dictionary(uniqueKeysWithValues: known.map { ($0, .latest) }))
            return (group, committed, ends)
        }
        var owners: [TopicPartition: GroupDescription.Member] = [:]
        for member in group.members {
            for partition in member.assignment { owners[partition] = member }
        }
        let partitions = Set(committed.keys).union(owners.keys).sorted()
        let rows = partitions.map { partition in
            Row(
                partition: partition, committed: committed[partition]?.offset, end: ends[partition]?.offset,
                owner: owners[partition])
        }
        print(json ? Self.json(group, rows).text : Self.text(group, rows))
    }

    private struct Row {
        let partition: TopicPartition
        let committed: Offset?
        let end: Offset?
        let owner: GroupDescription.Member?
        var lag: Int64? {
            guard let committed, let end else { return nil }
            return max(0, end - committed)
        }
    }

    private static func json(_ group: GroupDescription, _ rows: [Row]) -> JSON {
        let members = group.members.map { member in
            JSON.object([
                "member": .string(member.id), "instance": .string(member.instanceID),
                "client": .string(member.clientID), "host": .string(member.host),
                "partitions": .array(
                    member.assignment.map { partition in
                        .object([
                            "topic": .string(partition.topic), "partition": .integer(partition.partition.rawValue),
                        ])
                    }),
            ])
        }
        let partitions = rows.map { row in
            JSON.object([
                "topic": .string(row.partition.topic), "partition": .integer(row.partition.partition.rawValue),
                "committed": row.committed.map { .integer($0.rawValue) } ?? .null,
                "end_offset": row.end.map { .integer($0.rawValue) } ?? .null,
                "lag": row.lag.map { .integer($0) } ?? .null, "member": .string(row.owner?.id),
            ])
        }
        return .object([
            "group": .string(group.id), "state": .string(group.state), "protocol_type": .string(group.protocolType),
            "protocol": .string(group.protocolName), "coordinator": .integer(group.coordinator.rawValue),
            "members": .array(members), "partitions": .array(partitions),
        ])
    }

    private static func text(_ group: GroupDescription, _ rows: [Row]) -> String {
        var text = "group \(group.id), \(group.state), \(group.members.count) member(s), "
        text += "coordinator \(group.coordinator)"
        if !group.protocolName.isEmpty { text += ", protocol \(group.protocolName)" }
        guard !rows.isEmpty else { return text }
        var table = TextTable(
            ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST"], rightAligned: [1, 2, 3, 4])
        for row in rows {
            table.add([
                row.partition.topic, "\(row.partition.partition)", row.committed.map { "\($0)" } ?? "-",
                row.end.map { "\($0)" } ?? "-", row.lag.map { "\($0)" } ?? "-", row.owner?.id ?? "-",
                row.owner?.host ?? "-",
            ])
        }
        return text + "\n" + table.text
    }
}

struct GroupDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete groups without members, and their committed offsets.")

    @Argument(help: "The groups' names.")
    var names: [String]

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try Terminal.confirm(names.map { "Delete group '\($0)' and its committed offsets" }, yes: yes)
        try await connection.withAdmin { admin in
            for name in names {
                try await admin.deleteGroup(name)
                print(
                    json ? JSON.object(["group": .string(name), "deleted": .bool(true)]).text : "deleted group \(name)")
            }
        }
    }
}

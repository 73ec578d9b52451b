import NIOCore
import Testing
import WeirCoordination
import WeirModel
import WeirProtocol
import WeirSystem

@testable import WeirBroker

@Suite("Group APIs")
struct GroupsHandlerTests {
    /// A subscription to `orders` alone.
    private static let subscription: [UInt8] = [0, 1, 0, 0, 0, 1, 0, 6] + Array("orders".utf8) + [255, 255, 255, 255]

    @Test("a member comes in, works and leaves, in every version of JoinGroup", arguments: 0...9 as ClosedRange<Int16>)
    func joinVersions(version: Int16) throws {
        let bed = try GroupsTestBed()
        var joined = try #require(try bed.join("g", version: version).response)
        if version >= 4 {
            #expect(joined.errorCode == ErrorCode.memberIDRequired.rawValue)
            #expect(joined.memberID.hasPrefix("tester-") && joined.memberID.utf8.count == 7 + 36)
            #expect(joined.generationID == -1)
            joined = try #require(try bed.join("g", joined.memberID, version: version).response)
        }
        #expect(joined.errorCode == 0 && joined.generationID == 1 && joined.leader == joined.memberID)
        #expect(joined.protocolName == "range" && joined.protocolType == (version >= 7 ? "consumer" : nil))
        #expect(joined.members.map(\.memberID) == [joined.memberID])
        #expect(joined.members.map(\.metadata) == [ByteBuffer(bytes: [1])])
        let synced = try bed.sync("g", joined.memberID, 1, [joined.memberID: [9]], version: min(version, 5)).response
        #expect(synced?.errorCode == 0 && synced?.assignment == ByteBuffer(bytes: [9]))
        #expect(try bed.heartbeat("g", joined.memberID, 1) == .none)
        #expect(try bed.leave("g", joined.memberID) == .none)
        #expect(try bed.leave("g", joined.memberID) == .unknownMemberID)
    }

    @Test("in v0 the session timeout is the rebalance timeout")
    func joinVersion0() throws {
        let bed = try GroupsTestBed()
        _ = try bed.stableMember("g")
        let waiting = try bed.join("g", version: 0, session: 8_000)
        // The first member (v3) has 60 s to rejoin, and a session of 10 s, after which only the new one is left.
        bed.time.pass(10_000)
        #expect(waiting.response?.generationID == 2)
        let snapshot = try GroupRecords.snapshot(
            try #require(bed.host.records(bed.groups.partition(of: "g")).last?.value))
        #expect(snapshot.members.map(\.rebalanceTimeoutMs) == [60_000])
        let id = try #require(waiting.response?.memberID)
        _ = try bed.sync("g", id, 2, [:])
        let stored = try GroupRecords.snapshot(
            try #require(bed.host.records(bed.groups.partition(of: "g")).last?.value))
        #expect(stored.members.map(\.rebalanceTimeoutMs) == [8_000])
    }

    @Test("LeaveGroup v3 and later answers for each member")
    func leaveBatch() throws {
        let bed = try GroupsTestBed()
        let joined = try #require(try bed.join("g", version: 5, instance: "i").response)
        var request = LeaveGroupRequest()
        request.groupID = "g"
        request.members = [("", "i"), ("x", nil), ("", "none")].map { memberID, instanceID in
            var member = LeaveGroupRequest.MemberIdentity()
            member.memberID = memberID
            member.groupInstanceID = instanceID
            return member
        }
        let answer = try bed.ask(request, version: 5)
        #expect(joined.memberID.hasPrefix("i-"))
        #expect(answer.errorCode == 0)
        #expect(answer.members.map(\.errorCode) == [0, 25, 25])
        #expect(answer.members.map(\.groupInstanceID) == ["i", nil, "none"])
        request.groupID = ""
        #expect(try bed.ask(request, version: 5).errorCode == ErrorCode.invalidGroupID.rawValue)
    }

    @Test("DescribeGroups: members when stable, operations when asked, and what a missing group is")
    func describe() throws {
        let bed = try GroupsTestBed()
        let member = try bed.stableMember("g")
        var request = DescribeGroupsRequest()
        request.groups = ["g", "none"]
        var answer = try bed.ask(request, version: 5)
        #expect(answer.groups.map(\.groupState) == ["Stable", "Dead"])
        #expect(answer.groups.map(\.errorCode) == [0, 0])
        #expect(answer.groups.map(\.authorizedOperations) == [.min, .min])
        #expect(answer.groups[0].members.map(\.memberID) == [member])
        #expect(answer.groups[0].members[0].memberMetadata == ByteBuffer(bytes: [1]))
        #expect(answer.groups[0].protocolType == "consumer" && answer.groups[0].protocolData == "range")
        request.includeAuthorizedOperations = true
        answer = try bed.ask(request, version: 6)
        #expect(answer.groups[0].authorizedOperations > 0)
        #expect(answer.groups[1].errorCode == ErrorCode.groupIDNotFound.rawValue)
        #expect(answer.groups[1].errorMessage == "Group none not found.")
    }

    @Test("ListGroups filters by state and type, whatever the case")
    func list() throws {
        let bed = try GroupsTestBed()
        _ = try bed.stableMember("a")
        _ = try bed.commit("b", "orders", 0, 1)
        func names(_ states: [String], _ types: [String] = []) throws -> [String] {
            var request = ListGroupsRequest()
            request.statesFilter = states
            request.typesFilter = types
            return try bed.ask(request, version: 5).groups.map { "\($0.groupID) \($0.groupState) \($0.groupType)" }
        }
        #expect(try names([]) == ["a Stable classic", "b Empty classic"])
        #expect(try names(["stable"]) == ["a Stable classic"])
        #expect(try names(["Dead"]) == [])
        #expect(try names(["Empty"], ["Classic"]) == ["b Empty classic"])
        #expect(try names([], ["consumer"]) == [])
        #expect(try bed.ask(ListGroupsRequest(), version: 0).groups.map(\.protocolType) == ["consumer", ""])
    }

    @Test("DeleteGroups: only groups without members, none twice")
    func delete() throws {
        let bed = try GroupsTestBed()
        _ = try bed.stableMember("busy")
        _ = try bed.commit("idle", "orders", 0, 1)
        var request = DeleteGroupsRequest()
        request.groupsNames = ["busy", "idle", "idle"]
        #expect(try bed.ask(request, version: 2).results.map(\.errorCode) == [68, 0, 69])
        #expect(try bed.fetch("idle", "orders", 0) == -1)
        request.groupsNames = []
        #expect(try bed.ask(request, version: 2).results.isEmpty)
    }

    @Test("OffsetDelete: not what a member is subscribed to, nor what does not exist")
    func offsetDelete() throws {
        let bed = try GroupsTestBed()
        let member = try bed.stableMember("g", metadata: Self.subscription)
        _ = try bed.commit("g", "orders", 0, 1, memberID: member, generation: 1)
        _ = try bed.commit("g", "other", 0, 2, memberID: member, generation: 1)
        var request = OffsetDeleteRequest()
        request.groupID = "g"
        request.topics = [("orders", Int32(0)), ("other", 0), ("missing", 0)].map { name, index in
            var topic = OffsetDeleteRequest.OffsetDeleteRequestTopic()
            topic.name = name
            var partition = OffsetDeleteRequest.OffsetDeleteRequestPartition()
            partition.partitionIndex = index
            topic.partitions = [partition]
            return topic
        }
        let answer = try bed.ask(request, version: 0)
        #expect(answer.errorCode == 0)
        #expect(answer.topics.map { $0.partitions.map(\.errorCode) } == [[86], [0], [3]])
        #expect(try bed.fetch("g", "orders", 0) == 1)
        #expect(try bed.fetch("g", "other", 0) == -1)
        request.groupID = "none"
        #expect(try bed.ask(request, version: 0).errorCode == ErrorCode.groupIDNotFound.rawValue)
    }

    @Test("OffsetCommit says for each partition what is wrong with it, and writes the rest")
    func commitMixed() throws {
        let bed = try GroupsTestBed(["offset.metadata.max.bytes": "10"])
        var request = OffsetCommitRequest()
        request.groupID = "g"
        let wanted: [(String, Int32, String?)] = [
            ("orders", 0, "short"), ("orders", 1, "longer than ten"), ("orders", 4, nil), ("orders", -1, nil),
            ("none", 0, nil), ("orders", 2, nil),
        ]
        request.topics = wanted.map { name, index, metadata in
            var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
            topic.name = name
            var partition = OffsetCommitRequest.OffsetCommitRequestPartition()
            partition.partitionIndex = index
            partition.committedOffset = 5
            partition.committedMetadata = metadata
            topic.partitions = [partition]
            return topic
        }
        let answer = try bed.ask(request, version: 9)
        #expect(answer.topics.map { $0.partitions[0].errorCode } == [0, 12, 3, 3, 3, 0])
        #expect(try bed.fetch("g", "orders", 0) == 5)
        #expect(try bed.fetch("g", "orders", 1) == -1)
        #expect(try bed.fetch("g", "orders", 2) == 5)
    }

    @Test("a commit of every version is read back, metadata and epoch with it", arguments: 2...10 as ClosedRange<Int16>)
    func commitVersions(version: Int16) throws {
        let bed = try GroupsTestBed()
        let answer = try bed.commit("g", "orders", 3, 77, metadata: "note ü", version: version).response
        #expect(answer?.topics.map { $0.partitions.map(\.errorCode) } == [[0]])
        let offset = try bed.groups.fetchOffsets("g", nil).get()[TopicPartition("orders", PartitionIndex(3))]
        #expect(offset?.offset == 77 && offset?.metadata == "note ü")
        #expect(offset?.leaderEpoch == (version >= 6 ? 3 : -1))
        #expect(offset?.commitTimestamp == VirtualTime.wallStart && offset?.expireTimestamp == nil)
    }

    @Test("a retention time of v2 to v4 is kept, also over a restart")
    func commitRetention() throws {
        let settings = ["offsets.retention.check.interval.ms": "1000"]
        let bed = try GroupsTestBed(settings)
        _ = try bed.commit("g", "orders", 0, 77, version: 3, retentionMs: 5_000)
        let again = try GroupsTestBed(settings, host: bed.host, time: bed.time)
        bed.groups.stop()
        again.time.pass(4_000)
        #expect(try again.fetch("g", "orders", 0) == 77)
        again.time.pass(1_000)
        #expect(try again.fetch("g", "orders", 0) == -1)
    }

    @Test("commits by topic id: an unknown id is told as such")
    func commitByID() throws {
        let bed = try GroupsTestBed()
        let answer = try bed.commit("g", "missing", 0, 1, version: 10).response
        #expect(answer?.topics.map { $0.partitions.map(\.errorCode) } == [[ErrorCode.unknownTopicID.rawValue]])
    }

    @Test("who may commit: members of the generation, and anyone while the group is empty")
    func commitRules() throws {
        let bed = try GroupsTestBed()
        func code(_ memberID: String, _ generation: Int32, _ group: String = "g") throws -> Int16? {
            try bed.commit(group, "orders", 0, 1, memberID: memberID, generation: generation)
                .response?.topics[0].partitions[0].errorCode
        }
        #expect(try code("m", 3, "none") == ErrorCode.illegalGeneration.rawValue)
        #expect(bed.groups.listGroups().groups == [])
        let member = try bed.stableMember("g")
        #expect(try code(member, 1) == 0)
        #expect(try code(member, 2) == ErrorCode.illegalGeneration.rawValue)
        #expect(try code("m", 1) == ErrorCode.unknownMemberID.rawValue)
        #expect(try code("", -1) == ErrorCode.unknownMemberID.rawValue)
    }

    @Test("OffsetFetch before v8: one group, null topics are all from v2 on")
    func fetchSingle() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 1, 5, metadata: "m")
        _ = try bed.commit("g", "other", 0, 6)
        var request = OffsetFetchRequest()
        request.groupID = "g"
        var topic = OffsetFetchRequest.OffsetFetchRequestTopic()
        topic.name = "orders"
        topic.partitionIndexes = [0, 1]
        request.topics = [topic]
        for version: Int16 in 1...7 {
            request.requireStable = version >= 7
            let answer = try bed.ask(request, version: version)
            #expect(answer.topics.map(\.name) == ["orders"])
            #expect(answer.topics[0].partitions.map(\.committedOffset) == [-1, 5])
            #expect(answer.topics[0].partitions.map(\.metadata) == ["", "m"])
            #expect(answer.topics[0].partitions.map(\.errorCode) == [0, 0])
            #expect(answer.topics[0].partitions[1].committedLeaderEpoch == (version >= 5 ? 3 : -1))
        }
        request.topics = nil
        request.requireStable = false
        #expect(try bed.ask(request, version: 2).topics.map(\.name) == ["orders", "other"])
        request.topics = []
        #expect(try bed.ask(request, version: 2).topics.isEmpty)
    }

    @Test("OffsetFetch from v8 on: several groups, each for itself; v10 by topic id")
    func fetchBatch() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 1, 5)
        _ = try bed.commit("h", "other", 0, 6)
        var all = OffsetFetchRequest.OffsetFetchRequestGroup()
        all.groupID = "g"
        all.topics = nil
        var some = OffsetFetchRequest.OffsetFetchRequestGroup()
        some.groupID = "h"
        var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
        topic.name = "other"
        topic.topicID = try #require(bed.host.topicID(of: "other"))
        topic.partitionIndexes = [0]
        var unknown = topic
        unknown.name = "unknown"
        unknown.topicID = UniqueID(high: 9, low: 9)
        some.topics = [topic, unknown]
        var request = OffsetFetchRequest()
        request.groups = [all, some]
        for version: Int16 in 8...10 {
            let answer = try bed.ask(request, version: version)
            #expect(answer.groups.map(\.groupID) == ["g", "h"])
            #expect(answer.groups[0].topics.map { $0.partitions.map(\.committedOffset) } == [[5]])
            #expect(answer.groups[1].topics.map { $0.partitions.map(\.committedOffset) } == [[6], [-1]])
            if version == 10 {
                #expect(answer.groups[0].topics.map(\.topicID) == [UniqueID(high: 1, low: 1)])
                #expect(answer.groups[1].topics[1].partitions.map(\.errorCode) == [ErrorCode.unknownTopicID.rawValue])
            }
        }
    }

    @Test(
        "FindCoordinator: groups only, the topic is made on the first question", arguments: 0...6 as ClosedRange<Int16>)
    func findCoordinator(version: Int16) throws {
        let bed = try GroupsTestBed()
        var request = FindCoordinatorRequest()
        if version >= 1 {
            request.keyType = 2
            if version >= 4 { request.coordinatorKeys = ["t"] } else { request.key = "t" }
            let answer = try bed.ask(request, version: version)
            let code = version >= 4 ? answer.coordinators.first?.errorCode : answer.errorCode
            let message = version >= 4 ? answer.coordinators.first?.errorMessage : answer.errorMessage
            #expect(code == ErrorCode.invalidRequest.rawValue)
            #expect(message == "This broker does not coordinate share groups.")
            #expect(bed.host.preparations == 0)
        }
        request.keyType = 0
        if version >= 4 {
            request.coordinatorKeys = ["g", ""]
            let answer = try bed.ask(request, version: version)
            #expect(answer.coordinators.map(\.key) == ["g", ""])
            #expect(answer.coordinators.map(\.errorCode) == [0, ErrorCode.invalidGroupID.rawValue])
            #expect(answer.coordinators[0].host == "127.0.0.1" && answer.coordinators[0].port == 9092)
            #expect(answer.coordinators[0].nodeID == 1)
        } else {
            request.key = "g"
            let answer = try bed.ask(request, version: version)
            #expect(answer.errorCode == 0 && answer.nodeID == 1 && answer.host == "127.0.0.1" && answer.port == 9092)
        }
        #expect(bed.host.preparations == 1)
        guard version >= 1 else { return }
        // So that the client goes on to InitProducerId, which says that there are no transactions.
        request.keyType = 1
        let answer = try bed.ask(request, version: version)
        #expect((version >= 4 ? answer.coordinators.first?.errorCode : answer.errorCode) == 0)
    }

    private struct DenyAll: Authorizer {
        func allows(_ principal: Principal, _ operation: WeirBroker.Operation, on resource: Resource) -> Bool { false }
    }

    @Test("nobody gets past the authoriser")
    func authorization() throws {
        let bed = try GroupsTestBed(authorizer: DenyAll())
        let denied = ErrorCode.groupAuthorizationFailed.rawValue
        #expect(try bed.join("g").response?.errorCode == denied)
        #expect(try bed.sync("g", "m", 1).response?.errorCode == denied)
        #expect(try bed.heartbeat("g", "m", 1).rawValue == denied)
        #expect(try bed.leave("g", "m").rawValue == denied)
        #expect(try bed.commit("g", "orders", 0, 1).response?.topics[0].partitions[0].errorCode == denied)
        #expect(try bed.describe("g").errorCode == denied)
        var delete = DeleteGroupsRequest()
        delete.groupsNames = ["g"]
        #expect(try bed.ask(delete, version: 0).results.map(\.errorCode) == [denied])
        var offsets = OffsetDeleteRequest()
        offsets.groupID = "g"
        #expect(try bed.ask(offsets, version: 0).errorCode == denied)
        var fetch = OffsetFetchRequest()
        fetch.groupID = "g"
        #expect(try bed.ask(fetch, version: 5).errorCode == denied)
        var find = FindCoordinatorRequest()
        find.key = "g"
        #expect(try bed.ask(find, version: 3).errorCode == denied)
        #expect(try bed.ask(ListGroupsRequest(), version: 5).groups.isEmpty)
        #expect(bed.groups.listGroups().groups == [])
    }
}

import Dispatch
import NIOCore
import Testing
import WeirCoordination
import WeirModel
import WeirProtocol
import WeirSystem

@testable import WeirBroker

@Suite("Group coordinator")
struct GroupsCoordinatorTests {
    @Test("groups live where Kafka puts them")
    func placement() {
        // Java's "hello".hashCode() is 99162322, "polygenelubricants" hashes to Integer.MIN_VALUE, "ü€𝄞" has a surrogate pair.
        #expect(GroupCoordinator.partition(of: "hello", count: 50) == PartitionIndex(22))
        #expect(GroupCoordinator.partition(of: "polygenelubricants", count: 50) == PartitionIndex(0))
        #expect(GroupCoordinator.partition(of: "console-consumer-12345", count: 50) == PartitionIndex(6))
        #expect(GroupCoordinator.partition(of: "ü€𝄞", count: 50) == PartitionIndex(30))
    }

    @Test("a commit is answered, and seen, once it is written")
    func commitVisible() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 0, 5)
        #expect(try bed.fetch("g", "orders", 0) == 5)
        bed.host.hold()
        let answer = try bed.commit("g", "orders", 0, 9)
        #expect(answer.response == nil)
        #expect(try bed.fetch("g", "orders", 0) == 5)
        bed.host.complete()
        #expect(answer.response?.topics.first?.partitions.first?.errorCode == 0)
        #expect(try bed.fetch("g", "orders", 0) == 9)
    }

    @Test("writes that are reported out of order take effect in the log's order")
    func completionOrder() throws {
        let bed = try GroupsTestBed()
        bed.host.hold()
        let first = try bed.commit("g", "orders", 0, 5)
        let second = try bed.commit("g", "orders", 0, 6)
        #expect(bed.host.heldCount == 2)
        bed.host.complete(1)
        #expect(second.response == nil)
        #expect(try bed.fetch("g", "orders", 0) == -1)
        bed.host.complete(0)
        #expect(first.response != nil && second.response != nil)
        #expect(try bed.fetch("g", "orders", 0) == 6)
    }

    @Test(
        "a commit that cannot be written says so, and what was in force stays",
        arguments: [
            (ErrorCode.notEnoughReplicas, ErrorCode.coordinatorNotAvailable),
            (.requestTimedOut, .coordinatorNotAvailable), (.kafkaStorageError, .notCoordinator),
            (.messageTooLarge, .invalidCommitOffsetSize), (.unknownServerError, .unknownServerError),
        ])
    func commitFails(outcome: ErrorCode, told: ErrorCode) throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 0, 5)
        bed.host.refuse(outcome)
        let answer = try bed.commit("g", "orders", 0, 6).response
        #expect(answer?.topics.first?.partitions.first?.errorCode == told.rawValue)
        #expect(try bed.fetch("g", "orders", 0) == 5)
    }

    @Test("a member is expired on time, its heartbeats keep it")
    func expiry() throws {
        let bed = try GroupsTestBed()
        let member = try bed.stableMember("g")
        for _ in 0..<5 {
            bed.time.pass(9_999)
            #expect(try bed.heartbeat("g", member, 1) == .none)
        }
        bed.time.pass(10_001)
        #expect(try bed.heartbeat("g", member, 1) == .unknownMemberID)
        #expect(try bed.describe("g").groupState == "Empty")
    }

    @Test("the initial rebalance delay runs on the timers")
    func initialDelay() throws {
        let bed = try GroupsTestBed(["group.initial.rebalance.delay.ms": "3000"])
        let answer = try bed.join("g")
        bed.time.pass(2_999)
        #expect(answer.response == nil)
        bed.time.pass(1)
        #expect(answer.response?.generationID == 1)
    }

    @Test("after a restart members go on with id and generation, and offsets are there")
    func restart() throws {
        let bed = try GroupsTestBed()
        let member = try bed.stableMember("g")
        _ = try bed.commit("g", "orders", 1, 42, memberID: member, generation: 1, metadata: "note")
        let before = try bed.describe("g")
        bed.groups.stop()
        #expect(try bed.heartbeat("g", member, 1) == .notCoordinator)

        let again = try GroupsTestBed(host: bed.host, time: bed.time)
        let after = try again.describe("g")
        #expect(after.groupState == "Stable" && after.protocolData == "range")
        #expect(after.members.map(\.memberID) == before.members.map(\.memberID))
        #expect(after.members.map(\.memberAssignment) == before.members.map(\.memberAssignment))
        #expect(after.members.first?.clientID == "tester" && after.members.first?.clientHost == "/127.0.0.1")
        #expect(try again.heartbeat("g", member, 1) == .none)
        #expect(try again.fetch("g", "orders", 1) == 42)
        #expect(try again.sync("g", member, 1).response?.assignment == ByteBuffer(bytes: [0xAA]))
        // Nobody heard of the member since: it is expired as any other.
        again.time.pass(10_000)
        #expect(try again.describe("g").groupState == "Empty")
        #expect(try again.fetch("g", "orders", 1) == 42)
    }

    @Test("whoever waits at a stop is told to look for the coordinator")
    func stopAnswers() throws {
        let bed = try GroupsTestBed()
        _ = try bed.stableMember("g")
        let waiting = try bed.join("g")
        #expect(waiting.response == nil)
        bed.groups.stop()
        #expect(waiting.response?.errorCode == ErrorCode.notCoordinator.rawValue)
    }

    @Test("before a partition is loaded it is not served; while it is loaded clients are told to wait")
    func loading() throws {
        let bed = try GroupsTestBed(isLoaded: false)
        #expect(
            try bed.commit("g", "orders", 0, 1).response?.topics[0].partitions[0].errorCode
                == ErrorCode.notCoordinator.rawValue)
        let partition = bed.groups.partition(of: "g")
        let seen = Locked<[ErrorCode]>([])
        bed.host.duringReplay {
            do {
                let join = try bed.join("g", "m").response?.errorCode ?? -1
                let sync = try bed.sync("g", "m", 1).response?.errorCode ?? -1
                let commit = try bed.commit("g", "orders", 0, 1).response?.topics[0].partitions[0].errorCode ?? -1
                let describe = try bed.describe("g").errorCode
                let heartbeat = try bed.heartbeat("g", "m", 1)
                let list = try bed.ask(ListGroupsRequest(), version: 4).errorCode
                let codes = [join, sync, commit, describe].map { ErrorCode(rawValue: $0) }
                seen.withLock { $0 = codes + [heartbeat, ErrorCode(rawValue: list)] }
            } catch {
                Issue.record(error)
            }
        }
        try bed.groups.load(partition)
        #expect(
            seen.withLock { $0 } == [
                .coordinatorLoadInProgress, .rebalanceInProgress, .coordinatorLoadInProgress,
                .coordinatorLoadInProgress, .none, .coordinatorLoadInProgress,
            ])
        #expect(try bed.heartbeat("g", "m", 1) == .unknownMemberID)
    }

    @Test("replay: later records win, tombstones delete, strange records are passed over")
    func replay() throws {
        let host = FakeGroupHost(partitions: 1)
        let zero = PartitionIndex(0)
        let t0 = TopicPartition("orders", PartitionIndex(0))
        let t1 = TopicPartition("orders", PartitionIndex(1))
        for offset: Int64 in [1, 2, 3] {
            host.put(zero, try GroupRecords.offset(of: "g", t0, CommittedOffset(offset: offset, commitTimestamp: 0)))
        }
        host.put(zero, try GroupRecords.offset(of: "g", t1, CommittedOffset(offset: 9, commitTimestamp: 0)))
        host.put(zero, try GroupRecords.offset(of: "g", t1, nil))
        host.put(zero, try GroupRecords.offset(of: "gone", t0, CommittedOffset(offset: 9, commitTimestamp: 0)))
        host.put(zero, try GroupRecords.metadataTombstone(of: "gone"))
        host.put(zero, try GroupRecords.offset(of: "gone", t0, nil))
        host.put(zero, OffsetsRecord(key: ByteBuffer(bytes: [0, 3, 0, 1, 65]), value: ByteBuffer()))
        host.put(zero, OffsetsRecord(key: ByteBuffer(bytes: [0, 1, 0]), value: nil))
        host.put(zero, OffsetsRecord(key: try OffsetsTopicKey.group("g").encode(), value: ByteBuffer(bytes: [0, 99])))
        let bed = try GroupsTestBed(host: host)
        #expect(try bed.fetch("g", "orders", 0) == 3)
        #expect(try bed.fetch("g", "orders", 1) == -1)
        #expect(bed.groups.listGroups().groups.map(\.groupID) == ["g"])
    }

    @Test("offsets expire once a group is empty for long enough, and the group with them; a restart agrees")
    func offsetExpiry() throws {
        let settings = ["offsets.retention.minutes": "60", "offsets.retention.check.interval.ms": "60000"]
        let bed = try GroupsTestBed(settings)
        let member = try bed.stableMember("g")
        _ = try bed.commit("g", "orders", 0, 7, memberID: member, generation: 1)
        // Alive for two hours: nothing expires.
        for _ in 0..<1_000 {
            bed.time.pass(7_200)
            _ = try bed.heartbeat("g", member, 1)
        }
        #expect(try bed.fetch("g", "orders", 0) == 7)
        #expect(try bed.leave("g", member) == .none)
        bed.time.pass(59 * 60_000)
        #expect(try bed.fetch("g", "orders", 0) == 7)
        let middle = try GroupsTestBed(settings, host: bed.host, time: bed.time)
        bed.groups.stop()
        #expect(try middle.fetch("g", "orders", 0) == 7)
        middle.time.pass(3 * 60_000)
        #expect(try middle.fetch("g", "orders", 0) == -1)
        #expect(try middle.describe("g").groupState == "Dead")
        let end = try GroupsTestBed(settings, host: bed.host, time: bed.time)
        #expect(end.groups.listGroups().groups == [])
    }

    @Test("a group that is deleted and made anew is the new one, even when the deletion is still being written")
    func deleteAndRecreate() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 0, 7)
        bed.host.hold()
        var request = DeleteGroupsRequest()
        request.groupsNames = ["g", "none"]
        let deletion = try bed.send(request, version: 2)
        #expect(deletion.response == nil)
        let commit = try bed.commit("g", "orders", 1, 1)
        bed.host.release()
        #expect(deletion.response?.results.map(\.errorCode) == [0, ErrorCode.groupIDNotFound.rawValue])
        #expect(commit.response?.topics[0].partitions[0].errorCode == 0)
        for bed in [bed, try GroupsTestBed(host: bed.host)] {
            #expect(try bed.fetch("g", "orders", 0) == -1)
            #expect(try bed.fetch("g", "orders", 1) == 1)
        }
    }

    @Test("a deletion that cannot be written is undone, beside what was committed meanwhile")
    func deletionFails() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 0, 7)
        _ = try bed.commit("g", "orders", 1, 8)
        var request = DeleteGroupsRequest()
        request.groupsNames = ["g"]
        bed.host.refuse(.notEnoughReplicas)
        #expect(
            try bed.ask(request, version: 0).results.map(\.errorCode) == [ErrorCode.coordinatorNotAvailable.rawValue])
        #expect(try bed.fetch("g", "orders", 0) == 7)
        bed.host.refuse(nil)
        #expect(try bed.ask(request, version: 0).results.map(\.errorCode) == [0])
        #expect(try bed.fetch("g", "orders", 0) == -1)
    }

    @Test("a deleted topic takes its offsets along, also those that are just being written")
    func topicDeleted() throws {
        let bed = try GroupsTestBed()
        _ = try bed.commit("g", "orders", 0, 7)
        _ = try bed.commit("g", "other", 0, 8)
        bed.host.hold()
        _ = try bed.commit("g", "orders", 1, 9)
        bed.groups.topicDeleted("orders")
        bed.host.release()
        for bed in [bed, try GroupsTestBed(host: bed.host)] {
            #expect(try bed.fetch("g", "orders", 0) == -1)
            #expect(try bed.fetch("g", "orders", 1) == -1)
            #expect(try bed.fetch("g", "other", 0) == 8)
        }
    }

    @Test("many threads commit: what is in force is what the log says last, and nobody sees it go back")
    func concurrentCommits() throws {
        let bed = try GroupsTestBed()
        let partition = TopicPartition("orders", PartitionIndex(0))
        let seen = Locked<[Int64]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for round in 0..<200 {
                if thread == 0 {
                    let offsets = try? bed.groups.fetchOffsets("g", [partition]).get()
                    if let offset = offsets?[partition]?.offset { seen.withLock { $0.append(offset) } }
                } else {
                    bed.groups.commitOffsets(
                        "g", memberID: "", instanceID: nil, generation: -1,
                        [(partition, Int64(thread * 1_000 + round), -1, "")]
                    ) { code in if code != .none { Issue.record("a commit got \(code)") } }
                }
            }
        }
        let written = try bed.host.records(bed.groups.partition(of: "g")).map {
            try GroupRecords.committedOffset(try #require($0.value)).offset
        }
        #expect(written.count == 7 * 200)
        #expect(try bed.fetch("g", "orders", 0) == written.last)
        var position = 0
        for offset in seen.withLock({ $0 }) {
            guard let found = written[position...].firstIndex(of: offset) else {
                Issue.record("\(offset) was seen after what follows it in the log")
                break
            }
            position = found
        }
    }

    @Test("after any history a restart has the same offsets and groups", arguments: [1, 2, 3, 4] as [UInt64])
    func replayEqualsState(seed: UInt64) throws {
        var random = SystemlessRandom(state: seed)
        let bed = try GroupsTestBed()
        var members: [String: (id: String, generation: Int32)] = [:]
        for step in 0..<400 {
            let group = "g\(random.below(6))"
            switch random.below(10) {
            case 0:
                guard members[group] == nil, try bed.describe(group).groupState != "Stable" else { continue }
                let joined = try #require(try bed.join(group).response, "seed \(seed), step \(step)")
                guard joined.errorCode == 0 else { continue }
                _ = try bed.sync(
                    group, joined.memberID, joined.generationID, [joined.memberID: [UInt8(random.below(256))]])
                members[group] = (joined.memberID, joined.generationID)
            case 1:
                if let member = members.removeValue(forKey: group) { _ = try bed.leave(group, member.id) }
            case 2:
                var request = DeleteGroupsRequest()
                request.groupsNames = [group]
                _ = try bed.ask(request, version: 1)
            case 3: bed.host.refuse(random.below(2) == 0 ? .notEnoughReplicas : nil)
            case 4: bed.groups.topicDeleted(random.below(2) == 0 ? "orders" : "other")
            default:
                let member = members[group]
                _ = try bed.commit(
                    group, "orders", Int32(random.below(4)), Int64(random.below(1_000)), memberID: member?.id ?? "",
                    generation: member?.generation ?? -1)
            }
        }
        let again = try GroupsTestBed(host: bed.host, time: bed.time)
        for index in 0..<6 {
            let group = "g\(index)"
            #expect(
                try again.groups.fetchOffsets(group, nil).get() == (try bed.groups.fetchOffsets(group, nil).get()),
                "seed \(seed), \(group)")
            let (before, after) = (try bed.describe(group), try again.describe(group))
            if before.groupState == "Stable" {
                #expect(after.members.map(\.memberID) == before.members.map(\.memberID), "seed \(seed), \(group)")
                #expect(after.members.map(\.memberAssignment) == before.members.map(\.memberAssignment), "seed \(seed)")
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SystemlessRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

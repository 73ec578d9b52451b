import Testing
import WeirCoordination
import WeirModel

@Suite("Offsets of a group")
struct OffsetsTests {
    private let t0 = TopicPartition("t", PartitionIndex(0))
    private let t1 = TopicPartition("t", PartitionIndex(1))

    @Test("an offset is in force once it is written, not before; a failed write changes nothing")
    func inForce() {
        var offsets = GroupOffsets()
        offsets.began(t0)
        #expect(offsets.committed == [:] && !offsets.isEmpty && offsets.knows(t0))
        offsets.ended(t0, writing: CommittedOffset(offset: 5, commitTimestamp: 1))
        offsets.began(t0)
        offsets.failed(t0)
        #expect(offsets.committed[t0]?.offset == 5)
        offsets.began(t0)
        offsets.ended(t0, writing: nil)
        #expect(offsets.isEmpty && !offsets.knows(t0))
    }

    @Test("nothing expires while there are members; afterwards from when the group emptied, or the later commit")
    func expiryManaged() {
        var scene = Scene.twoStable()
        var offsets = GroupOffsets()
        let base = Scene.wallStart
        offsets.replay(t0, CommittedOffset(offset: 1, commitTimestamp: base))
        let far = Moment(monotonic: 0, wall: base + 10_000_000)
        #expect(offsets.expired(in: scene.group, now: far, retentionMs: 1_000) == [])
        _ = scene.pass(10_000)
        offsets.replay(t1, CommittedOffset(offset: 1, commitTimestamp: base + 20_000))
        func at(_ wall: Int64) -> [TopicPartition] {
            offsets.expired(in: scene.group, now: Moment(monotonic: 0, wall: base + wall), retentionMs: 1_000)
        }
        #expect(at(10_999) == [])
        #expect(at(11_000) == [t0])
        #expect(at(21_000) == [t0, t1])
        #expect(at(Int64.min / 2) == [])
    }

    @Test("offsets without group management expire from their commit, or when the commit said")
    func expirySimple() {
        var offsets = GroupOffsets()
        offsets.replay(t0, CommittedOffset(offset: 1, commitTimestamp: 100))
        offsets.replay(t1, CommittedOffset(offset: 1, commitTimestamp: 100, expireTimestamp: 150))
        let group = Scene().group
        #expect(offsets.expired(in: group, now: Moment(monotonic: 0, wall: 150), retentionMs: 1_000) == [t1])
        #expect(offsets.expired(in: group, now: Moment(monotonic: 0, wall: 1_100), retentionMs: 1_000) == [t0, t1])
        offsets.began(t0)
        #expect(offsets.expired(in: group, now: Moment(monotonic: 0, wall: 1_100), retentionMs: 1_000) == [t1])
    }
}

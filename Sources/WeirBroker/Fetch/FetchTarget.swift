import WeirModel
import WeirProtocol
import WeirStorage

/// One partition of a fetch: what the client asks for, and where it is.
struct FetchTarget: Sendable {
    let topic: String
    let topicID: UniqueID
    let index: Int32
    let fetchOffset: Int64
    let maxBytes: Int32
    let currentLeaderEpoch: Int32
    let lastFetchedEpoch: Int32
    /// Nil when the answer is `refusal`.
    let partition: Partition?
    let refusal: ErrorCode
    /// The partition's entry in the fetch session, when there is one.
    let entry: FetchSession.Entry?
}

/// What one pass over a partition found.
struct FetchedPartition: Sendable {
    var error = ErrorCode.none
    var highWatermark: Int64 = -1
    var logStartOffset: Int64 = -1
    var bytes: FileSlice?
    /// The epoch that the client's log parts ways with ours after, and where that epoch ends here (KIP-320).
    var diverging: (epoch: Int32, endOffset: Int64)?
    /// Our epoch, told along with the fencing errors.
    var leaderEpoch: Int32 = -1
    /// What counts towards `min.bytes`: more than `count` when the limits left no room for the next batch.
    var credit = 0
    /// Whether there is more in a later segment: then nobody has to wait, as in Kafka.
    var goesOn = false

    var count: Int { bytes?.count ?? 0 }
}

/// How much a fetch returns, and when.
struct FetchLimits: Sendable {
    var minBytes: Int
    var maxBytes: Int
    var maxWaitMs: Int64
    var readCommitted: Bool
}

/// The outcome of a pass over all partitions of a fetch.
struct FetchPass: Sendable {
    var partitions: [FetchedPartition]
    var bytes = 0
    /// What counts towards `min.bytes`.
    var credit = 0
    /// Whether there is no use in waiting: an error, a diverging epoch, or more than one segment's worth to read.
    var isUrgent = false
}

extension FetchTarget {
    /// Reads every target, in order, within the limits. The first batch found is returned whole, however large (KIP-74).
    static func read(_ targets: [FetchTarget], _ limits: FetchLimits) -> FetchPass {
        var pass = FetchPass(partitions: [])
        pass.partitions.reserveCapacity(targets.count)
        var left = max(0, limits.maxBytes)
        for target in targets {
            let found = target.read(maxBytes: min(left, Int(max(0, target.maxBytes))), atLeastOneBatch: pass.bytes == 0)
            left = max(0, left - found.count)
            pass.bytes += found.count
            pass.credit += found.credit
            if found.error != .none || found.diverging != nil || found.goesOn { pass.isUrgent = true }
            pass.partitions.append(found)
        }
        return pass
    }

    /// Reads one partition.
    func read(maxBytes: Int, atLeastOneBatch: Bool) -> FetchedPartition {
        var found = FetchedPartition()
        guard let partition else {
            found.error = refusal
            return found
        }
        found.leaderEpoch = partition.leaderEpoch.rawValue
        found.error = partition.check(epoch: currentLeaderEpoch)
        guard found.error == .none else { return found }
        if lastFetchedEpoch >= 0,
            let (epoch, end) = partition.log.epochEndOffset(for: LeaderEpoch(lastFetchedEpoch))
        {
            if epoch.rawValue < lastFetchedEpoch || end.rawValue < fetchOffset {
                found.diverging = (epoch.rawValue, end.rawValue)
            }
        }
        do throws(ReadError) {
            let read = try partition.log.read(
                from: Offset(fetchOffset), maxBytes: found.diverging == nil ? maxBytes : 0, upTo: .highWatermark,
                minOneBatch: atLeastOneBatch && found.diverging == nil)
            found.highWatermark = read.highWatermark.rawValue
            found.logStartOffset = read.logStartOffset.rawValue
            found.bytes = read.bytes
            found.credit = max(read.availableBytes, found.count)
            found.goesOn = read.goesOn
        } catch {
            found.error = error.code
        }
        return found
    }
}

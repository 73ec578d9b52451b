public import WeirModel
import WeirSystem

/// Producer ids, one at a time, from blocks that are taken from the registry.
///
/// What is left of a block when the process ends is never used.
public final class ProducerIDs: Sendable {
    private let store: ClusterStore
    private let blockSize: Int
    private let block = Locked<ProducerIDBlock>(0..<0)
    private let refilling = AsyncLock()

    public init(_ store: ClusterStore, blockSize: Int = 1000) {
        self.store = store
        self.blockSize = blockSize
    }

    /// The next id, if the block at hand has one; never waits.
    public func take() -> ProducerID? {
        block.withLock { block in
            guard let first = block.first else { return nil }
            block = block.dropFirst()
            return ProducerID(first)
        }
    }

    /// Sees to it that there is a block at hand, so that the first producer need not wait for one.
    public func prefetch() async throws(RegistryError) { try await refill() }

    /// The next id, with a new block when there is none at hand.
    public func next() async throws(RegistryError) -> ProducerID {
        while true {
            if let id = take() { return id }
            try await refill()
        }
    }

    private func refill() async throws(RegistryError) {
        try await refilling.withLock { () async throws(RegistryError) in
            if block.withLock({ !$0.isEmpty }) { return }
            let fresh = try await store.allocateProducerIDs(blockSize)
            block.withLock { $0 = fresh }
        }
    }
}

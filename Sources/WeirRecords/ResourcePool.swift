import NIOConcurrencyHelpers

/// Keeps a few idle resources (codec contexts, scratch buffers) whose making costs more than using them.
///
/// Last in, first out, so that a busy broker keeps using the ones that are warm in its caches.
struct ResourcePool<Resource: Sendable>: Sendable {
    private let idle: NIOLockedValueBox<[Resource]>
    private let idleMax: Int

    init(idleMax: Int = 8) {
        idle = NIOLockedValueBox([])
        self.idleMax = idleMax
    }

    /// Takes an idle resource; nil when there is none.
    func take() -> Resource? { idle.withLockedValue { $0.popLast() } }

    /// Gives one back; it goes away when enough are idle.
    func give(_ resource: Resource) {
        let surplus: Resource? = idle.withLockedValue { idle in
            guard idle.count < idleMax else { return resource }
            idle.append(resource)
            return nil
        }
        _ = consume surplus
    }
}

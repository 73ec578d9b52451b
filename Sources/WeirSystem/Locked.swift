#if WEIR_PTHREAD_LOCKS
    // A pthread mutex, which ThreadSanitizer understands: it reports false races on `Synchronization.Mutex`.
    import Glibc

    /// A value behind a lock. Hold it briefly: no waiting and no disk sync inside.
    public final class Locked<State>: @unchecked Sendable {
        // Unchecked: `state` is only touched between lock and unlock.
        private let mutex: UnsafeMutablePointer<pthread_mutex_t>
        private var state: State

        public init(_ state: State) {
            self.state = state
            mutex = .allocate(capacity: 1)
            pthread_mutex_init(mutex, nil)
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }

        @inline(__always)
        public func withLock<Result, Failure: Error>(
            _ body: (inout State) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return try body(&state)
        }
    }
#else
    public import Synchronization

    /// A value behind a lock. Hold it briefly: no waiting and no disk sync inside.
    public final class Locked<State>: @unchecked Sendable {
        // Unchecked: `state` is only touched between lock and unlock. The mutex guards nothing but that order, because
        // `Mutex<State>.withLock` asks for `sending` results, which references to what is under the lock cannot be.
        @usableFromInline let mutex = Mutex<Void>(())
        @usableFromInline var state: State

        public init(_ state: State) { self.state = state }

        @inlinable
        public func withLock<Result, Failure: Error>(
            _ body: (inout State) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            mutex._unsafeLock()
            defer { mutex._unsafeUnlock() }
            return try body(&state)
        }
    }
#endif

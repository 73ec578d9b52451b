internal import CWeirLinux
internal import Glibc

/// A fixed number of threads that run work in the order it was submitted. Threads start with the first work.
public final class ThreadPool: WorkerPool, @unchecked Sendable {
    // Unchecked: `queue`, `head`, `idle`, `threads` and `closing` are only touched under `mutex`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let limit: Int
    private let name: String
    private var queue: [@Sendable () -> Void] = []
    private var head = 0
    private var idle = 0
    private var threads: [pthread_t] = []
    private var closing = false

    /// - Parameters:
    ///   - threads: how many at most, at least 1.
    ///   - name: what `top -H` shows, at most 15 bytes.
    public init(threads: Int, name: String) {
        limit = max(1, threads)
        self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
        mutex = .allocate(capacity: 1)
        wake = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wake, nil)
    }

    deinit {
        // The threads hold a reference each, so none runs any more.
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(mutex)
        wake.deallocate()
        mutex.deallocate()
    }

    /// Runs the work on a thread soon. Work submitted after `close` is dropped.
    public func submit(_ work: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        if closing { return unlock() }
        queue.append(work)
        if idle < queue.count - head, threads.count < limit {
            startThread()
            return unlock()
        }
        pthread_mutex_unlock(mutex)
        // After the unlock: the thread that wakes would only wait for the mutex, and wake its owner again.
        pthread_cond_signal(wake)
    }

    private func unlock() { pthread_mutex_unlock(mutex) }

    /// Runs what is queued to the end and stops the threads. Not to be called from one of them.
    public func close() {
        pthread_mutex_lock(mutex)
        closing = true
        pthread_cond_broadcast(wake)
        let stopping = threads
        threads = []
        pthread_mutex_unlock(mutex)
        for thread in stopping { pthread_join(thread, nil) }
    }

    private func startThread() {
        var thread = pthread_t()
        let reference = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<ThreadPool>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, reference.toOpaque())
        if result == 0 {
            threads.append(thread)
        } else {
            reference.release()
        }
    }

    private func run() {
        name.withCString { weir_name_thread($0) }
        while let work = next() { work() }
    }

    private func next() -> (@Sendable () -> Void)? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == queue.count {
            if closing { return nil }
            idle += 1
            pthread_cond_wait(wake, mutex)
            idle -= 1
        }
        let work = queue[head]
        head += 1
        if head == queue.count {
            queue.removeAll(keepingCapacity: queue.count <= 1024)
            head = 0
        } else if head >= 1024 {
            queue.removeFirst(head)
            head = 0
        }
        return work
    }
}

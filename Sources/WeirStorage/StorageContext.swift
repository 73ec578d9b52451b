internal import Synchronization
internal import SystemPackage
internal import WeirSystem

/// What all logs of a data directory share: the seams, the open files, the flusher, and whether the disk is fit.
final class StorageContext: Sendable {
    let fileSystem: any FileSystem
    let clock: any WeirClock
    let random: any RandomSource
    let settings: StorageSettings
    let files: OpenFiles
    let flusher: Flusher
    let newDirectories = NewDirectories()
    let report: @Sendable (StorageNotice) -> Void

    private let onlineFlag = Atomic<Bool>(true)
    private let fullFlag = Atomic<Bool>(false)
    private let checkpointFlag = Atomic<Bool>(false)
    private let failure = Locked<Failure>(Failure())

    private struct Failure {
        var error: StorageError?
        var handler: (@Sendable (StorageError) -> Void)?
    }

    init(
        fileSystem: any FileSystem, clock: any WeirClock, random: any RandomSource, flushers: any WorkerPool,
        settings: StorageSettings, report: @escaping @Sendable (StorageNotice) -> Void
    ) {
        self.fileSystem = fileSystem
        self.clock = clock
        self.random = random
        self.settings = settings
        self.report = report
        files = OpenFiles(fileSystem: fileSystem, limit: settings.openFilesMax)
        flusher = Flusher(pool: flushers, parallelMax: settings.flushersMax)
    }

    var isOnline: Bool { onlineFlag.load(ordering: .acquiring) }

    /// Whether less space is left than the reserve; set by the manager's regular look.
    var isDiskFull: Bool {
        get { fullFlag.load(ordering: .relaxed) }
        set { fullFlag.store(newValue, ordering: .relaxed) }
    }

    /// Asks the manager to write the checkpoint files at its next round.
    func requestCheckpoint() { checkpointFlag.store(true, ordering: .relaxed) }
    func takeCheckpointRequest() -> Bool { checkpointFlag.exchange(false, ordering: .relaxed) }

    /// The error that took the directory offline.
    var offlineError: StorageError? { isOnline ? nil : failure.withLock { $0.error } }

    /// Calls the handler once when the directory goes offline, or at once when it is.
    func onOffline(_ handler: @escaping @Sendable (StorageError) -> Void) {
        let already = failure.withLock { failure -> StorageError? in
            failure.handler = handler
            return failure.error
        }
        if let already { handler(already) }
    }

    /// Takes the directory offline for good: after a failed sync nobody knows what is on disk.
    func fail(_ cause: FileError) {
        let error = StorageError(.offline, "the data directory is offline: \(cause)", cause: cause)
        let handler = failure.withLock { failure -> (@Sendable (StorageError) -> Void)?? in
            if failure.error != nil { return nil }
            failure.error = error
            return failure.handler
        }
        guard let handler else { return }
        onlineFlag.store(false, ordering: .releasing)
        report(StorageNotice(level: .error, message: error.message))
        handler?(error)
    }

    func notice(_ level: StorageNotice.Level, _ message: String) {
        report(StorageNotice(level: level, message: message))
    }
}

/// Makes the names of new logs' directories durable, many with one sync of the data directory.
final class NewDirectories: Sendable {
    private let made = Atomic<UInt64>(0)
    /// The number up to which directories are durable. Held while syncing: who waits for it finds mostly that the sync which
    /// went before has done for its own directory.
    private let durable = Locked<UInt64>(0)

    /// Numbers a directory that was just made.
    func add() -> UInt64 { made.add(1, ordering: .sequentiallyConsistent).newValue }

    /// Returns when the directory with that number is durable in its parent.
    func sync(_ parent: FilePath, _ number: UInt64, _ fileSystem: any FileSystem) throws(FileError) {
        try durable.withLock { durable throws(FileError) in
            if number <= durable { return }
            // Those that were numbered before the sync begins are covered by it.
            let covered = made.load(ordering: .sequentiallyConsistent)
            try fileSystem.syncDirectory(parent)
            durable = covered
        }
    }
}

extension FileError {
    /// Whether there is no room, which passes, rather than a broken disk, which does not.
    var isOutOfSpace: Bool { errno == .noSpace || errno == .diskQuotaExceeded }

    /// Whether the process or the system had no descriptor to spare: nothing reached the disk.
    var isOutOfDescriptors: Bool { errno == .tooManyOpenFiles || errno == .tooManyOpenFilesInSystem }

    /// Whether the call may be made again later: something was short, and it was no sync that failed.
    var isPassing: Bool {
        isOutOfDescriptors || (isOutOfSpace && !operation.hasPrefix("sync") && !operation.hasSuffix("sync"))
    }
}

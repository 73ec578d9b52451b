import SystemPackage
import Testing
import WeirSystem
import WeirTesting

/// The seam against the real disk.
@Suite struct LinuxFileSystemTests {
    let disk = LinuxFileSystem()

    @Test func writesReadsAndGrows() throws {
        try withTemporaryDirectory { directory in
            let file = try disk.open(directory.appending("a"), create: true)
            try write(file, [1, 2, 3], at: 0)
            try write(file, [9], at: 5)
            #expect(try file.size() == 6)
            #expect(try read(file, count: 10, at: 0) == [1, 2, 3, 0, 0, 9])
            #expect(try read(file, count: 2, at: 4) == [0, 9])
            #expect(try read(file, count: 2, at: 6) == [])
            try file.allocate(from: 6, count: 100)
            #expect(try file.size() == 106)
            try file.sync()
            try file.truncate(to: 2)
            #expect(try read(file, count: 10, at: 0) == [1, 2])
            #expect(file.descriptor != nil)
        }
    }

    @Test func gathersManyPartsInOrder() throws {
        try withTemporaryDirectory { directory in
            let file = try disk.open(directory.appending("a"), create: true)
            // More parts than one pwritev takes (IOV_MAX), with empty ones between.
            let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
            try bytes.withUnsafeBytes { all in
                var parts: [UnsafeRawBufferPointer] = []
                for index in 0..<all.count {
                    parts.append(UnsafeRawBufferPointer(rebasing: all[index..<index + 1]))
                    if index % 7 == 0 { parts.append(UnsafeRawBufferPointer(start: nil, count: 0)) }
                }
                try parts.withUnsafeBufferPointer { try file.write(gathering: $0, at: 5) }
            }
            #expect(try read(file, count: 4000, at: 5) == bytes)
        }
    }

    @Test func mapsWhatIsWrittenAndRefusesMore() throws {
        try withTemporaryDirectory { directory in
            let file = try disk.open(directory.appending("a"), create: true)
            try write(file, [UInt8](repeating: 7, count: 5000), at: 0)
            let mapping = try file.map(length: 5000)
            #expect(mapping.bytes.count == 5000)
            #expect(mapping.bytes.allSatisfy { $0 == 7 })
            // A write through the descriptor shows in the mapping.
            try write(file, [8], at: 4999)
            #expect(mapping.bytes[4999] == 8)
            #expect(throws: FileError.self) { try file.map(length: 5001) }
            #expect(try file.map(length: 0).bytes.isEmpty)
        }
    }

    @Test func namesComeAndGo() throws {
        try withTemporaryDirectory { directory in
            try disk.makeDirectory(directory.appending("x").appending("y"), intermediates: true)
            try disk.makeDirectory(directory.appending("x"), intermediates: false)
            #expect(throws: FileError.self) {
                try disk.makeDirectory(directory.appending("p").appending("q"), intermediates: false)
            }
            _ = try disk.open(directory.appending("x").appending("f"), create: true)
            #expect(try disk.list(directory.appending("x")).sorted() == ["f", "y"])
            #expect(try disk.kind(of: directory.appending("x")) == .directory)
            #expect(try disk.kind(of: directory.appending("x").appending("f")) == .file(size: 0))
            #expect(try disk.kind(of: directory.appending("none")) == nil)
            try disk.rename(directory.appending("x"), to: directory.appending("z"))
            try disk.syncDirectory(directory)
            try disk.syncAll(at: directory)
            #expect(try disk.list(directory) == ["z"])
            try disk.remove(directory.appending("missing"))
            try disk.removeTree(directory.appending("z"))
            try disk.removeTree(directory.appending("z"))
            #expect(try disk.list(directory) == [])
            let missing = #expect(throws: FileError.self) {
                _ = try disk.open(directory.appending("none"), create: false)
            }
            #expect(missing?.errno == .noSuchFileOrDirectory)
            #expect(missing?.operation == "open")
        }
    }

    @Test func locksExcludeEachOther() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending(".lock")
            let first = try disk.lock(path)
            #expect(first != nil)
            #expect(try disk.lock(path) == nil)
            first?.release()
            #expect(try disk.lock(path) != nil)
        }
    }

    @Test func tellsSpace() throws {
        try withTemporaryDirectory { directory in
            let space = try disk.space(at: directory)
            #expect(space.total > 0)
            #expect(space.free <= space.total)
        }
    }

    @Test func closesFilesWithTheLastReference() throws {
        try withTemporaryDirectory { directory in
            // Many more files than a process may have open: each is closed as it goes.
            for index in 0..<SystemLimits.descriptorLimit.clamped(to: 2000...6000) {
                let file = try disk.open(directory.appending("f\(index % 10)"), create: true)
                #expect((file.descriptor ?? -1) < 1000)
            }
        }
    }
}

/// Threads and clocks.
@Suite struct ThreadsAndClocksTests {
    @Test func poolRunsEverythingBeforeItCloses() {
        let pool = ThreadPool(threads: 4, name: "test")
        let count = Locked(0)
        for _ in 0..<5000 { pool.submit { count.withLock { $0 += 1 } } }
        pool.close()
        #expect(count.withLock { $0 } == 5000)
        pool.submit { count.withLock { $0 += 1 } }
        #expect(count.withLock { $0 } == 5000)
    }

    @Test func poolRunsAsManyAtOnceAsItHasThreads() {
        let pool = ThreadPool(threads: 3, name: "test")
        let together = Locked(0)
        // Each waits until all three run: with fewer threads this would never end.
        for _ in 0..<3 {
            pool.submit {
                together.withLock { $0 += 1 }
                while together.withLock({ $0 }) < 3 {}
            }
        }
        pool.close()
        #expect(together.withLock { $0 } == 3)
    }

    @Test func clockGoesOn() {
        let clock = SystemClock()
        let first = clock.monotonic
        let wall = clock.wallMilliseconds
        #expect(clock.monotonic >= first)
        #expect(wall > 1_700_000_000_000)
        #expect(SystemRandom().next() != SystemRandom().next())
        #expect(SystemLimits.availableProcessors >= 1)
    }

    @Test func virtualTimeFiresInOrder() {
        let time = VirtualTime(wallMilliseconds: 1000)
        let log = Locked<[String]>([])
        time.schedule(afterMilliseconds: 20) { log.withLock { $0.append("b") } }
        time.schedule(afterMilliseconds: 10) {
            log.withLock { $0.append("a") }
            time.schedule(afterMilliseconds: 5) { log.withLock { $0.append("a2 at \(time.wallMilliseconds)") } }
        }
        let cancelled = time.schedule(afterMilliseconds: 12) { log.withLock { $0.append("never") } }
        cancelled.cancel()
        time.advance(milliseconds: 19)
        #expect(log.withLock { $0 } == ["a", "a2 at 1015"])
        time.advance(milliseconds: 1)
        #expect(log.withLock { $0.last } == "b")
        #expect(time.wallMilliseconds == 1020)
        #expect(time.pending == 0)
    }
}

extension Int {
    func clamped(to range: ClosedRange<Int>) -> Int { Swift.min(Swift.max(self, range.lowerBound), range.upperBound) }
}

func write(_ file: any File, _ bytes: [UInt8], at position: Int64) throws {
    try bytes.withUnsafeBytes { try file.write($0, at: position) }
}

func read(_ file: any File, count: Int, at position: Int64) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        filled = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: position)
    }
}

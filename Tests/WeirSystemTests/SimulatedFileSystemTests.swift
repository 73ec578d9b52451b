import SystemPackage
import Testing
import WeirSystem
import WeirTesting

/// The simulated disk must lose what a real one may lose, and nothing else.
@Suite struct SimulatedFileSystemTests {
    @Test func keepsWhatIsSyncedAndMayLoseTheRest() throws {
        var outcomes: Set<[UInt8]> = []
        for seed in 0..<200 as Range<UInt64> {
            let disk = SimulatedFileSystem()
            try disk.makeDirectory("/d", intermediates: true)
            try disk.syncDirectory("/")
            let file = try disk.open("/d/f", create: true)
            try write(file, [UInt8](repeating: 1, count: 1024), at: 0)
            try file.sync()
            try disk.syncDirectory("/d")
            try write(file, [UInt8](repeating: 2, count: 2048), at: 1024)
            let after = disk.crashed(seed: seed)
            let bytes = try #require(after.contents.first { $0.path == "/d/f" }).bytes
            #expect(bytes.prefix(1024).allSatisfy { $0 == 1 }, "seed \(seed)")
            // Of each later sector either all or nothing.
            for start in stride(from: 1024, to: bytes.count, by: 512) {
                #expect(Set(bytes[start..<min(start + 512, bytes.count)]).count == 1, "seed \(seed)")
            }
            outcomes.insert(bytes)
            // The disk itself goes on unharmed.
            #expect(try file.size() == 3072)
        }
        #expect(outcomes.count > 5)
    }

    @Test func losesNamesThatWereNotSynced() throws {
        var survived = 0
        for seed in 0..<100 as Range<UInt64> {
            let disk = SimulatedFileSystem()
            try disk.makeDirectory("/d", intermediates: true)
            try disk.syncDirectory("/")
            let file = try disk.open("/d/f", create: true)
            try write(file, [1], at: 0)
            try file.sync()
            if disk.crashed(seed: seed).contents.contains(where: { $0.path == "/d/f" }) { survived += 1 }
            try disk.rename("/d/f", to: "/d/g")
            try disk.syncDirectory("/d")
            #expect(disk.crashed(seed: seed).contents.map(\.path) == ["/d/g"])
        }
        #expect(survived > 20 && survived < 80)
    }

    @Test func killedProcessLosesNothing() throws {
        let disk = SimulatedFileSystem()
        let file = try disk.open("/f", create: true)
        try write(file, [1, 2, 3], at: 0)
        let after = disk.killed()
        #expect(after.contents.first?.bytes == [1, 2, 3])
        // What only the page cache had is still not on disk.
        let lost = (0..<50).contains { after.crashed(seed: $0).contents.first?.bytes != [1, 2, 3] }
        #expect(lost)
    }

    @Test func runsFullAndFaults() throws {
        let disk = SimulatedFileSystem()
        disk.setCapacity(100)
        let file = try disk.open("/f", create: true)
        try write(file, [UInt8](repeating: 1, count: 100), at: 0)
        let full = #expect(throws: FileError.self) { try write(file, [1], at: 100) }
        #expect(full?.errno == .noSpace)
        disk.setFault { operation, _ in operation == .sync ? .ioError : nil }
        let broken = #expect(throws: FileError.self) { try file.sync() }
        #expect(broken?.errno == .ioError)
    }
}

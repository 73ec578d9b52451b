import SystemPackage
import Testing
import WeirModel
import WeirRegistry
import WeirRegistrySQLite
import WeirSystem

/// What only a file can do: be found again, be held by another, be damaged.
@Suite struct SQLiteRegistryTests {
    private let files = LinuxFileSystem()

    private func inDirectory(_ body: (FilePath) async throws -> Void) async throws {
        let directory = try Fixture.temporaryDirectory()
        defer { try? LinuxFileSystem().removeTree(directory) }
        try await body(directory)
    }

    private func code(_ path: FilePath) -> RegistryError.Code? {
        do throws(RegistryError) {
            _ = try SQLiteRegistry(path: path, clock: ManualTime())
            return nil
        } catch {
            return error.code
        }
    }

    @Test func everythingIsThereAfterACleanClose() async throws {
        try await inDirectory { directory in
            let path = directory.appending("registry.db")
            let registry = try SQLiteRegistry(path: path, clock: ManualTime())
            let store = try await ClusterStore.withBrokers(registry)
            let topic = try await store.createTopic(NewTopic(name: "t", partitions: 5, configs: ["flush.ms": "1"]))
            let before = store.state
            store.close()
            await registry.close()

            let again = try SQLiteRegistry(path: path, clock: ManualTime())
            let state = try ClusterState(try await again.snapshot())
            #expect(state.topics == ["t": topic])
            #expect(state.clusterID == before.clusterID)
            #expect(state.topicConfigs == before.topicConfigs)
            #expect(state.revision == before.revision)
            await again.close()
        }
    }

    /// What a killed process leaves: the files as they are on disk, nothing closed. Every commit that was answered is in
    /// the copy, wherever the copy was made.
    @Test func everyAnsweredCommitSurvivesAKill() async throws {
        try await inDirectory { directory in
            let registry = try SQLiteRegistry(path: directory.appending("registry.db"), clock: ManualTime())
            for number in 1...40 {
                let outcome = try await registry.commit(
                    guards: [], writes: [.put("k\(number)", Array(repeating: UInt8(number), count: number * 100))])
                #expect(outcome == .committed(Revision(Int64(number))))
                let copy = directory.appending("copy\(number)")
                try files.makeDirectory(copy, intermediates: false)
                for name in ["registry.db", "registry.db-wal"] {
                    try copyFile(directory.appending(name), copy.appending(name))
                }
                let found = try SQLiteRegistry(path: copy.appending("registry.db"), clock: ManualTime())
                let snapshot = try await found.snapshot()
                #expect(snapshot.revision == Revision(Int64(number)))
                #expect(snapshot.entries.count == number)
                await found.close()
            }
            await registry.close()
        }
    }

    /// A write-ahead log cut anywhere gives some prefix of the commits, never half of one.
    @Test func aTornTailIsAWholePrefix() async throws {
        try await inDirectory { directory in
            let registry = try SQLiteRegistry(path: directory.appending("registry.db"), clock: ManualTime())
            for number in 1...20 {
                _ = try await registry.commit(
                    guards: [], writes: [.put("a\(number)", [1]), .put("b\(number)", Array(repeating: 2, count: 3000))])
            }
            let wal = directory.appending("registry.db-wal")
            let size = try files.open(wal, create: false).size()
            var seen = Set<Int64>()
            for step in Int64(0)...30 {
                let copy = directory.appending("copy\(step)")
                try files.makeDirectory(copy, intermediates: false)
                try copyFile(directory.appending("registry.db"), copy.appending("registry.db"))
                try copyFile(wal, copy.appending("registry.db-wal"))
                try files.open(copy.appending("registry.db-wal"), create: false).truncate(to: size * step / 30)
                let found = try SQLiteRegistry(path: copy.appending("registry.db"), clock: ManualTime())
                let snapshot = try await found.snapshot()
                #expect(snapshot.entries.count == Int(snapshot.revision.rawValue) * 2)
                seen.insert(snapshot.revision.rawValue)
                await found.close()
            }
            #expect(seen.contains(20) && seen.count > 5)
            await registry.close()
        }
    }

    @Test func sessionsOfAProcessThatIsGoneAreOver() async throws {
        try await inDirectory { directory in
            let path = directory.appending("registry.db")
            let registry = try SQLiteRegistry(path: path, clock: ManualTime())
            let session = try await registry.session(ttlMilliseconds: 1_000_000)
            _ = try await registry.commit(
                guards: [], writes: [.put("leased", [1], session: session.id), .put("kept", [1])])
            await registry.close()
            let again = try SQLiteRegistry(path: path, clock: ManualTime())
            #expect(try await again.snapshot().entries.map(\.key) == ["kept"])
            #expect(try await again.session(ttlMilliseconds: 1).id != session.id)
            await again.close()
        }
    }

    @Test func oneProcessAtATime() async throws {
        try await inDirectory { directory in
            let path = directory.appending("registry.db")
            let registry = try SQLiteRegistry(path: path, clock: ManualTime())
            _ = try await registry.commit(guards: [], writes: [.put("a", [])])
            #expect(code(path) == .held)
            await registry.close()
            #expect(code(path) == nil)
        }
    }

    @Test func damageIsSaid() async throws {
        try await inDirectory { directory in
            let path = directory.appending("registry.db")
            let garbage = Array(repeating: UInt8(ascii: "x"), count: 5000)
            let file = try files.open(path, create: true)
            try garbage.withUnsafeBytes { try file.write($0, at: 0) }
            #expect(code(path) == .corrupt)
            do {
                _ = try SQLiteRegistry(path: path, clock: ManualTime())
            } catch {
                #expect("\(error)".contains(path.string) && "\(error)".contains("restore it from a backup"))
            }
            #expect(code(directory.appending("none/registry.db")) == .unavailable)
        }
    }

    @Test func otherLayoutsAreRefused() async throws {
        try await inDirectory { directory in
            let path = directory.appending("registry.db")
            let registry = try SQLiteRegistry(path: path, clock: ManualTime())
            _ = try await registry.commit(guards: [], writes: [.put("a", [])])
            await registry.close()
            // `user_version` and `application_id` are big-endian numbers at 60 and 68 of the file's header.
            func set(_ offset: Int64, _ value: UInt8) throws {
                let file = try files.open(path, create: false)
                try [0, 0, 0, value].withUnsafeBytes { try file.write($0, at: offset) }
            }
            try set(60, 2)
            #expect(code(path) == .newerSchema)
            try set(60, 1)
            #expect(code(path) == nil)
            try set(68, 9)
            #expect(code(path) == .corrupt)
        }
    }

    private func copyFile(_ source: FilePath, _ target: FilePath) throws {
        let from = try files.open(source, create: false)
        let to = try files.open(target, create: true)
        var bytes = [UInt8](repeating: 0, count: Int(try from.size()))
        let count = try bytes.withUnsafeMutableBytes { try from.read(into: $0, at: 0) }
        try bytes.prefix(count).withUnsafeBytes { try to.write($0, at: 0) }
    }
}

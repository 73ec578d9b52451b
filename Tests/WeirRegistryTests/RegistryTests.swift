import Testing
import WeirModel
import WeirRegistry
import WeirSystem

/// What every backend must do.
@Suite struct RegistryTests {
    private func put(_ key: String, _ text: String, _ session: SessionID? = nil) -> RegistryWrite {
        .put(key, Array(text.utf8), session: session)
    }

    private func texts(_ snapshot: RegistrySnapshot) -> [String] {
        snapshot.entries.map { "\($0.key)=\(String(decoding: $0.value, as: UTF8.self))@\($0.revision)" }
    }

    @Test(arguments: Backend.allCases) func commitsAndSnapshots(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        #expect(try await registry.snapshot() == RegistrySnapshot(revision: .zero, entries: []))
        #expect(
            try await registry.commit(guards: [], writes: [put("b", "2"), put("a", "1"), put("é", "")])
                == .committed(Revision(1)))
        #expect(try await registry.commit(guards: [], writes: [put("a", "3")]) == .committed(Revision(2)))
        #expect(texts(try await registry.snapshot()) == ["a=3@2", "b=2@1", "é=@1"])
        #expect(
            try await registry.commit(guards: [], writes: [.delete("a"), .delete("none")]) == .committed(Revision(3)))
        let snapshot = try await registry.snapshot()
        #expect(texts(snapshot) == ["b=2@1", "é=@1"])
        #expect(snapshot.revision == Revision(3))
        await registry.close()
    }

    @Test(arguments: Backend.allCases) func guardsDecide(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        _ = try await registry.commit(guards: [.absent("a")], writes: [put("a", "1")])
        #expect(try await registry.commit(guards: [.absent("a")], writes: [put("a", "2")]) == .conflict("a"))
        #expect(
            try await registry.commit(guards: [.unchanged("a", since: Revision(7))], writes: [put("b", "2")])
                == .conflict("a"))
        #expect(
            try await registry.commit(guards: [.unchanged("c", since: Revision(1))], writes: []) == .conflict("c"))
        // All or nothing: the first guard holds, the second does not.
        #expect(
            try await registry.commit(
                guards: [.absent("x"), .unchanged("a", since: Revision(2))], writes: [put("x", "1")]) == .conflict("a"))
        #expect(texts(try await registry.snapshot()) == ["a=1@1"])
        #expect(
            try await registry.commit(guards: [.unchanged("a", since: Revision(1))], writes: [put("a", "2")])
                == .committed(Revision(2)))
        await registry.close()
    }

    @Test(arguments: Backend.allCases) func watchersHearEveryCommit(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        var events = registry.watch(after: .zero).makeAsyncIterator()
        _ = try await registry.commit(guards: [], writes: [put("a", "1")])
        _ = try await registry.commit(guards: [.absent("a")], writes: [put("a", "2")])
        _ = try await registry.commit(guards: [], writes: [.delete("a")])
        #expect(await events.next() == .changed(Revision(1), [put("a", "1")]))
        #expect(await events.next() == .changed(Revision(2), [.delete("a")]))
        // One that comes late is told so.
        var late = registry.watch(after: Revision(1)).makeAsyncIterator()
        #expect(await late.next() == .lost)
        await registry.close()
        #expect(await events.next() == nil)
        var closed = registry.watch(after: .zero).makeAsyncIterator()
        #expect(await closed.next() == nil)
    }

    @Test(arguments: Backend.allCases) func sessionsEnd(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        let session = try await registry.session(ttlMilliseconds: 1000)
        let other = try await registry.session(ttlMilliseconds: 10_000)
        #expect(session.id != other.id)
        _ = try await registry.commit(
            guards: [], writes: [put("a", "1", session.id), put("b", "1", other.id), put("c", "1")])
        fixture.time.advance(900)
        try await session.keepAlive()
        fixture.time.advance(900)
        #expect(try await registry.snapshot().entries.map(\.key) == ["a", "b", "c"])
        fixture.time.advance(200)
        #expect(try await registry.snapshot().entries.map(\.key) == ["b", "c"])
        await #expect {
            try await session.keepAlive()
        } throws: { ($0 as? RegistryError)?.code == .sessionExpired }
        await #expect {
            _ = try await registry.commit(guards: [], writes: [put("a", "2", session.id)])
        } throws: { ($0 as? RegistryError)?.code == .sessionExpired }
        #expect(try await registry.snapshot().entries.map(\.key) == ["b", "c"])
        try await session.close()
        try await other.close()
        #expect(try await registry.snapshot().entries.map(\.key) == ["c"])
        await registry.close()
    }

    @Test(arguments: Backend.allCases) func anEndedSessionIsAnEvent(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        let session = try await registry.session(ttlMilliseconds: 1000)
        _ = try await registry.commit(guards: [], writes: [put("a", "1", session.id)])
        // A key put again without the session stays when it ends.
        _ = try await registry.commit(guards: [], writes: [put("b", "1", session.id)])
        _ = try await registry.commit(guards: [], writes: [put("b", "2")])
        var events = registry.watch(after: Revision(3)).makeAsyncIterator()
        try await session.close()
        #expect(await events.next() == .changed(Revision(4), [.delete("a")]))
        #expect(texts(try await registry.snapshot()) == ["b=2@3"])
        await registry.close()
    }

    @Test(arguments: Backend.allCases) func aClosedRegistrySaysSo(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        await registry.close()
        await #expect { _ = try await registry.snapshot() } throws: { ($0 as? RegistryError)?.code == .closed }
        await #expect {
            _ = try await registry.commit(guards: [], writes: [])
        } throws: { ($0 as? RegistryError)?.code == .closed }
        await #expect {
            _ = try await registry.session(ttlMilliseconds: 1)
        } throws: { ($0 as? RegistryError)?.code == .closed }
    }

    /// Commits at the same time are one after the other, and each conflict is real.
    @Test(arguments: Backend.allCases) func concurrentIncrementsAllCount(backend: Backend) async throws {
        let fixture = try Fixture(backend)
        let registry = fixture.registry
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var done = 0
                    while done < 10 {
                        let entry = try await registry.snapshot().entries.first
                        let number = entry.flatMap { Int(String(decoding: $0.value, as: UTF8.self)) } ?? 0
                        let unchanged: RegistryGuard =
                            entry.map { .unchanged("n", since: $0.revision) } ?? .absent("n")
                        let outcome = try await registry.commit(
                            guards: [unchanged], writes: [.put("n", Array("\(number + 1)".utf8))])
                        if case .committed = outcome { done += 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        let snapshot = try await registry.snapshot()
        #expect(texts(snapshot) == ["n=80@80"])
        await registry.close()
    }
}

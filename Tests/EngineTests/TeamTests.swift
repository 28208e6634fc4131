import CAllocations
import Glibc
import Synchronization
import Testing

@testable import Engine

/// The threads of a workspace.
@Suite struct TeamTests {
    @Test(arguments: [2, 3, 8])
    func everyTileIsDoneOnce(threads: Int) throws {
        let team = try #require(Team(threads: threads))
        let most = 300
        let done = UnsafeMutablePointer<Int>.allocate(capacity: most)
        defer { done.deallocate() }
        for tiles in 0..<most {
            done.update(repeating: 0, count: most)
            nonisolated(unsafe) let done = done
            // What the caller writes before is seen, and what the tiles write is seen after.
            for i in 0..<tiles { done[i] = i }
            team.run(tiles) { tile, worker in
                precondition(worker >= 0 && worker < threads)
                done[tile] += 1
            }
            #expect((0..<most).allSatisfy { done[$0] == ($0 < tiles ? $0 + 1 : 0) }, "\(tiles) tiles")
        }
    }

    /// Tiles of one worker use the same scratch memory.
    @Test func aWorkerDoesOneTileAtATime() throws {
        let team = try #require(Team(threads: 4))
        let busy = UnsafeMutablePointer<Int>.allocate(capacity: 4)
        defer { busy.deallocate() }
        busy.update(repeating: 0, count: 4)
        nonisolated(unsafe) let counts = busy
        for _ in 0..<200 {
            team.run(64) { _, worker in
                counts[worker] += 1
                precondition(counts[worker] == 1, "two tiles at once")
                for _ in 0..<20 { sched_yield() }
                counts[worker] -= 1
            }
        }
    }

    /// Sleeping, looking for work, entering a job that is over, or just done with one.
    @Test func teamsEndAtAnyMoment() throws {
        for round in 0..<500 {
            let team = try #require(Team(threads: 2 + round % 4))
            for _ in 0..<round % 3 { team.run(7) { _, _ in } }
            if round % 5 == 0 { usleep(300) }
        }
    }

    @Test func oneThreadNeedsNoTeam() { #expect(Team(threads: 1) == nil) }
}

extension Pass {
    /// What every one of the pass's threads has allocated so far.
    func allocations() -> Int {
        let sum = Atomic<Int>(0)
        let arrived = Atomic<Int>(0)
        let everyone = threads
        run(everyone) { _, _ in
            sum.wrappingAdd(hcq_allocations(), ordering: .relaxed)
            arrived.wrappingAdd(1, ordering: .sequentiallyConsistent)
            // Nobody gets a second tile.
            while arrived.load(ordering: .sequentiallyConsistent) < everyone { sched_yield() }
        }
        return sum.load(ordering: .relaxed)
    }
}

internal import Dispatch
internal import Synchronization

/// Busy time by stage, added up from any thread.
final class StageClock: Sendable {
    private let nanoseconds = Mutex([UInt64](repeating: 0, count: ReplaySummary.Stage.allCases.count))

    /// Runs `body` and adds its time to `stage`.
    func measure<Result>(_ stage: ReplaySummary.Stage, _ body: () throws -> Result) rethrows -> Result {
        let start = DispatchTime.now().uptimeNanoseconds
        defer { add(stage, DispatchTime.now().uptimeNanoseconds - start) }
        return try body()
    }

    func add(_ stage: ReplaySummary.Stage, _ time: UInt64) {
        nanoseconds.withLock { $0[stage.rawValue] += time }
    }

    /// Seconds by stage.
    var seconds: [ReplaySummary.Stage: Double] {
        let all = nanoseconds.withLock { $0 }
        return Dictionary(
            uniqueKeysWithValues: ReplaySummary.Stage.allCases.map { ($0, Double(all[$0.rawValue]) / 1e9) })
    }
}

/// Seconds on a clock that never goes back.
func monotonicSeconds() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

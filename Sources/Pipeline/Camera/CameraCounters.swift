internal import Scene
internal import Synchronization

/// What a camera has done, counted from any thread: since the start for metrics, since the last line for `stats`.
final class CameraCounters: Sendable {
    /// Totals since the daemon started this camera.
    struct Totals: Sendable {
        var framesIn = 0
        var framesInferred = 0
        var skipped: [SkipReason: Int] = [:]
        var decodeErrors = 0
        var reconnects = 0
        var events: [String: Int] = [:]
        var people = 0
        var inferenceSeconds = 0.0
        var latencySum = 0.0
        var latencyCount = 0
    }

    private struct State {
        var totals = Totals()
        var reported = Totals()
        var reportedAt = monotonicSeconds()
        /// Milliseconds since the last `stats` line.
        var latencies: [Float] = []
        /// Monotonic seconds of the reconnections of the last hour.
        var reconnects: [Double] = []
        /// Monotonic seconds of frames under way, by index.
        var arrivals: [Int: Double] = [:]
    }

    private let state = Mutex(State())

    var totals: Totals { state.withLock { $0.totals } }

    func arrived(_ frame: Frame) {
        state.withLock { state in
            state.totals.framesIn += 1
            state.arrivals[frame.index] = monotonicSeconds()
        }
    }

    func skipped(_ frame: Frame, _ reason: SkipReason) {
        state.withLock { state in
            state.totals.skipped[reason, default: 0] += 1
            state.arrivals[frame.index] = nil
        }
    }

    /// Pictures that never became frames.
    func skipped(_ count: Int, _ reason: SkipReason) {
        state.withLock { $0.totals.skipped[reason, default: 0] += count }
    }

    func told(_ frame: Frame, people: Int, inferenceNanoseconds: UInt64, eventTypes: [String]) {
        state.withLock { state in
            state.totals.framesInferred += 1
            state.totals.people = people
            state.totals.inferenceSeconds += Double(inferenceNanoseconds) / 1e9
            for type in eventTypes { state.totals.events[type, default: 0] += 1 }
            guard let arrival = state.arrivals.removeValue(forKey: frame.index) else { return }
            let latency = monotonicSeconds() - arrival
            state.totals.latencySum += latency
            state.totals.latencyCount += 1
            // More than a minute's frames is not kept: a percentile of these is good enough.
            if state.latencies.count < 10_000 { state.latencies.append(Float(latency * 1000)) }
        }
    }

    func noted(eventTypes: [String]) {
        state.withLock { state in
            for type in eventTypes { state.totals.events[type, default: 0] += 1 }
        }
    }

    func decodeErrors(_ more: Int) { state.withLock { $0.totals.decodeErrors += more } }

    func reconnected() {
        state.withLock { state in
            state.totals.reconnects += 1
            state.reconnects.append(monotonicSeconds())
        }
    }

    /// Frames of an old connection are forgotten: a new one counts from 0 again.
    func connectionEnded() {
        state.withLock { state in
            state.arrivals.removeAll()
            state.totals.people = 0
        }
    }

    /// What `stats` says: everything since this was last asked.
    func report() -> CameraStatistics {
        state.withLock { state in
            let now = monotonicSeconds()
            let seconds = max(now - state.reportedAt, 1e-3)
            let (new, old) = (state.totals, state.reported)
            var skipped: [String: Int] = [:]
            for (reason, count) in new.skipped where count > old.skipped[reason, default: 0] {
                skipped[reason.rawValue] = count - old.skipped[reason, default: 0]
            }
            state.reconnects.removeAll { now - $0 > 3600 }
            let sorted = state.latencies.sorted()
            let percentile = { (share: Double) -> Double in
                sorted.isEmpty ? 0 : Double(sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))])
            }
            defer { (state.reported, state.reportedAt, state.latencies) = (new, now, []) }
            return CameraStatistics(
                fpsIn: Double(new.framesIn - old.framesIn) / seconds,
                fpsInferred: Double(new.framesInferred - old.framesInferred) / seconds, framesSkipped: skipped,
                decodeErrors: new.decodeErrors - old.decodeErrors, latencyP50: percentile(0.5),
                latencyP95: percentile(0.95), latencyP99: percentile(0.99), reconnectsLastHour: state.reconnects.count)
        }
    }
}

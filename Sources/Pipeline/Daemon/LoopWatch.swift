internal import Synchronization

/// Knows whether every loop of the daemon moves: each says, before a step that may block, how long that may take.
public final class LoopWatch: Sendable {
    private struct Step {
        let loop: String
        let what: String
        /// Monotonic seconds.
        let deadline: Double
    }

    private struct State {
        var steps: [Int: Step] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// One loop's place; a loop that ends gives it back by going away.
    public final class Loop: Sendable {
        private let watch: LoopWatch
        private let id: Int
        private let name: String

        fileprivate init(_ watch: LoopWatch, _ id: Int, _ name: String) {
            self.watch = watch
            self.id = id
            self.name = name
        }

        deinit { rest() }

        /// Starts a step that is over, or followed by another `enter`, within `seconds`.
        public func enter(_ what: String, within seconds: Double) {
            watch.note(id, Step(loop: name, what: what, deadline: monotonicSeconds() + seconds))
        }

        /// Waits for work; nothing is expected of the loop.
        public func rest() { watch.note(id, nil) }
    }

    public func loop(_ name: String) -> Loop {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        return Loop(self, id, name)
    }

    private func note(_ id: Int, _ step: Step?) { state.withLock { $0.steps[id] = step } }

    /// Loops that are past their time, as `name (what)`; empty while everything moves.
    public func stuck() -> [String] {
        let now = monotonicSeconds()
        return state.withLock { state in
            state.steps.values.filter { $0.deadline < now }.map { "\($0.loop) (\($0.what))" }.sorted()
        }
    }
}

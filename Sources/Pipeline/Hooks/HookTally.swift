internal import Synchronization

/// What became of the calls of all hooks since the daemon started.
final class HookTally: Sendable {
    struct Counts: Equatable {
        var done = 0
        var failed = 0
        /// Given up before they began, because too many waited.
        var dropped = 0
        var waiting = 0
    }

    private let state = Mutex(Counts())

    var counts: Counts { state.withLock { $0 } }

    func change(_ body: (inout Counts) -> Void) { state.withLock { body(&$0) } }
}

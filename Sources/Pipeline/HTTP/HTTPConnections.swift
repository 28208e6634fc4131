internal import Glibc
internal import Synchronization

/// The open connections. When there is no room for one more, the one that has been idle for longest is closed.
final class HTTPConnections: Sendable {
    /// A page with pictures and events of every camera takes six.
    static let most = 128

    private struct State {
        var count = 0
        /// Monotonic seconds since when a descriptor's next request is waited for.
        var idleSince: [Int32: Double] = [:]
    }

    private let state = Mutex(State())

    /// Counts one more.
    /// - Returns: Whether there is room.
    func admit() -> Bool {
        state.withLock { state in
            if state.count >= Self.most {
                guard let oldest = state.idleSince.min(by: { $0.value < $1.value })?.key else { return false }
                state.idleSince[oldest] = nil
                // Its reader sees an end, and closes it.
                shutdown(oldest, Int32(SHUT_RDWR))
            }
            state.count += 1
            return true
        }
    }

    /// The next request is waited for.
    func markIdle(_ descriptor: Int32) { state.withLock { $0.idleSince[descriptor] = monotonicSeconds() } }

    /// A request is answered.
    func markBusy(_ descriptor: Int32) { state.withLock { $0.idleSince[descriptor] = nil } }

    /// To be called before the descriptor is closed: then it may be anybody's.
    func remove(_ descriptor: Int32) {
        state.withLock { state in
            state.idleSince[descriptor] = nil
            state.count -= 1
        }
    }
}

internal import Glibc
internal import Synchronization

/// Who is connected. When there is no room, whoever has not asked for anything for longest must go.
final class HTTPGuests: Sendable {
    /// A page with pictures and events of every camera takes six.
    static let most = 128

    private struct Crowd {
        var count = 0
        /// Monotonic seconds since when a descriptor's next request is waited for.
        var waiting: [Int32: Double] = [:]
    }

    private let crowd = Mutex(Crowd())

    /// - Returns: Whether there is room.
    func enter() -> Bool {
        crowd.withLock { crowd in
            if crowd.count >= Self.most {
                guard let oldest = crowd.waiting.min(by: { $0.value < $1.value })?.key else { return false }
                crowd.waiting[oldest] = nil
                // Its reader sees an end, and leaves.
                shutdown(oldest, Int32(SHUT_RDWR))
            }
            crowd.count += 1
            return true
        }
    }

    func waits(_ descriptor: Int32) { crowd.withLock { $0.waiting[descriptor] = monotonicSeconds() } }
    func works(_ descriptor: Int32) { crowd.withLock { $0.waiting[descriptor] = nil } }

    /// To be called before the descriptor is closed: then it may be anybody's.
    func leaves(_ descriptor: Int32) {
        crowd.withLock { crowd in
            crowd.waiting[descriptor] = nil
            crowd.count -= 1
        }
    }
}

internal import Synchronization

/// How it goes with the broker since the daemon started.
final class MQTTTally: Sendable {
    struct Counts: Equatable {
        var isConnected = false
        /// Lines of event logs that the broker has acknowledged.
        var delivered = 0
        /// Connections that were lost or did not come about.
        var failures = 0
        /// Number of the first line that is not acknowledged, by camera.
        var positions: [String: UInt64] = [:]
    }

    private let state = Mutex(Counts())

    var counts: Counts { state.withLock { $0 } }

    func change(_ body: (inout Counts) -> Void) { state.withLock { body(&$0) } }
}

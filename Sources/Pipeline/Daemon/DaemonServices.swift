internal import Logging
internal import Scene

/// What a daemon offers beside its logs: HTTP, MQTT, hooks. Used from the daemon's control queue.
final class DaemonServices: @unchecked Sendable {
    let live: LiveMoments
    private let fleet: CameraFleet
    private let watch: LoopWatch
    private let logger: Logger

    init(fleet: CameraFleet, watch: LoopWatch, live: LiveMoments, logger: Logger) {
        self.fleet = fleet
        self.watch = watch
        self.live = live
        self.logger = logger
    }

    /// Starts, stops or starts anew what changed.
    func apply(_ configuration: Configuration, secrets: Secrets) {}

    func stop() {}
}

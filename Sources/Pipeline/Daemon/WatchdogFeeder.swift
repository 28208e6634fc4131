internal import Logging
internal import Synchronization

/// Tells systemd that all is well, but only while every loop moves.
///
/// The log's writer is no such loop: a disk that hangs would have the daemon killed with the lines that wait in its memory.
final class WatchdogFeeder: Sendable {
    private let watch: LoopWatch
    private let notifier: ServiceNotifier
    private let logger: Logger
    private let reports = Mutex(RepeatedReports())

    init(watch: LoopWatch, notifier: ServiceNotifier, logger: Logger) {
        (self.watch, self.notifier, self.logger) = (watch, notifier, logger)
    }

    func feed() {
        let stuck = watch.stuck()
        guard !stuck.isEmpty else { return notifier.aliveInTime() }
        let text = "stuck: \(stuck.joined(separator: ", ")); the watchdog is not fed"
        if let line = reports.withLock({ $0.note("stuck", text, now: monotonicSeconds()) }) { logger.error("\(line)") }
    }
}

internal import Dispatch
internal import Engine
internal import Events
internal import Foundation
public import Logging
internal import Scene
internal import Synchronization

/// The service: cameras in, event logs out, until it is told to stop.
public final class Daemon: @unchecked Sendable {
    private let file: String
    private let environment: [String: String]
    private let logger: Logger
    private let notifier: ServiceNotifier
    private let watch = LoopWatch()
    private let loop: LoopWatch.Loop
    private let ears: EventEars
    private let control = DispatchQueue(label: "hcqd.control")
    private let tidying = DispatchQueue(label: "hcqd.tidying", qos: .utility)
    private let ended = DispatchSemaphore(value: 0)
    /// Taken from the first moment on: what is asked for while the network is read is done when everything runs.
    private let requests = SignalWatch([SIGHUP, SIGUSR1])
    let fleet: CameraFleet
    // On `control` only.
    private var configuration: Configuration
    private var surroundings: CameraSurroundings
    private var services: DaemonServices
    private var timers: [any DispatchSourceTimer] = []
    private var isStopping = false

    /// Reads the configuration and the network.
    /// - Throws: `ConfigurationError`, `ModelMissing` or `EngineError`.
    public init(file: String, environment: [String: String], logger: Logger) throws {
        self.file = file
        self.environment = environment
        self.logger = logger
        notifier = ServiceNotifier(environment: environment)
        fleet = CameraFleet(logger: logger)
        loop = watch.loop("control")
        configuration = try Configuration(contentsOf: file)
        let (live, ears) = (LiveMoments(), EventEars())
        self.ears = ears
        surroundings = try Self.surroundings(configuration, environment, logger, watch, live, ears)
        services = DaemonServices(fleet: fleet, watch: watch, live: live, ears: ears, logger: logger)
    }

    /// Runs until SIGTERM or SIGINT; blocks.
    public func run() {
        signal(SIGPIPE, SIG_IGN)
        Heap.prepare()
        let take: @Sendable (Int32) -> Void = { [self] number in control.async { self.receive(number) } }
        let endings = SignalWatch([SIGTERM, SIGINT], handler: take)
        control.sync {
            warnOfMissingSecrets()
            fleet.apply(configuration, old: nil, surroundings)
            rotateFormerLogs()
            services.apply(configuration, secrets: surroundings.secrets)
            startTimers()
            notifier.ready(status: statusLine)
            logger.notice("ready: \(statusLine)")
        }
        requests.deliver(to: take)
        ended.wait()
        withExtendedLifetime(endings) {}
    }

    private func receive(_ number: Int32) {
        guard !isStopping else { return }
        loop.enter("signal \(number)", within: 60)
        defer { loop.rest() }
        switch number {
        case SIGHUP: reload()
        case SIGUSR1:
            for camera in fleet.all { camera.log?.reopen() }
            logger.notice("logs opened anew")
        default: stop(number)
        }
    }

    private func stop(_ number: Int32) {
        isStopping = true
        logger.notice("stopping (\(number == SIGTERM ? "SIGTERM" : "SIGINT"))")
        notifier.stopping()
        for timer in timers { timer.cancel() }
        fleet.stop(.shutdown, within: 3)
        services.stop()
        ended.signal()
    }

    /// Reads the configuration again; a bad one changes nothing.
    private func reload() {
        notifier.reloading()
        defer { notifier.ready(status: statusLine) }
        do {
            let new = try Configuration(contentsOf: file)
            let needsEngine = new.model != configuration.model || new.http.enabled != configuration.http.enabled
            let startsAnew =
                needsEngine || new.tracking != configuration.tracking || new.log != configuration.log
                || new.storage != configuration.storage
            if needsEngine {
                surroundings = try Self.surroundings(new, environment, logger, watch, services.live, ears)
            }
            fleet.apply(new, old: startsAnew ? nil : configuration, surroundings)
            configuration = new
            rotateFormerLogs()
            warnOfMissingSecrets()
            services.apply(new, secrets: surroundings.secrets)
            logger.notice("configuration read again: \(statusLine)")
        } catch {
            for line in "\(error)".split(separator: "\n") { logger.error("\(line)") }
            logger.error("the configuration is not changed; correct \(file) and reload again")
        }
    }

    private var statusLine: String {
        let cameras = fleet.all
        let online = cameras.count { if case .online = $0.state { true } else { false } }
        return "\(cameras.count) \(cameras.count == 1 ? "camera" : "cameras"), \(online) online"
    }

    private func warnOfMissingSecrets() {
        for problem in configuration.missingSecrets(surroundings.secrets, file: file) { logger.warning("\(problem)") }
    }

    /// Retention then covers them. A disk that hangs must not hold the daemon up.
    private func rotateFormerLogs() {
        let (storage, settings) = (configuration.storage, configuration.log)
        let cameras = configuration.cameras.keys.map { CameraID($0) }
        tidying.async {
            FormerLogs.rotate(
                in: storage.directory, stateDirectory: storage.stateDirectory.isEmpty ? nil : storage.stateDirectory,
                settings: settings, except: cameras)
        }
    }

    // MARK: Timers

    private func startTimers() {
        let watchdog = notifier.watchdogMicroseconds.map { Double($0) / 1e6 / 3 }
        let feeder = WatchdogFeeder(watch: self.watch, notifier: notifier, logger: logger)
        let told = Mutex(statusLine)
        every(min(watchdog ?? 5, 5)) { [self] in
            feeder.feed()
            let line = statusLine
            let isNews = told.withLock { told in
                defer { told = line }
                return told != line
            }
            if isNews { notifier.status(line) }
        }
        every(60) { [self] in
            for camera in fleet.all { camera.writeStatistics() }
            Heap.trim()
        }
    }

    private func every(_ seconds: Double, _ body: @escaping @Sendable () -> Void) {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "hcqd.timer"))
        timer.schedule(deadline: .now() + seconds, repeating: seconds)
        timer.setEventHandler(handler: body)
        timer.activate()
        timers.append(timer)
    }

    private static func surroundings(
        _ configuration: Configuration, _ environment: [String: String], _ logger: Logger, _ watch: LoopWatch,
        _ live: LiveMoments, _ ears: EventEars
    ) throws -> CameraSurroundings {
        let network = try configuration.model.load()
        let cameras = configuration.cameras.values.count { $0.enabled }
        let engine = EngineWorkers(
            network, settings: configuration.model, inputSize: configuration.model.inputSize, wanted: max(1, cameras),
            watch: watch)
        return CameraSurroundings(
            engine: engine, watch: watch, secrets: Secrets(environment: environment), logger: logger,
            keepsPictures: configuration.http.enabled, onMoment: { live.show($0) }, onEnd: { live.forget($0) },
            onEvents: { ears.hear($0, $1) })
    }
}

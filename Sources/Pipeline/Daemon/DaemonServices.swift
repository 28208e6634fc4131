internal import Events
internal import Logging
internal import Rendering
internal import Scene
internal import Synchronization

/// What a daemon offers beside its logs: HTTP, MQTT, hooks. Used from the daemon's control queue.
final class DaemonServices: @unchecked Sendable {
    let live: LiveMoments
    private let fleet: CameraFleet
    private let watch: LoopWatch
    private let logger: Logger
    private let startedAt = monotonicSeconds()
    private var running: Configuration?
    private var http: HTTPService?
    private var mqtt: MQTTService?
    private let ears: EventEars
    /// Of all configurations since the daemon started: its environment still has what stood for them.
    private var secretNames: Set<String> = []
    private let tally = MQTTTally()

    init(fleet: CameraFleet, watch: LoopWatch, live: LiveMoments, ears: EventEars, logger: Logger) {
        self.fleet = fleet
        self.watch = watch
        self.live = live
        self.ears = ears
        self.logger = logger
    }

    /// Starts, stops or starts anew what changed.
    func apply(_ configuration: Configuration, secrets: Secrets) {
        if running?.http != configuration.http || running?.rendering != configuration.rendering
            || running?.storage != configuration.storage || running?.hooks.isUsed != configuration.hooks.isUsed
            || running?.mqtt.enabled != configuration.mqtt.enabled
        {
            http?.stop()
            http = start(configuration, secrets)
        }
        if running?.mqtt != configuration.mqtt || running?.cameras != configuration.cameras
            || running?.storage != configuration.storage
        {
            mqtt?.stop()
            ears.presence.keep(only: configuration.cameras.filter { $0.value.enabled }.map(\.key))
            mqtt = startMQTT(configuration, secrets)
        }
        let isNewSecret = !configuration.secretNames.isSubset(of: secretNames)
        secretNames.formUnion(configuration.secretNames)
        if running?.hooks != configuration.hooks || isNewSecret { ears.listen(startHooks(configuration, secrets)) }
        running = configuration
    }

    func stop() {
        ears.listen(nil)
        mqtt?.stop()
        http?.stop()
        (http, mqtt) = (nil, nil)
    }

    private func startHooks(_ configuration: Configuration, _ secrets: Secrets) -> EventHooks? {
        var settings = configuration.hooks
        guard settings.isUsed else { return nil }
        do { settings.webhook = try secrets.expand(settings.webhook) } catch {
            logger.error("hooks are off: ${\(error.name)} stands for nothing")
            return nil
        }
        let reports = Mutex(RepeatedReports())
        let logger = logger
        let environment = secrets.environment(without: secretNames)
        return EventHooks(settings, environment: environment, tally: ears.tally) { text in
            if let line = reports.withLock({ $0.note("hook", text, now: monotonicSeconds()) }) {
                logger.warning("\(line)")
            }
        }
    }

    private func startMQTT(_ configuration: Configuration, _ secrets: Secrets) -> MQTTService? {
        let settings = configuration.mqtt
        guard settings.enabled else { return nil }
        do {
            let former = running.map { running in
                running.mqtt.enabled
                    ? MQTTTopics(prefix: running.mqtt.prefix).retained(
                        of: Self.mqttCameras(running), discovers: running.mqtt.discovery) : []
            }
            return MQTTService(
                settings, username: try secrets.expand(settings.username),
                password: try secrets.expand(settings.password),
                cameras: Self.mqttCameras(configuration), former: former ?? [], storage: configuration.storage,
                presence: ears.presence, tally: tally, watch: watch, logger: logger)
        } catch {
            logger.error("mqtt is off: ${\(error.name)} stands for nothing")
            return nil
        }
    }

    private static func mqttCameras(_ configuration: Configuration) -> [MQTTService.Camera] {
        configuration.cameras.filter { $0.value.enabled }.sorted { $0.key < $1.key }.map {
            MQTTService.Camera(name: $0.key, zones: $0.value.events.zones.map(\.name))
        }
    }

    private func start(_ configuration: Configuration, _ secrets: Secrets) -> HTTPService? {
        guard configuration.http.enabled else { return nil }
        let token: String
        do { token = try secrets.expand(configuration.http.token) } catch {
            // Better no server than an open one.
            logger.error("http is off: the token ${\(error.name)} stands for nothing")
            return nil
        }
        guard configuration.http.token.isEmpty || !token.isEmpty else {
            logger.error("http is off: the token \(configuration.http.token) is empty")
            return nil
        }
        let subjects = HTTPSubjects(
            fleet: fleet, watch: watch, live: LivePainter(live, settings: configuration.rendering),
            startedAt: startedAt,
            logs: configuration.storage.directory,
            hooks: configuration.hooks.isUsed ? ears.tally : nil, mqtt: configuration.mqtt.enabled ? tally : nil)
        return HTTPService(configuration.http, token: token, subjects: subjects, logger: logger)
    }
}

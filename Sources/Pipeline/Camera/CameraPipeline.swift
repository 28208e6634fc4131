internal import Dispatch
internal import Events
internal import Foundation
internal import Ingest
internal import Logging
internal import Scene
internal import Synchronization

/// What all cameras of a daemon share.
struct CameraSurroundings: Sendable {
    let engine: EngineWorkers
    let watch: LoopWatch
    let secrets: Secrets
    let logger: Logger
    /// Whether frames keep their picture, for the live page.
    let keepsPictures: Bool
    let onMoment: @Sendable (LiveMoment) -> Void
    /// No moment follows.
    let onEnd: @Sendable (CameraID) -> Void
    /// Events and their lines.
    let onEvents: @Sendable ([Event], [[UInt8]]) -> Void
}

/// One camera's life on a thread of its own: connect, run, fail, wait, connect again; never giving up.
final class CameraPipeline: Sendable {
    let id: CameraID
    let settings: CameraSettings
    let counters = CameraCounters()
    private let configuration: Configuration
    private let shared: CameraSurroundings
    private let logger: Logger

    private struct Life {
        var state = CameraState.connecting(attempt: 1)
        var teller: CameraTeller?
        var interruption: Interruption?
        var endReason: EndReason?
    }

    private let life = Mutex(Life())
    private let wake = DispatchSemaphore(value: 0)
    private let over = DispatchSemaphore(value: 0)

    init(_ id: CameraID, _ settings: CameraSettings, of configuration: Configuration, _ shared: CameraSurroundings) {
        self.id = id
        self.settings = settings
        self.configuration = configuration
        self.shared = shared
        var logger = shared.logger
        logger[metadataKey: "camera"] = "\(id.name)"
        self.logger = logger
    }

    var state: CameraState { life.withLock { $0.state } }
    var log: EventLog? { life.withLock { $0.teller?.log } }
    func writeStatistics() { life.withLock { $0.teller }?.writeStatistics() }

    func start() {
        let thread = Thread { [self] in
            run()
            over.signal()
        }
        thread.name = "camera \(id.name)"
        thread.start()
    }

    /// Asks the camera to end; `join` waits for it.
    func stop(_ reason: EndReason) {
        let interruption = life.withLock { life in
            life.endReason = reason
            return life.interruption
        }
        interruption?.interrupt()
        wake.signal()
    }

    /// Waits until the camera has ended and its log is closed.
    /// - Returns: false when that did not happen within `seconds`.
    func join(within seconds: Double) -> Bool {
        let done = over.wait(timeout: .now() + seconds) == .success
        if done { over.signal() }
        return done
    }

    var isStopping: Bool { endReason != nil }
    private var endReason: EndReason? { life.withLock { $0.endReason } }

    private func run() {
        let loop = shared.watch.loop("camera \(id.name)")
        var backOff = BackOff()
        var lastTold: CameraChange?
        var reports = RepeatedReports()
        var isRepetition = false
        while endReason == nil {
            set(.connecting(attempt: backOff.failures + 1))
            let session = CameraSession(
                self, loop: loop, attempt: backOff.failures + 1, isRepetition: isRepetition)
            let began = monotonicSeconds()
            let ending = session.run()
            // What its decoder held goes back to the system at once: it may be long until the camera returns.
            Heap.trim()
            guard endReason == nil else { break }
            guard case .failed(let failure) = ending else {
                teller?.change(CameraChange(.discontinuity, reason: "end_of_file"), ending: .endOfStream)
                isRepetition = true
                // However short a file is, it is not read again more often than this.
                pause(until: began + 1, loop)
                continue
            }
            isRepetition = false
            let good = session.firstFrameAt.map { monotonicSeconds() - max(began, $0) } ?? 0
            if session.firstFrameAt != nil { (lastTold, reports) = (nil, RepeatedReports()) }
            let wait = backOff.failed(after: good, chance: Double.random(in: 0...1))
            let change = CameraChange(
                failure.isStall ? .stalled : .offline, reason: failure.reason, attempt: backOff.failures, retryIn: wait)
            // Said when the state changes, not with every attempt of a camera that stays away.
            if lastTold?.state != change.state || lastTold?.reason != change.reason {
                teller?.change(change, ending: .lost)
                lastTold = change
            }
            let text = "\(failure.text); next attempt in \(fixed(wait, 1)) s"
            if let line = reports.note(failure.reason, text, now: monotonicSeconds()) { logger.warning("\(line)") }
            set(.waiting(reason: failure.text, attempt: backOff.failures, seconds: wait))
            counters.reconnected()
            pause(until: monotonicSeconds() + wait, loop)
        }
        finish(loop)
    }

    /// Waits in steps, so that the watchdog sees the loop move and a stop is heard at once.
    /// - Parameter end: monotonic seconds.
    func pause(until end: Double, _ loop: LoopWatch.Loop) {
        while endReason == nil, monotonicSeconds() < end {
            loop.enter("wait", within: 30)
            _ = wake.wait(timeout: .now() + min(5, max(0, end - monotonicSeconds())))
        }
    }

    private func finish(_ loop: LoopWatch.Loop) {
        loop.enter("close", within: 30)
        let reason = endReason ?? .endOfStream
        do { try teller?.close(reason) } catch { logger.error("\(error)") }
        shared.onEnd(id)
        life.withLock { life in
            life.state = .stopped
            life.teller = nil
        }
        loop.rest()
    }

    // MARK: What a session needs

    var teller: CameraTeller? { life.withLock { $0.teller } }
    func set(_ state: CameraState) { life.withLock { $0.state = state } }
    var surroundings: CameraSurroundings { shared }
    var sessionLogger: Logger { logger }

    /// The story goes on over reconnections; it is begun with the first of them that finds its log usable.
    func openTeller() throws(EventLogError) -> CameraTeller {
        if let teller { return teller }
        let storage = configuration.storage
        let pictures = storage.directory + "/" + LogPaths.fileName(id)
        let paths = LogPaths(
            camera: id, directory: storage.directory,
            stateDirectory: storage.stateDirectory.isEmpty ? nil : storage.stateDirectory, pictures: pictures)
        let (logger, mode) = (self.logger, settings.snapshots)
        let reports = Mutex(RepeatedReports())
        let views =
            mode == .none
            ? nil
            : BestViewKeeper(
                directory: pictures, isRedacted: mode == .redacted, events: settings.events,
                waits: false,
                complain: { text in
                    let line = reports.withLock { $0.note("views", text, now: monotonicSeconds()) }
                    if let line { logger.warning("\(line)") }
                })
        let teller = try CameraTeller(
            camera: id, paths: paths, configuration: configuration, events: settings.events, watch: shared.watch,
            counters: counters, views: views, onChapter: shared.onMoment, onEvents: shared.onEvents,
            onNews: { if case .works = $0 { logger.notice("\($0)") } else { logger.error("\($0)") } })
        life.withLock { $0.teller = teller }
        return teller
    }

    /// A connection that `stop` can break.
    /// - Throws: `IngestError`, or `Secrets.Missing`.
    func openSource() throws -> VideoSource {
        let interruption = Interruption()
        let isStopping = life.withLock { life in
            life.interruption = interruption
            return life.endReason != nil
        }
        if isStopping { interruption.interrupt() }
        var source = SourceSettings(
            inputSize: configuration.model.inputSize, threads: 1,
            keepPicture: shared.keepsPictures || settings.snapshots != .none,
            sampleFPS: settings.fps, startTimeUTC: wallMicroseconds(), connection: settings.connection)
        source.stillFPS = settings.stillFPS
        return try VideoSource(
            try shared.secrets.expand(settings.url), shownAs: redactedURL(settings.url), camera: id, settings: source,
            interruption: interruption)
    }

    var connectionDeadline: Double { settings.connection.connectTimeout + settings.connection.probeTimeout + 20 }
    var readDeadline: Double { settings.connection.readTimeout + 30 }
}

/// A camera's stream or view changed its state.
public struct CameraChange: Hashable, Sendable {
    /// The raw values are the types that stand in the event log.
    public enum State: String, Hashable, Sendable, CaseIterable {
        case online = "camera_online"
        case offline = "camera_offline"
        case stalled = "camera_stalled"
        /// Time or content jumped: what follows does not continue what was.
        case discontinuity
        /// The view went dark, uniform or out of focus.
        case covered = "camera_covered"
        /// The view shows something else than before.
        case moved = "camera_moved"
        /// The view is as it should be again after `covered` or `moved`.
        case clear = "camera_clear"
    }

    public var state: State
    public var reason: String?
    /// Counts attempts to connect since the camera was last online, from 1.
    public var attempt: Int?
    /// Seconds until the next attempt.
    public var retryIn: Double?

    public init(_ state: State, reason: String? = nil, attempt: Int? = nil, retryIn: Double? = nil) {
        self.state = state
        self.reason = reason
        self.attempt = attempt
        self.retryIn = retryIn
    }
}

/// What a camera did in the last interval; written every 60 s by a daemon, never by a replay.
public struct CameraStatistics: Hashable, Sendable {
    /// Frames per second that arrived, and that went through the network.
    public var fpsIn: Double
    public var fpsInferred: Double
    /// Frames left out since the last line, by reason.
    public var framesSkipped: [String: Int]
    public var decodeErrors: Int
    /// Milliseconds from a frame's arrival to its events: percentiles 50, 95 and 99.
    public var latencyP50: Double
    public var latencyP95: Double
    public var latencyP99: Double
    public var reconnectsLastHour: Int

    public init(
        fpsIn: Double, fpsInferred: Double, framesSkipped: [String: Int] = [:], decodeErrors: Int = 0,
        latencyP50: Double = 0, latencyP95: Double = 0, latencyP99: Double = 0, reconnectsLastHour: Int = 0
    ) {
        self.fpsIn = fpsIn
        self.fpsInferred = fpsInferred
        self.framesSkipped = framesSkipped
        self.decodeErrors = decodeErrors
        self.latencyP50 = latencyP50
        self.latencyP95 = latencyP95
        self.latencyP99 = latencyP99
        self.reconnectsLastHour = reconnectsLastHour
    }
}

/// Lines that were given a sequence number and never reached the disk.
public struct EventLoss: Hashable, Sendable {
    /// Number of lines by their type.
    public var count: [String: Int]
    /// The time of the first one.
    public var since: StreamTime

    public init(count: [String: Int], since: StreamTime) {
        self.count = count
        self.since = since
    }
}

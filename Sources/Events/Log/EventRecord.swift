public import Scene

/// Where the `t` of a log's lines comes from; the raw values stand in the log.
public enum ClockSource: String, Hashable, Sendable, CaseIterable {
    /// The machine's clock when the frame arrived: live cameras.
    case wall
    /// The start time that the user gave, plus the frame's presentation time.
    case given = "start_time"
    /// The container's creation time, plus the frame's presentation time.
    case container
    /// Nothing is known: 1970-01-01 plus the frame's presentation time.
    case epoch
}

/// The JSON form of an event: one object on one line, keys always in the same order.
///
/// A key without a value is left out. Coordinates have 4 decimals, scores 3, `pts` 6.
public enum EventRecord {
    /// The version of the schema, the `v` of every line.
    public static let version = 1
    /// A line never has more bytes, its newline counted.
    public static let maximumBytes = 65_536

    /// The bytes of one line, newline at the end.
    ///
    /// A line that would be longer than `maximumBytes` loses its `mask`, then its `path`, and names them in `cut`.
    public static func line(_ event: Event, sequence: UInt64, clock: ClockSource) -> [UInt8] {
        var cut: [String] = []
        while true {
            var encoder = JSONLineEncoder()
            encoder.object { encode(event, sequence, clock, without: cut, into: &$0) }
            if encoder.bytes.count < maximumBytes || cut.count == 2 { return encoder.bytes + [0x0a] }
            cut.append(cut.isEmpty ? "mask" : "path")
        }
    }

    /// Every `type` that a line may have.
    public static let types =
        [
            "start", "update", "end", "zone_entered", "zone_left", "loitering", "line_crossed", "occupancy", "posture",
            "stats", "events_dropped",
        ] + CameraChange.State.allCases.map(\.rawValue)

    /// The `type` of an event's line.
    public static func type(of kind: Event.Kind) -> String {
        switch kind {
        case .start: "start"
        case .update: "update"
        case .end: "end"
        case .zoneEntered: "zone_entered"
        case .zoneLeft: "zone_left"
        case .loitering: "loitering"
        case .lineCrossed: "line_crossed"
        case .occupancy: "occupancy"
        case .posture: "posture"
        case .camera(let change): change.state.rawValue
        case .stats: "stats"
        case .eventsDropped: "events_dropped"
        }
    }

    /// Whether a line must be durable before anything else happens.
    static func isUrgent(_ kind: Event.Kind) -> Bool {
        switch kind {
        case .end, .lineCrossed, .posture, .camera: true
        default: false
        }
    }

    private static func encode(
        _ event: Event, _ sequence: UInt64, _ clock: ClockSource, without cut: [String],
        into json: inout JSONLineEncoder
    ) {
        json.key("v") { $0.integer(version) }
        json.key("seq") { $0.integer(sequence) }
        json.key("type") { $0.string(type(of: event.kind)) }
        json.key("camera") { $0.string(event.camera.name) }
        json.key("t") { $0.time(event.time) }
        json.key("pts") { $0.fixed(event.time.microseconds, decimals: 6) }
        json.key("clock") { $0.string(clock.rawValue) }
        switch event.kind {
        case .start(let report), .update(let report):
            json.report(report, at: event.time, reason: nil, without: cut)
        case .end(let report, let reason):
            json.report(report, at: event.time, reason: reason, without: cut)
        case .zoneEntered(let id, let zone):
            json.visit(id, zone, dwell: nil)
        case .zoneLeft(let id, let zone, let dwell), .loitering(let id, let zone, let dwell):
            json.visit(id, zone, dwell: dwell)
        case .lineCrossed(let id, let line, let direction):
            json.key("id") { $0.string(id.description) }
            json.key("line") { $0.string(line) }
            json.key("direction") { $0.string(direction.rawValue) }
        case .occupancy(let zone, let count):
            json.key("zone") { $0.string(zone) }
            json.key("count") { $0.integer(count) }
        case .posture(let id, let posture, let since):
            json.key("id") { $0.string(id.description) }
            json.key("posture") { $0.string(posture.rawValue) }
            json.key("since") { $0.time(since) }
        case .camera(let change): json.change(change)
        case .stats(let statistics): json.statistics(statistics)
        case .eventsDropped(let loss):
            json.key("count") { $0.counts(loss.count) }
            json.key("since") { $0.time(loss.since) }
        }
    }
}

extension JSONLineEncoder {
    fileprivate mutating func time(_ time: StreamTime) { string(Timestamp.text(utcMicroseconds: time.utcMicroseconds)) }

    fileprivate mutating func counts(_ counts: [String: Int]) {
        object { json in
            for (name, count) in counts.sorted(by: { $0.key < $1.key }) { json.key(name) { $0.integer(count) } }
        }
    }

    fileprivate mutating func visit(_ id: TrackID, _ zone: String, dwell: Double?) {
        key("id") { $0.string(id.description) }
        key("zone") { $0.string(zone) }
        if let dwell { key("dwell_s") { $0.number(dwell, decimals: 3) } }
    }

    fileprivate mutating func change(_ change: CameraChange) {
        if let reason = change.reason { key("reason") { $0.string(reason) } }
        if let attempt = change.attempt { key("attempt") { $0.integer(attempt) } }
        if let retryIn = change.retryIn { key("retry_in_s") { $0.number(retryIn, decimals: 3) } }
    }

    fileprivate mutating func statistics(_ s: CameraStatistics) {
        key("fps_in") { $0.number(s.fpsIn, decimals: 3) }
        key("fps_inferred") { $0.number(s.fpsInferred, decimals: 3) }
        key("frames_skipped") { $0.counts(s.framesSkipped) }
        key("decode_errors") { $0.integer(s.decodeErrors) }
        key("latency_ms") {
            $0.object { json in
                json.key("p50") { $0.number(s.latencyP50, decimals: 3) }
                json.key("p95") { $0.number(s.latencyP95, decimals: 3) }
                json.key("p99") { $0.number(s.latencyP99, decimals: 3) }
            }
        }
        key("reconnects_last_hour") { $0.integer(s.reconnectsLastHour) }
    }

    fileprivate mutating func report(
        _ report: TrackReport, at time: StreamTime, reason: EndReason?, without cut: [String]
    ) {
        let (track, person) = (report.track, report.track.person)
        key("id") { $0.string(track.id.description) }
        key("label") { $0.string("person") }
        key("start") { $0.time(track.firstSeen) }
        if let reason {
            key("end") { $0.time(track.lastSeen) }
            key("reason") { $0.string(reason.rawValue) }
        }
        key("score") { $0.number(Double(person.score), decimals: 3) }
        key("top_score") { $0.number(Double(report.topScore), decimals: 3) }
        key("box") {
            $0.array([person.box.x0, person.box.y0, person.box.x1, person.box.y1]) {
                $0.number(Double($1), decimals: 4)
            }
        }
        key("size") { $0.array([report.size.width, report.size.height]) { $0.integer($1) } }
        if let mask = person.mask, !cut.contains("mask") { key("mask") { $0.mask(mask) } }
        if !person.keypoints.isEmpty { key("keypoints") { $0.keypoints(person.keypoints) } }
        state(report)
        if !report.path.isEmpty, !cut.contains("path") {
            key("path") {
                $0.array(report.path) { json, step in
                    json.array([0, 1, 2]) { json, i in
                        switch i {
                        case 0: json.number(Double(step.point.x), decimals: 4)
                        case 1: json.number(Double(step.point.y), decimals: 4)
                        default: json.fixed(step.microseconds / 1000, decimals: 3)
                        }
                    }
                }
            }
        }
        if let snapshot = report.snapshot { key("snapshot") { $0.string(snapshot) } }
        if !cut.isEmpty { key("cut") { $0.array(cut) { $0.string($1) } } }
    }

    private mutating func state(_ report: TrackReport) {
        if let ground = report.ground {
            key("ground") {
                $0.object { json in
                    json.key("xy") { $0.point(ground.point) }
                    json.key("src") { $0.string(ground.source.rawValue) }
                }
            }
        }
        if let visible = report.track.visible { key("visible") { $0.number(Double(visible), decimals: 3) } }
        if let other = report.track.occludedBy { key("occluded_by") { $0.string(other.description) } }
        key("zones") { $0.array(report.zones) { $0.string($1) } }
        key("entered_zones") { $0.array(report.enteredZones) { $0.string($1) } }
        key("stationary") { $0.bool(report.stationary) }
        if let posture = report.posture { key("posture") { $0.string(posture.rawValue) } }
        if let cause = report.cause { key("cause") { $0.string(cause.rawValue) } }
    }

    private mutating func mask(_ mask: Mask) {
        object { json in
            json.key("size") { $0.array([mask.size.height, mask.size.width]) { $0.integer($1) } }
            json.key("counts") { $0.string(mask.counts) }
        }
    }

    private mutating func keypoints(_ keypoints: [Keypoint]) {
        array(keypoints.flatMap { [($0.position.x, 4), ($0.position.y, 4), ($0.confidence, 3)] }) {
            $0.number(Double($1.0), decimals: $1.1)
        }
    }
}

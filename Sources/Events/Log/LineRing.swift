internal import Scene
internal import Synchronization

/// Lines that have a sequence number and are not on disk yet; bounded, safe to fill while the disk hangs.
///
/// When it is full the oldest `update` goes, then the oldest `stats`, then the oldest line of any type; what goes is
/// counted, and `takeLoss()` turns the count into a line once the disk is back.
final class LineRing: Sendable {
    struct Line: Sendable {
        let sequence: UInt64
        let event: Event
        let bytes: [UInt8]

        var isUrgent: Bool { EventRecord.isUrgent(event.kind) }
        var type: String { EventRecord.type(of: event.kind) }
    }

    private struct State {
        var lines: [Line] = []
        var head = 0
        var byteCount = 0
        var nextSequence: UInt64
        var lost: [String: Int] = [:]
        var totalLost = 0
        var lostSince: StreamTime?
        var latest: StreamTime?
    }

    private let camera: CameraID
    private let clock: ClockSource
    private let byteLimit: Int
    private let state: Mutex<State>

    /// - Parameter byteLimit: lines in here never have more bytes than this together.
    init(camera: CameraID, clock: ClockSource, nextSequence: UInt64, byteLimit: Int) {
        self.camera = camera
        self.clock = clock
        self.byteLimit = byteLimit
        self.state = Mutex(State(nextSequence: nextSequence))
    }

    var nextSequence: UInt64 { state.withLock { $0.nextSequence } }

    var isEmpty: Bool { state.withLock { $0.head == $0.lines.count } }

    /// Lines and bytes that wait, how many lines were dropped by type since the last `events_dropped`, and how many ever.
    var load: (lines: Int, bytes: Int, lost: [String: Int], totalLost: Int) {
        state.withLock { ($0.lines.count - $0.head, $0.byteCount, $0.lost, $0.totalLost) }
    }

    /// Gives each event its number and its line.
    /// - Returns: the lines, also those that were dropped at once.
    @discardableResult
    func append(_ events: [Event]) -> [Line] {
        state.withLock { state in
            events.map { event in
                let line = push(event, &state)
                state.latest = event.time
                while state.byteCount > byteLimit, drop(&state) {}
                return line
            }
        }
    }

    func take() -> Line? {
        state.withLock { state in
            guard state.head < state.lines.count else { return nil }
            let line = state.lines[state.head]
            state.head += 1
            state.byteCount -= line.bytes.count
            if state.head == state.lines.count || state.head > 1024 {
                state.lines.removeFirst(state.head)
                state.head = 0
            }
            return line
        }
    }

    /// When lines were lost and all others are out: the line that says so.
    func takeLoss() -> Line? {
        state.withLock { state in
            guard let since = state.lostSince, let time = state.latest, state.head == state.lines.count else {
                return nil
            }
            let loss = EventLoss(count: state.lost, since: since)
            (state.lost, state.lostSince) = ([:], nil)
            let line = makeLine(Event(camera: camera, time: time, kind: .eventsDropped(loss)), &state)
            return line
        }
    }

    private func makeLine(_ event: Event, _ state: inout State) -> Line {
        let bytes = EventRecord.line(event, sequence: state.nextSequence, clock: clock)
        defer { state.nextSequence += 1 }
        return Line(sequence: state.nextSequence, event: event, bytes: bytes)
    }

    private func push(_ event: Event, _ state: inout State) -> Line {
        let line = makeLine(event, &state)
        state.lines.append(line)
        state.byteCount += line.bytes.count
        return line
    }

    private func drop(_ state: inout State) -> Bool {
        let waiting = state.lines[state.head...]
        guard !waiting.isEmpty else { return false }
        let victim =
            waiting.firstIndex { $0.type == "update" } ?? waiting.firstIndex { $0.type == "stats" } ?? state.head
        let line = state.lines.remove(at: victim)
        state.byteCount -= line.bytes.count
        state.lost[line.type, default: 0] += 1
        state.totalLost += 1
        if state.lostSince == nil { state.lostSince = line.event.time }
        return true
    }
}

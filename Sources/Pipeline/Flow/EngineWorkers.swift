public import Dispatch
public import Scene
internal import Synchronization

/// Finds the people in a frame. A worker owns its detector and calls it from one queue at a time.
public typealias Detector = (Frame) -> [Person]

/// The engine shared by all cameras: serial queues, each with its own workspace, that take turns at the cameras' mailboxes.
///
/// A camera with a waiting frame stands in line once and goes to the end of the line when it has been served, so that
/// every camera gets an equal share, a camera that sends less than its share gets all it sends, and one that sends
/// nothing costs nothing. Frames of one camera may be under way in several workers; their answers are delivered in order.
public final class EngineWorkers: Sendable {
    private struct State {
        /// Seats with a waiting frame, each at most once, in order of service.
        var line: [Seat] = []
        var idle: [Int]
    }

    private let state: Mutex<State>
    private let queues: [DispatchQueue]
    /// One per worker, which it calls to the line.
    private let calls: [Call]
    private let detectors: [WorkerDetector]
    private let loops: [LoopWatch.Loop]
    private let patience: Double

    /// - Parameters:
    ///   - count: Number of workers, at least 1.
    ///   - watch: Told whenever a worker is in a frame.
    ///   - patience: Seconds after which a worker that is in a frame counts as stuck.
    ///   - makeDetector: Called once per worker, here.
    public init(count: Int, watch: LoopWatch? = nil, patience: Double = 60, makeDetector: () -> Detector) {
        precondition(count > 0)
        self.patience = patience
        queues = (0..<count).map { DispatchQueue(label: "hcqd.engine.\($0)", qos: .userInitiated) }
        calls = queues.map { Call(to: $0) }
        detectors = (0..<count).map { _ in WorkerDetector(call: makeDetector()) }
        loops = (0..<count).compactMap { watch?.loop("engine worker \($0)") }
        state = Mutex(State(idle: Array(0..<count)))
        for (worker, call) in calls.enumerated() { call.activate { [weak self] in self?.work(worker) } }
    }

    public var count: Int { queues.count }

    /// A camera's place at the engine.
    public final class Seat: Sendable {
        public let mailbox: Mailbox
        /// Calls the queue to the answers that are ready.
        fileprivate let call: Call
        fileprivate let deliver: @Sendable (Answer) -> Void
        fileprivate let order = Mutex(Order())

        fileprivate struct Order {
            var inLine = false
            var tickets = 0
            var next = 0
            var done = 0
            var early: [Int: Answer] = [:]
            var ready: [Answer] = []
            /// The seat itself, which stays until all that is ready has been delivered.
            var owner: Seat?
        }

        fileprivate init(
            mailbox: Mailbox, delivery: DispatchQueue, deliver: @escaping @Sendable (Answer) -> Void
        ) {
            self.mailbox = mailbox
            call = Call(to: delivery)
            self.deliver = deliver
        }

        /// Takes the next answer that is ready.
        fileprivate func nextReady() -> Answer? {
            order.withLock { order in
                guard order.ready.isEmpty else { return order.ready.removeFirst() }
                order.owner = nil
                return nil
            }
        }
    }

    /// What the engine said of one frame.
    public struct Answer: Sendable {
        public let frame: Frame
        public let people: [Person]
        /// Time in the network, nanoseconds.
        public let nanoseconds: UInt64
    }

    /// Gives a camera its place.
    /// - Parameter deliver: Called on `queue`, a serial queue, once per frame, in the order of the frames.
    public func seat(
        _ mailbox: Mailbox, on queue: DispatchQueue, deliver: @escaping @Sendable (Answer) -> Void
    ) -> Seat {
        let seat = Seat(mailbox: mailbox, delivery: queue, deliver: deliver)
        seat.call.activate { [weak self, weak seat] in
            guard let seat else { return }
            while let answer = seat.nextReady() {
                seat.deliver(answer)
                seat.order.withLock { $0.done += 1 }
                seat.mailbox.finished()
                self?.wake(for: seat)
            }
        }
        return seat
    }

    /// Leaves a frame in the seat's mailbox and wakes a worker.
    /// - Returns: The frame that was dropped, if one was.
    public func submit(_ frame: Frame, at seat: Seat) -> Frame? {
        let dropped = seat.mailbox.put(frame)
        wake(for: seat)
        return dropped
    }

    /// Waits until no worker is in a frame that was taken before.
    public func drain() {
        for queue in queues { queue.sync {} }
    }

    private func wake(for seat: Seat) {
        let worker: Int? = state.withLock { state in
            enqueue(seat, in: &state) ? state.idle.popLast() : nil
        }
        if let worker { calls[worker].make() }
    }

    /// Adds the seat to the line unless it stands there already, has nothing to do, or has not taken its last answers yet:
    /// a camera whose log is stuck must not pile up answers.
    private func enqueue(_ seat: Seat, in state: inout State) -> Bool {
        let joins = seat.order.withLock { order in
            guard !order.inLine, !seat.mailbox.isEmpty, order.tickets - order.done < 2 * count + 2 else { return false }
            order.inLine = true
            return true
        }
        if joins { state.line.append(seat) }
        return joins
    }

    private func work(_ worker: Int) {
        while let (seat, frame, ticket) = next(worker) {
            let start = DispatchTime.now().uptimeNanoseconds
            loops.isEmpty ? () : loops[worker].enter("a frame of \(frame.camera)", within: patience)
            let people = detectors[worker].call(frame)
            loops.isEmpty ? () : loops[worker].rest()
            let answer = Answer(
                frame: frame, people: people, nanoseconds: DispatchTime.now().uptimeNanoseconds - start)
            hand(answer, ticket, to: seat)
        }
    }

    /// The next frame in line; nil, with the worker noted as idle, when there is none.
    private func next(_ worker: Int) -> (Seat, Frame, Int)? {
        let (found, helper): ((Seat, Frame, Int)?, Int?) = state.withLock { state in
            while !state.line.isEmpty {
                let seat = state.line.removeFirst()
                let taken: (Frame, Int)? = seat.order.withLock { order in
                    order.inLine = false
                    guard let frame = seat.mailbox.take() else { return nil }
                    order.tickets += 1
                    return (frame, order.tickets - 1)
                }
                guard let (frame, ticket) = taken else { continue }
                let more = enqueue(seat, in: &state)
                return ((seat, frame, ticket), more ? state.idle.popLast() : nil)
            }
            state.idle.append(worker)
            return (nil, nil)
        }
        if let helper { calls[helper].make() }
        return found
    }

    /// Delivers the answer and every later one that waited for it.
    private func hand(_ answer: Answer, _ ticket: Int, to seat: Seat) {
        let isReady = seat.order.withLock { order in
            order.early[ticket] = answer
            while let ready = order.early.removeValue(forKey: order.next) {
                order.next += 1
                order.ready.append(ready)
            }
            guard !order.ready.isEmpty else { return false }
            order.owner = seat
            return true
        }
        if isReady { seat.call.make() }
    }
}

/// Has a queue do the same again and again, at least once after each call.
///
/// Not a block for every frame: Dispatch leaves each block's memory with the thread that ran it, a thousand blocks to each
/// of its threads, and the threads that call get none of it back.
private final class Call: @unchecked Sendable {
    private let source: any DispatchSourceUserDataAdd

    init(to queue: DispatchQueue) { source = DispatchSource.makeUserDataAddSource(queue: queue) }

    deinit { source.cancel() }

    func activate(_ work: @escaping @Sendable () -> Void) {
        source.setEventHandler(handler: work)
        source.activate()
    }

    /// From any thread.
    func make() { source.add(data: 1) }
}

/// A detector goes with its worker's serial queue and is called nowhere else.
private struct WorkerDetector: @unchecked Sendable {
    let call: Detector
}

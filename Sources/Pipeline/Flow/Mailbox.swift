internal import Dispatch
public import Scene
internal import Synchronization

/// What stands between a camera's thread and the engine: the only place where a frame may be lost.
public final class Mailbox: Sendable {
    /// What happens to a frame that comes while others still wait.
    public enum Policy: Hashable, Sendable {
        /// Live: the newest frame wins, the one that waited is dropped.
        case latest
        /// Files: the reader waits while `capacity` frames are under way; nothing is lost.
        case every(capacity: Int)
    }

    private struct State {
        var waiting: [Frame] = []
        var isClosed = false
    }

    public let policy: Policy
    private let state = Mutex(State())
    private let room: DispatchSemaphore

    public init(_ policy: Policy) {
        self.policy = policy
        room = DispatchSemaphore(value: 0)
        if case .every(let capacity) = policy {
            precondition(capacity > 0)
            // Not as its first value: libdispatch traps when a semaphore goes away below that.
            for _ in 0..<capacity { room.signal() }
        }
    }

    /// Leaves a frame for the engine.
    ///
    /// Under `.every` this blocks until fewer than `capacity` frames are under way, counted from here to `finished()`.
    /// - Returns: The frame that was dropped for it, or the frame itself when the mailbox is closed.
    public func put(_ frame: Frame) -> Frame? {
        if policy != .latest { room.wait() }
        return state.withLock { state in
            guard !state.isClosed else { return frame }
            var dropped: Frame?
            if policy == .latest { dropped = state.waiting.popLast() }
            state.waiting.append(frame)
            return dropped
        }
    }

    /// Takes the oldest waiting frame; nil when none waits. Never blocks.
    func take() -> Frame? {
        state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
    }

    var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }

    /// Says that one frame that was put is done with.
    func finished() {
        if policy != .latest { room.signal() }
    }

    /// Wakes a reader that waits and takes no more frames.
    /// - Returns: Those that waited, which nobody will see.
    @discardableResult
    public func close() -> [Frame] {
        defer { finished() }
        return state.withLock { state in
            state.isClosed = true
            defer { state.waiting.removeAll() }
            return state.waiting
        }
    }
}

internal import CFFmpeg
internal import Glibc
internal import Synchronization

/// The way to stop a blocked source: a flag that any thread may raise, and the deadline of the call in progress.
///
/// FFmpeg asks it many times a second while it waits for the network.
public final class Interruption: Sendable {
    private let raised = Atomic<Bool>(false)
    /// Monotonic nanoseconds; `Int64.max` while no deadline runs.
    private let deadline = Atomic<Int64>(.max)
    /// Of several calls together.
    private let sharedDeadline = Atomic<Int64>(.max)

    public init() {}

    /// Makes every blocked and every later call of the source end with `IngestError.interrupted`.
    public func interrupt() { raised.store(true, ordering: .sequentiallyConsistent) }

    /// Whether `interrupt()` was called.
    public var isInterrupted: Bool { raised.load(ordering: .sequentiallyConsistent) }

    /// Whether the call in progress has used up its time.
    var isPastDeadline: Bool { monotonicNanoseconds() >= deadline.load(ordering: .relaxed) }

    /// Runs `body` so that FFmpeg gives up after `seconds`; nil sets no limit.
    func limited<Result>(to seconds: Double?, _ body: () -> Result) -> Result {
        let end = seconds.map { monotonicNanoseconds() + Int64($0 * 1e9) } ?? .max
        deadline.store(min(end, sharedDeadline.load(ordering: .relaxed)), ordering: .relaxed)
        return body()
    }

    /// Limits all calls from now on together, besides their own limits; nil ends that.
    func limitAll(to seconds: Double?) {
        let end = seconds.map { monotonicNanoseconds() + Int64($0 * 1e9) } ?? .max
        sharedDeadline.store(end, ordering: .relaxed)
    }

    /// Waits until a moment of the monotonic clock.
    func wait(until end: Int64) throws(IngestError) {
        while case let rest = end - monotonicNanoseconds(), rest > 0 {
            if isInterrupted { throw .interrupted }
            usleep(UInt32(min(rest / 1000 + 1, 50_000)))
        }
    }

    /// What libavformat calls while it waits.
    var callback: AVIOInterruptCB {
        AVIOInterruptCB(
            callback: { opaque in
                guard let opaque else { return 0 }
                let interruption = Unmanaged<Interruption>.fromOpaque(opaque).takeUnretainedValue()
                return interruption.isInterrupted || interruption.isPastDeadline ? 1 : 0
            },
            opaque: Unmanaged.passUnretained(self).toOpaque())
    }
}

/// Nanoseconds of a clock that no one sets.
func monotonicNanoseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

/// Microseconds since 1970-01-01T00:00:00Z by the machine's clock.
func wallMicroseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
}

internal import Foundation
internal import Synchronization

/// Where a replay stands.
struct ReplayProgress: Sendable, Equatable {
    var frames = 0
    /// Frames that are expected in all; nil when the container does not tell.
    var expected: Int?
    /// People in the last frame.
    var people = 0
    var seconds = 0.0

    var framesPerSecond: Double { seconds > 0 ? Double(frames) / seconds : 0 }

    /// One line of at most `width` columns: a bar, frames, frames per second, people, time left.
    func line(width: Int) -> String {
        var parts = [
            "\(frames)\(expected.map { "/\($0)" } ?? "") frames", "\(fixed(framesPerSecond, 1)) fps",
            "\(people) people",
        ]
        var bar = ""
        if let expected, expected > 0 {
            let share = min(1, Double(frames) / Double(expected))
            if frames > 0 {
                let left = Double(max(0, expected - frames)) / max(framesPerSecond, 1e-9)
                parts.append("\(clock(left)) left")
            }
            let columns = max(10, min(30, width - parts.joined(separator: "  ").count - 12))
            let full = Int(share * Double(columns))
            bar =
                "[" + String(repeating: "#", count: full) + String(repeating: ".", count: columns - full) + "] "
                + "\(Int(share * 100))%  "
        }
        return String((bar + parts.joined(separator: "  ")).prefix(width))
    }
}

/// `3:07`, `1:02:09`.
func clock(_ seconds: Double) -> String {
    let total = Int(seconds.rounded())
    let (h, m, s) = (total / 3600, total / 60 % 60, total % 60)
    let two = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return h > 0 ? "\(h):\(two(m)):\(two(s))" : "\(m):\(two(s))"
}

/// `value` with so many digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Draws the progress on a terminal, a few times a second; says nothing into a pipe.
public final class ProgressPrinter: Sendable {
    private struct State {
        var progress: ReplayProgress
        var lastDrawn = 0.0
        var drew = false
    }

    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let started = monotonicSeconds()
    private let state: Mutex<State>

    /// - Parameter expected: Frames in all, when that is known.
    public init(expected: Int?) {
        state = Mutex(State(progress: ReplayProgress(expected: expected)))
    }

    /// From any thread.
    public func show(frames: Int, people: Int) {
        guard isTerminal else { return }
        let seconds = monotonicSeconds() - started
        let line: String? = state.withLock { state in
            guard seconds - state.lastDrawn >= 0.1 else { return nil }
            (state.progress.frames, state.progress.people, state.progress.seconds) = (frames, people, seconds)
            (state.lastDrawn, state.drew) = (seconds, true)
            return state.progress.line(width: Self.terminalWidth() - 1)
        }
        if let line { Self.write("\r" + line + "\u{1B}[K") }
    }

    /// Takes the line away again, before something else is said.
    public func clear() {
        let drew = state.withLock { state in
            defer { state.drew = false }
            return state.drew
        }
        if drew { Self.write("\r\u{1B}[K") }
    }

    private static func write(_ text: String) { StandardStream.error.write(text) }

    private static func terminalWidth() -> Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
    }
}

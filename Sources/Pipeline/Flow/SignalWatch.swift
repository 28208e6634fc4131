internal import Dispatch
internal import Glibc

/// Turns Unix signals into calls on a queue, for as long as it lives.
public final class SignalWatch: @unchecked Sendable {
    private let sources: [any DispatchSourceSignal]

    /// - Parameter handler: Called on a queue of its own with the signal's number.
    public init(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "hcqd.signals")
        sources = signals.map { number in
            // The default action would end the process before the source hears of it.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }

    /// Gives a signal its default action back, so that a second Ctrl-C ends the process at once.
    public static func restoreDefault(_ number: Int32) { signal(number, SIG_DFL) }
}

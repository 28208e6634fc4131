internal import Dispatch
internal import Glibc

/// Turns Unix signals into calls on a queue, for as long as it lives.
public final class SignalWatch: @unchecked Sendable {
    private let queue = DispatchQueue(label: "hcqd.signals")
    private let box = Box()
    private let sources: [any DispatchSourceSignal]

    /// Signals that nobody takes yet. Used on `queue`.
    private final class Box: @unchecked Sendable {
        var waiting: [Int32] = []
        var handler: (@Sendable (Int32) -> Void)?

        func put(_ number: Int32) {
            if let handler { return handler(number) }
            if !waiting.contains(number) { waiting.append(number) }
        }
    }

    /// From now on these signals have no other effect; they wait, each once, until `deliver` says whom to call.
    public init(_ signals: [Int32]) {
        let (queue, box, ready) = (queue, box, DispatchGroup())
        sources = signals.map { number in
            // The default action would end the process before the source hears of it.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { box.put(number) }
            ready.enter()
            source.setRegistrationHandler { ready.leave() }
            source.resume()
            return source
        }
        // Until a thread of Dispatch's has taken a source up, its signal is ignored.
        ready.wait()
    }

    /// - Parameter handler: As of `deliver`.
    public convenience init(_ signals: [Int32], handler: @escaping @Sendable (Int32) -> Void) {
        self.init(signals)
        deliver(to: handler)
    }

    /// - Parameter handler: Called on a queue of the watch's own with the number of every signal, those that wait first.
    public func deliver(to handler: @escaping @Sendable (Int32) -> Void) {
        queue.async { [box] in
            box.handler = handler
            for number in box.waiting { handler(number) }
            box.waiting = []
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }

    /// Whether a signal has no effect, such as SIGHUP for what nohup started.
    public static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        let (found, ignored) = (action.__sigaction_handler.sa_handler, SIG_IGN)
        return unsafeBitCast(found, to: Int.self) == unsafeBitCast(ignored, to: Int.self)
    }

    /// Gives a signal its default action back, so that a second Ctrl-C ends the process at once.
    public static func restoreDefault(_ number: Int32) { signal(number, SIG_DFL) }
}

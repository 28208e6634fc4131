internal import Dispatch
internal import Events
internal import Scene
internal import Synchronization

/// Those who are told of events as they are written; they may change while cameras run.
final class EventEars: Sendable {
    let tally = HookTally()
    let presence = PresenceBoard()
    private let hooks = Mutex<EventHooks?>(nil)

    /// The hooks from now on; the old ones begin no more calls.
    func listen(_ new: EventHooks?) {
        let old = hooks.withLock { hooks in
            defer { hooks = new }
            return hooks
        }
        // A call that is running may take its time; nobody waits for it here.
        if let old { DispatchQueue.global(qos: .utility).async { old.stop() } }
    }

    /// - Parameter lines: The events' lines, in the same order.
    func hear(_ events: [Event], _ lines: [[UInt8]]) {
        presence.hear(events)
        guard !events.isEmpty, let hooks = hooks.withLock({ $0 }) else { return }
        for (event, line) in zip(events, lines) { hooks.tell(type: EventRecord.type(of: event.kind), line: line) }
    }
}

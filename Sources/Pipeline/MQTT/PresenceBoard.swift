internal import Scene
internal import Synchronization

/// How things are at every camera now, as its events tell it.
final class PresenceBoard: Sendable {
    /// Nobody there, no frames: so every camera begins.
    struct Presence {
        var isOnline = false
        /// People who are being followed.
        var people: Set<TrackID> = []
        /// People in each zone; a zone that has none may be missing.
        var zones: [String: Int] = [:]
    }

    private let cameras = Mutex<[String: Presence]>([:])

    subscript(camera: String) -> Presence { cameras.withLock { $0[camera] ?? Presence() } }

    func hear(_ events: [Event]) {
        guard !events.isEmpty else { return }
        cameras.withLock { cameras in
            for event in events { cameras[event.camera.name, default: Presence()].change(event.kind) }
        }
    }

    /// Forgets cameras that are not among these.
    func keep(only names: [String]) { cameras.withLock { $0 = $0.filter { names.contains($0.key) } } }
}

extension PresenceBoard.Presence {
    fileprivate mutating func change(_ kind: Event.Kind) {
        switch kind {
        case .start(let report): people.insert(report.track.id)
        case .end(let report, _): people.remove(report.track.id)
        case .occupancy(let zone, let count): zones[zone] = count
        case .camera(let change):
            switch change.state {
            case .online: isOnline = true
            case .offline, .stalled: isOnline = false
            default: break
            }
        default: break
        }
    }
}

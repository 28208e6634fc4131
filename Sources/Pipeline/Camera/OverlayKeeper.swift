internal import Events
internal import Rendering
internal import Scene

/// Keeps the counts that stand on pictures: people in zones, crossings of lines.
struct OverlayKeeper {
    private var zones: [Overlay.Zone]
    private var lines: [Overlay.Line]
    private let hidden: [[Point]]

    init(_ settings: EventSettings) {
        zones = settings.zones.map {
            Overlay.Zone(
                name: $0.name, polygon: $0.polygon, count: $0.purpose == .ignored || $0.purpose == .privacy ? nil : 0)
        }
        hidden = settings.zones.filter { $0.purpose == .privacy }.map(\.polygon)
        lines = settings.lines.map { Overlay.Line(name: $0.name, from: $0.a, to: $0.b, left: 0, right: 0) }
    }

    mutating func note(_ events: [Event]) {
        for event in events {
            switch event.kind {
            case .occupancy(let zone, let count):
                for i in zones.indices where zones[i].name == zone { zones[i].count = count }
            case .lineCrossed(_, let line, let direction):
                for i in lines.indices where lines[i].name == line {
                    if direction == .left { lines[i].left = (lines[i].left ?? 0) + 1 }
                    if direction == .right { lines[i].right = (lines[i].right ?? 0) + 1 }
                }
            default: break
            }
        }
    }

    /// What is drawn over one frame.
    func overlay(_ tracks: [Track], people: [Person], caption: String) -> Overlay {
        Overlay(tracks: tracks, people: people, zones: zones, lines: lines, caption: caption, hidden: hidden)
    }
}

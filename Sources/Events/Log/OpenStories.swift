internal import Scene

/// Which stories of this session the written lines have not ended, so that a recovery need not read months of logs.
struct OpenStories {
    /// Whether the last session's stories are all ended in the log.
    var isComplete = false
    /// The numbers of the lines that began them.
    private var starts: [TrackID: UInt64] = [:]
    private var counts: [String: UInt64] = [:]

    /// The number before which every story has its end; nil when none is open.
    var first: UInt64? {
        [starts.values.min(), counts.values.min()].compactMap { $0 }.min()
    }

    mutating func note(_ line: LineRing.Line) {
        switch line.event.kind {
        case .start(let report): starts[report.track.id] = line.sequence
        case .end(let report, _): starts[report.track.id] = nil
        case .occupancy(let zone, let count): counts[zone] = count == 0 ? nil : line.sequence
        default: break
        }
    }
}

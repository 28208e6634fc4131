public import Scene

/// Follows the people of one camera from frame to frame.
///
/// A plain value: it owns its ids, reads no clock, and the same people at the same times give the same tracks. What it
/// remembers is bounded by the people in view and the settings' patience.
public struct Tracker: Sendable {
    public let camera: CameraID
    public let settings: TrackerSettings
    /// The ordinal that the next confirmed track will get; ordinals rise by one and are never reused.
    public private(set) var nextOrdinal: UInt64
    /// Width over height of the frame; taken from masks where there are any.
    public var frameAspect: Double = 16.0 / 9.0

    private var tracklets: [Tracklet] = []
    private var lastTime: StreamTime?

    /// How many people are remembered, confirmed or not, in sight or not.
    public var followedCount: Int { tracklets.count }

    /// - Parameter firstOrdinal: the first ordinal that this camera has never given out.
    public init(camera: CameraID, firstOrdinal: UInt64, settings: TrackerSettings) {
        self.camera = camera
        nextOrdinal = firstOrdinal
        self.settings = settings
    }

    /// Takes the people of the next frame.
    /// - Returns: all confirmed tracks: seen, missed, and those that ended with this frame, which are never given again.
    public mutating func update(with people: [Person], at time: StreamTime) -> [Track] {
        if let size = people.lazy.compactMap(\.mask?.size).first {
            frameAspect = Double(size.width) / Double(size.height)
        }
        let dt = lastTime.map { max(0, time.seconds(since: $0)) } ?? 0
        lastTime = time
        for i in tracklets.indices { tracklets[i].predict(seconds: dt, longestStep: settings.longestStep) }
        let detections = people.filter { $0.score >= settings.weakScore && $0.box.area > 0 }.map(Detection.init)
        let unused = associate(detections, at: time, step: min(dt, settings.longestStep))
        give(birthTo: unused.map { detections[$0] }, at: time)
        confirm()
        orderByDepth(&tracklets)
        return report()
    }

    /// Ends every track.
    public mutating func finish(_ reason: EndReason) -> [Track] {
        let ended = tracklets.compactMap { $0.track(camera: camera, ended: reason, smooth: settings.smoothsBoxes) }
        tracklets = []
        lastTime = nil
        return ended
    }

    /// Confident detections first, then weak ones, then people who come back from out of sight.
    /// - Returns: the confident detections that continue no track.
    private mutating func associate(_ detections: [Detection], at time: StreamTime, step: Double) -> [Int] {
        let association = Association(settings: settings, frameAspect: frameAspect, step: step)
        let predictions = tracklets.map(Prediction.init)
        let weak = detections.indices.filter { detections[$0].person.score < settings.confidentScore }
        var openTracks = Array(tracklets.indices)
        var openConfident = detections.indices.filter { detections[$0].person.score >= settings.confidentScore }

        func settle(_ pairs: [(track: Int, detection: Int)]) {
            for pair in pairs { tracklets[pair.track].update(with: detections[pair.detection], at: time) }
            let (used, taken) = (Set(pairs.map(\.track)), Set(pairs.map(\.detection)))
            openTracks.removeAll(where: used.contains)
            openConfident.removeAll(where: taken.contains)
        }
        func similarity(_ i: Int, _ j: Int) -> Double {
            association.similarity(tracklets[i], predictions[i], detections[j])
        }
        settle(
            association.pairs(
                tracks: openTracks, detections: openConfident, least: settings.confidentSimilarity,
                similarity: similarity))
        let recent = openTracks.filter {
            tracklets[$0].isConfirmed && tracklets[$0].unseen <= max(settings.weakPatience, step)
        }
        settle(
            association.pairs(
                tracks: recent, detections: weak, least: settings.weakSimilarity, similarity: similarity))
        settle(
            association.pairs(
                tracks: openTracks.filter { tracklets[$0].isConfirmed }, detections: openConfident,
                least: settings.confidentSimilarity,
                similarity: { association.returningSimilarity(tracklets[$0], predictions[$0], detections[$1]) }))
        return openConfident
    }

    private mutating func give(birthTo detections: [Detection], at time: StreamTime) {
        for detection in detections where detection.person.score >= settings.birthScore {
            let isTwin = tracklets.contains { $0.isSeen && isSamePerson($0.detection, detection) }
            guard !isTwin else { continue }
            tracklets.append(Tracklet(detection, at: time, frameAspect: frameAspect, settings: settings.motion))
        }
    }

    /// Whether two detections of one frame are of one person: boxes that are nearly the same, or a silhouette that is mostly
    /// the other's.
    private func isSamePerson(_ a: Detection, _ b: Detection) -> Bool {
        if a.person.box.iou(b.person.box) > settings.birthOverlap { return true }
        guard let mine = a.silhouette, let other = b.silhouette else { return false }
        return mine.sharedArea(with: other) > settings.birthShare * Float(min(mine.area, other.area))
    }

    private mutating func confirm() {
        for i in tracklets.indices where !tracklets[i].isConfirmed && tracklets[i].hits >= settings.confirmingHits {
            tracklets[i].ordinal = nextOrdinal
            nextOrdinal += 1
        }
    }

    /// Reports every confirmed track and forgets those that are over.
    private mutating func report() -> [Track] {
        var tracks: [Track] = []
        var kept: [Tracklet] = []
        kept.reserveCapacity(tracklets.count)
        for tracklet in tracklets {
            let reason = endReason(of: tracklet)
            if reason == nil { kept.append(tracklet) }
            if let track = tracklet.track(camera: camera, ended: reason, smooth: settings.smoothsBoxes) {
                tracks.append(track)
            }
        }
        tracklets = kept
        return tracks
    }

    /// nil while the track lives.
    private func endReason(of tracklet: Tracklet) -> EndReason? {
        guard !tracklet.isSeen else { return nil }
        guard tracklet.isConfirmed else { return tracklet.unseen > settings.tentativePatience ? .lost : nil }
        if tracklet.isAtEdge && tracklet.unseen > settings.patienceAtEdge { return .left }
        return tracklet.exposed > settings.patience || tracklet.unseen > 3 * settings.patience ? .lost : nil
    }
}

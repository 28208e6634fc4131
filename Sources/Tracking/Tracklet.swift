import Scene

/// One followed person, confirmed or not: the tracker's memory of them.
struct Tracklet: Sendable {
    /// nil until the track is confirmed.
    var ordinal: UInt64?
    private(set) var motion: BoxMotion
    /// As last found.
    private(set) var detection: Detection
    /// Running mean of the embeddings, of length 1, or empty.
    private(set) var embedding: [Float]
    let firstSeen: StreamTime
    private(set) var lastSeen: StreamTime
    /// Detections so far.
    private(set) var hits = 1
    /// Seconds since the last detection, of which a long pause between two frames counts only in part.
    private(set) var unseen = 0.0
    /// The part of `unseen` in which nobody stood in front: seconds in which the person should have been found.
    private(set) var exposed = 0.0
    /// As of this frame; see `Track`.
    var visible: Float?
    var occludedBy: UInt64?

    init(_ detection: Detection, at time: StreamTime, frameAspect: Double, settings: MotionSettings) {
        motion = BoxMotion(box: detection.person.box, frameAspect: frameAspect, settings: settings)
        self.detection = detection
        embedding = detection.embedding
        firstSeen = time
        lastSeen = time
    }

    var isConfirmed: Bool { ordinal != nil }
    var isSeen: Bool { unseen == 0 }
    /// Where the person is expected in this frame.
    var box: Box { motion.box }
    /// The joints as last found, moved to the expected box.
    var keypoints: [Keypoint] { moved(detection.person.keypoints, from: detection.person.box, to: box) }

    mutating func predict(seconds dt: Double, longestStep: Double) {
        motion.predict(seconds: dt)
        let counted = max(min(dt, longestStep), 1e-6)
        // How much a box hides is a guess too rough to wait on: boxes are wider than people.
        let isHiddenKnown = !isSeen && detection.silhouette != nil
        exposed += isHiddenKnown ? counted * Double(visible ?? 1) : counted
        unseen += counted
    }

    mutating func update(with detection: Detection, at time: StreamTime) {
        motion.update(with: detection.person.box, trust: Double(detection.person.score))
        self.detection = detection
        lastSeen = time
        hits += 1
        (unseen, exposed) = (0, 0)
        remember(detection.embedding)
    }

    private mutating func remember(_ new: [Float]) {
        guard !new.isEmpty else { return }
        guard embedding.count == new.count else {
            embedding = new
            return
        }
        embedding = normalised(zip(embedding, new).map { 0.95 * $0 + 0.05 * $1 })
    }

    /// Whether the person was last found at the frame's edge, or is expected outside by now.
    var isAtEdge: Bool {
        let last = detection.person.box
        let margin: Float = 0.01
        let touches =
            last.x0 <= margin || last.y0 <= margin || last.x1 >= 1 - margin || last.y1 >= 1 - margin
        let expected = box
        return touches || expected.clamped().area < 0.5 * expected.area
    }

    /// - Parameters:
    ///   - ended: the reason when this is the track's last report.
    ///   - smooth: whether the filtered box is reported in place of the detected one.
    func track(camera: CameraID, ended: EndReason?, smooth: Bool) -> Track? {
        guard let ordinal else { return nil }
        var person = detection.person
        if !isSeen {
            person.keypoints = keypoints
            person.box = box
        } else if smooth {
            person.box = box
        }
        return Track(
            id: TrackID(camera: camera, ordinal: ordinal),
            state: ended.map { .ended($0) } ?? (isSeen ? .seen : .missed),
            person: person, firstSeen: firstSeen, lastSeen: lastSeen, visible: visible,
            occludedBy: occludedBy.map { TrackID(camera: camera, ordinal: $0) })
    }
}

import Glibc
import Scene

/// The rounds in which detections find their tracks. Each round is one globally optimal assignment over the pairs whose
/// similarity reaches the round's least one.
struct Association {
    let settings: TrackerSettings
    let frameAspect: Double
    /// Seconds since the last frame.
    let stepOfFrame: Double

    /// Pairs tracks with detections so that the sum of `similarity - least` is greatest.
    /// - Parameters:
    ///   - similarity: of track `i` and detection `j`, 0...1.
    func pairs(
        tracks: [Int], detections: [Int], least: Double, similarity: (_ track: Int, _ detection: Int) -> Double
    ) -> [(track: Int, detection: Int)] {
        guard !tracks.isEmpty && !detections.isEmpty else { return [] }
        var costs: [Double] = []
        costs.reserveCapacity(tracks.count * detections.count)
        for i in tracks {
            // A pair below the least similarity costs as much as no pair at all.
            for j in detections { costs.append(-max(0, similarity(i, j) - least)) }
        }
        return minimumCostAssignment(rows: tracks.count, columns: detections.count, costs: costs)
            .filter { costs[$0.row * detections.count + $0.column] < 0 }
            .map { (track: tracks[$0.row], detection: detections[$0.column]) }
    }

    /// How well a detection continues a track, from all the evidence there is, 0...1.
    ///
    /// - Parameter prediction: the track's box and joints as expected in this frame.
    func similarity(_ track: Tracklet, _ prediction: Prediction, _ detection: Detection) -> Double {
        let box = detection.person.box
        let grow = Float(min(settings.uncertaintyGrowth * track.motion.uncertainty, 0.5))
        let (gx, gy) = (grow * box.height / Float(frameAspect) / 2, grow * box.height / 2)
        let margin = Float(settings.boxMargin)
        let expected = prediction.box
        let overlap = expected.grown(x: gx + margin * expected.width, y: gy + margin * expected.height)
            .iou(box.grown(x: gx + margin * box.width, y: gy + margin * box.height))
        guard overlap > 0 else { return 0 }
        var evidence = Evidence()
        let weights = settings.weights
        var like = Double(overlap)
        if settings.heightPower > 0 {
            let (a, b) = (Double(prediction.box.height), Double(box.height))
            like *= pow(min(a, b) / max(a, b), settings.heightPower)
        }
        evidence.add(like, weight: weights.box, reliability: 1)
        if weights.joints > 0,
            let (oks, reliability) = jointSimilarity(
                prediction.keypoints, detection.person.keypoints, box: box, frameAspect: frameAspect)
        {
            evidence.add(oks, weight: weights.joints, reliability: reliability)
        }
        if weights.mask > 0, let mine = track.detection.silhouette, let other = detection.silhouette {
            let visible = Double(track.visible ?? 1)
            evidence.add(
                Double(mine.iou(movedBy: prediction.shift, other)), weight: weights.mask, reliability: visible)
        }
        if weights.embedding > 0, let likeness = likeness(track, detection) {
            evidence.add(likeness, weight: weights.embedding, reliability: 1)
        }
        return evidence.similarity - settings.staleness * (track.unseen - stepOfFrame)
    }

    /// How well a detection fits a person who was out of sight for a while: distance by the motion's uncertainty, size,
    /// and appearance, 0...1.
    func returningSimilarity(_ track: Tracklet, _ prediction: Prediction, _ detection: Detection) -> Double {
        let (expected, found) = (prediction.box, detection.person.box)
        let height = Double(max(expected.height, found.height))
        guard height > 0 else { return 0 }
        let dx = Double(expected.center.x - found.center.x) * frameAspect / height
        let dy = Double(expected.center.y - found.center.y) / height
        let spread = min(track.motion.uncertainty, 1.5) + 0.1
        let nearness = exp(-(dx * dx + dy * dy) / (2 * spread * spread))
        let size = Double(min(expected.height, found.height)) / height
        guard size > 0.6 && nearness > 0.1 else { return 0 }
        var evidence = Evidence()
        evidence.add(nearness * size, weight: settings.weights.box, reliability: 1)
        if settings.weights.embedding > 0, let likeness = likeness(track, detection) {
            evidence.add(likeness, weight: settings.weights.embedding, reliability: 1)
        }
        return evidence.similarity
    }

    /// Cosine similarity of embeddings, negative taken as 0; nil without embeddings.
    private func likeness(_ track: Tracklet, _ detection: Detection) -> Double? {
        guard !track.embedding.isEmpty, track.embedding.count == detection.embedding.count else { return nil }
        var cosine: Float = 0
        for i in 0..<track.embedding.count { cosine += track.embedding[i] * detection.embedding[i] }
        return Double(max(0, cosine))
    }
}

/// What is computed once of a track in a frame.
struct Prediction: Sendable {
    let box: Box
    let keypoints: [Keypoint]
    /// From the last found box to the expected one.
    let shift: Point

    init(_ track: Tracklet) {
        box = track.box
        keypoints = track.keypoints
        let last = track.detection.person.box.center
        shift = Point(x: box.center.x - last.x, y: box.center.y - last.y)
    }
}

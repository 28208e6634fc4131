import Glibc
import Scene

/// How well detections continue tracks.
struct Association {
    let settings: TrackerSettings
    let frameAspect: Double
    /// Seconds since the last frame, as far as they count.
    let step: Double

    /// Pairs tracks with detections so that the sum of `similarity - least` is greatest: one globally optimal assignment
    /// over the pairs that reach the least similarity.
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

    /// The mean of the evidence, 0...1, less what a track loses while nobody hides it and it is not found.
    /// - Parameter prediction: the track's box and joints as expected in this frame.
    func similarity(_ track: Tracklet, _ prediction: Prediction, _ detection: Detection) -> Double {
        let overlap = boxSimilarity(track, prediction, detection)
        guard overlap > 0 else { return 0 }
        let outOfSight = track.unseen - step
        var evidence = Evidence()
        evidence.add(overlap, weight: settings.weights.box, reliability: 1)
        addShape(to: &evidence, track, prediction, detection)
        if let likeness = likeness(track, detection) {
            if outOfSight > 0.2 && likeness < settings.returningLikeness { return 0 }
            evidence.add(likeness, weight: settings.weights.embedding, reliability: 1)
        }
        return evidence.similarity - settings.staleness * (track.exposed - step)
    }

    private func boxSimilarity(_ track: Tracklet, _ prediction: Prediction, _ detection: Detection) -> Double {
        let (expected, found) = (prediction.box, detection.person.box)
        let margin = Float(settings.boxMargin)
        let reach = Float(min(settings.uncertaintyMargin * track.motion.uncertainty, 0.5)) * found.height
        func grown(_ box: Box) -> Box {
            let (x, y) = (margin * box.width + reach / Float(frameAspect) / 2, margin * box.height + reach / 2)
            return Box(x0: box.x0 - x, y0: box.y0 - y, x1: box.x1 + x, y1: box.y1 + y)
        }
        return Double(grown(expected).iou(grown(found)))
    }

    /// Joints and mask, as they were last seen and moved to where they are expected; what they tell fades while limbs
    /// move, and a mask that was half hidden tells half as much.
    private func addShape(
        to evidence: inout Evidence, _ track: Tracklet, _ prediction: Prediction, _ detection: Detection
    ) {
        let freshness = exp(-track.unseen)
        let weights = settings.weights
        if weights.joints > 0,
            let (oks, reliability) = jointSimilarity(
                prediction.keypoints, detection.person.keypoints, box: detection.person.box, frameAspect: frameAspect)
        {
            evidence.add(oks, weight: weights.joints, reliability: reliability * freshness)
        }
        if weights.mask > 0, let mine = track.detection.silhouette, let other = detection.silhouette {
            let overlap = Double(mine.iou(movedBy: prediction.shift, other))
            evidence.add(overlap, weight: weights.mask, reliability: Double(track.visible ?? 1) * freshness)
        }
    }

    /// How well a detection fits a person who was out of sight and did not come out where expected, 0...1: likeness, size
    /// and a distance that can be walked. 0 without embeddings.
    func returningSimilarity(_ track: Tracklet, _ prediction: Prediction, _ detection: Detection) -> Double {
        guard track.unseen - step > 0.2, let likeness = likeness(track, detection),
            likeness >= settings.returningLikeness
        else { return 0 }
        let (last, found) = (track.detection.person.box, detection.person.box)
        let height = Double(max(last.height, found.height))
        let size = Double(min(last.height, found.height)) / height
        let dx = Double(prediction.box.center.x - found.center.x) * frameAspect
        let dy = Double(prediction.box.center.y - found.center.y)
        // A brisk walk is one and a half heights a second.
        let reach = (0.5 + 1.5 * track.unseen) * height
        let nearness = 1 - (dx * dx + dy * dy).squareRoot() / reach
        return size > 0.7 && nearness > 0 ? likeness * size * (1 + nearness) / 2 : 0
    }

    /// How much embeddings are alike, 0...1; nil without embeddings or when they weigh nothing.
    private func likeness(_ track: Tracklet, _ detection: Detection) -> Double? {
        guard settings.weights.embedding > 0, !track.embedding.isEmpty,
            track.embedding.count == detection.embedding.count
        else { return nil }
        var cosine: Float = 0
        for i in 0..<track.embedding.count { cosine += track.embedding[i] * detection.embedding[i] }
        return min(1, max(0, (Double(cosine) - settings.embeddingFloor) / (1 - settings.embeddingFloor)))
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

import Scene

/// How far the whole picture moved since the last frame, told from the people alone, in normalised coordinates.
///
/// Every pair of a confirmed track and a detection of like size proposes a shift; the one that brings most people onto
/// detections wins if it does so much better than no shift. People walk their own ways, so that a shift shared by three
/// or more of them is the camera's.
func cameraShift(from tracklets: [Tracklet], to detections: [Detection], frameAspect: Double) -> Point {
    let still = Point(x: 0, y: 0)
    let boxes = tracklets.filter { $0.isConfirmed && $0.unseen < 0.3 }.map(\.box)
    let found = detections.map(\.person.box)
    guard boxes.count >= 3 && found.count >= 3 else { return still }
    func score(_ shift: Point) -> Float {
        boxes.reduce(0) { sum, box in
            let moved = Box(x0: box.x0 + shift.x, y0: box.y0 + shift.y, x1: box.x1 + shift.x, y1: box.y1 + shift.y)
            return sum + (found.lazy.map { moved.iou($0) }.max() ?? 0)
        }
    }
    var (best, bestScore) = (still, score(still) + 0.15 * Float(boxes.count))
    for box in boxes {
        for other in found {
            let size = min(box.height, other.height) / max(box.height, other.height)
            let (dx, dy) = (other.center.x - box.center.x, other.center.y - box.center.y)
            let reach = box.height
            guard size > 0.8, abs(dx) * Float(frameAspect) < reach, abs(dy) < reach / 2 else { continue }
            let candidate = Point(x: dx, y: dy)
            let score = score(candidate)
            if score > bestScore { (best, bestScore) = (candidate, score) }
        }
    }
    return best
}

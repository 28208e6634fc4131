import Glibc
import Scene

/// A detection as the association sees it: the person, and what is computed once of it.
struct Detection: Sendable {
    let person: Person
    let silhouette: Silhouette?
    /// Of length 1, or empty.
    let embedding: [Float]

    init(_ person: Person) {
        self.person = person
        silhouette = person.mask.flatMap(Silhouette.init)
        embedding = normalised(person.embedding)
    }
}

/// The vector at length 1; empty when it has no length or is not finite.
func normalised(_ vector: [Float]) -> [Float] {
    let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return length > 0 && length.isFinite ? vector.map { $0 / length } : []
}

/// A weighted mean of the evidence at hand.
struct Evidence {
    private var sum = 0.0
    private var weight = 0.0

    /// - Parameters:
    ///   - similarity: 0...1.
    ///   - reliability: 0...1.
    mutating func add(_ similarity: Double, weight: Double, reliability: Double) {
        sum += similarity * weight * reliability
        self.weight += weight * reliability
    }

    /// 0...1; 0 without evidence.
    var similarity: Double { weight > 0 ? sum / weight : 0 }
}

/// Object keypoint similarity of two people's joints in one frame, 0...1, each joint weighed by the lesser of its two
/// confidences; nil without joints.
///
/// Per joint `exp(-d^2 / (2 area (2 t sigma)^2))`, COCO's definition with a tolerance t, the box's area x 0.53 standing for
/// the person's (the mean share of a COCO person's box that is silhouette).
/// - Returns: the similarity and its reliability, the mean of the weights.
func jointSimilarity(_ a: [Keypoint], _ b: [Keypoint], box: Box, frameAspect: Double) -> (Double, Double)? {
    guard a.count == Joint.allCases.count, b.count == a.count, box.area > 0 else { return nil }
    let area = Double(box.area) * 0.53
    // sigma is how far people who label joints differ. A network and a moving person differ more.
    let tolerance = 3.0
    var (sum, total) = (0.0, 0.0)
    for joint in Joint.allCases {
        let (p, q) = (a[joint.rawValue], b[joint.rawValue])
        let weight = Double(min(p.confidence, q.confidence))
        guard weight > 0 else { continue }
        let dx = Double(p.position.x - q.position.x)
        let dy = Double(p.position.y - q.position.y)
        // In units where the frame has area 1.
        let distance = dx * dx * frameAspect + dy * dy / frameAspect
        let spread = 2 * tolerance * Double(joint.sigma)
        sum += weight * exp(-distance / (2 * area * spread * spread))
        total += weight
    }
    return total > 0 ? (sum / total, total / Double(a.count)) : nil
}

/// Moves joints as `from` moves to `to`.
func moved(_ keypoints: [Keypoint], from: Box, to: Box) -> [Keypoint] {
    let (sx, sy) = (to.width / max(from.width, 1e-6), to.height / max(from.height, 1e-6))
    return keypoints.map {
        Keypoint(
            position: Point(
                x: to.x0 + ($0.position.x - from.x0) * sx, y: to.y0 + ($0.position.y - from.y0) * sy),
            confidence: $0.confidence)
    }
}

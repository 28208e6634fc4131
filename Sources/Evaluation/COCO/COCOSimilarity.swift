internal import Glibc
internal import Scene

/// Overlap of two boxes (left, top, width, height); with a crowd, the share of the detection that lies in it.
func boxOverlap(_ detection: [Double], _ truth: [Double], isCrowd: Bool) -> Double {
    let width = min(detection[0] + detection[2], truth[0] + truth[2]) - max(detection[0], truth[0])
    let height = min(detection[1] + detection[3], truth[1] + truth[3]) - max(detection[1], truth[1])
    guard width > 0 && height > 0 else { return 0 }
    let shared = width * height
    let area = detection[2] * detection[3]
    return shared / (isCrowd ? area : area + truth[2] * truth[3] - shared)
}

/// Overlap of two masks; with a crowd, the share of the detection that lies in it.
func maskOverlap(_ detection: Mask, _ truth: Mask, isCrowd: Bool) -> Double {
    let shared = detection.intersection(truth)
    guard shared > 0 else { return 0 }
    return Double(shared) / Double(isCrowd ? detection.area : detection.area + truth.area - shared)
}

/// Object keypoint similarity. Where the truth has no labelled joint, joints count by their distance from its box
/// enlarged to three times its sides.
/// - Parameters:
///   - detection: x, y, confidence of each joint.
func keypointSimilarity(_ detection: [Double], _ truth: COCOAnnotation) -> Double {
    let isLabelled = stride(from: 2, to: truth.keypoints.count, by: 3).contains { truth.keypoints[$0] > 0 }
    let box = truth.box
    let (left, right) = (box[0] - box[2], box[0] + box[2] * 2)
    let (top, bottom) = (box[1] - box[3], box[1] + box[3] * 2)
    var (sum, count) = (0.0, 0)
    for joint in Joint.allCases {
        let i = 3 * joint.rawValue
        let (x, y) = (detection[i], detection[i + 1])
        var (dx, dy) = (0.0, 0.0)
        if isLabelled {
            guard truth.keypoints[i + 2] > 0 else { continue }
            (dx, dy) = (x - truth.keypoints[i], y - truth.keypoints[i + 1])
        } else {
            dx = max(0, left - x) + max(0, x - right)
            dy = max(0, top - y) + max(0, y - bottom)
        }
        // From Scene's Float to the nearest number with three decimals.
        let spread = (Double(joint.sigma) * 1000).rounded() / 1000 * 2
        sum += exp(-(dx * dx + dy * dy) / (spread * spread) / (truth.area + Double.ulpOfOne) / 2)
        count += 1
    }
    return count > 0 ? sum / Double(count) : 0
}

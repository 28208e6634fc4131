public import Scene

/// Chooses for every track the frame that shows the person best, so that a picture of it can be written at the end.
public struct BestViews: Sendable {
    private var best: [TrackID: Float] = [:]
    private let jointConfidence: Float

    /// A view must be better by this factor, so that pictures are not copied every frame.
    private static let gain: Float = 1.1

    /// - Parameter jointConfidence: joints below it count as not seen, 0...1.
    public init(jointConfidence: Float = 0.5) { self.jointConfidence = jointConfidence }

    /// The tracks that this frame shows better than any before: keep their picture.
    public mutating func consider(_ tracks: [Track], in frame: Frame) -> [TrackID] {
        var better: [TrackID] = []
        for track in tracks {
            if case .ended = track.state { continue }
            guard track.state == .seen else { continue }
            let view = Self.score(
                track.person, visible: track.visible, sharpness: frame.input.sharpness(in: track.person.box),
                jointConfidence: jointConfidence)
            if view > (best[track.id] ?? 0) * Self.gain {
                best[track.id] = view
                better.append(track.id)
            }
        }
        return better
    }

    /// - Returns: whether a picture of this track had been kept.
    @discardableResult
    public mutating func forget(_ id: TrackID) -> Bool { best.removeValue(forKey: id) != nil }

    /// How well a frame shows a person, over 0 to 1: face joints seen, mask complete, sharp, large, and not cut by the
    /// frame's edge. Each factor can halve the score.
    static func score(_ person: Person, visible: Float?, sharpness: Float, jointConfidence: Float) -> Float {
        let face = [Joint.nose, .leftEye, .rightEye, .leftEar, .rightEar].filter {
            (person[$0]?.confidence ?? 0) >= jointConfidence
        }
        let factors = [
            person.keypoints.isEmpty ? 0.5 : Float(face.count) / 5, visible ?? 1,
            person.mask == nil ? 0.5 : min(1, person.maskScore / max(0.01, person.score)), sharpness / (sharpness + 8),
            min(1, person.box.height / 0.5), isCut(person.box) ? 0 : 1,
        ]
        return factors.reduce(person.score) { $0 * (0.5 + 0.5 * $1) }
    }

    private static func isCut(_ box: Box) -> Bool {
        box.x0 < 0.005 || box.y0 < 0.005 || box.x1 > 0.995 || box.y1 > 0.995
    }
}

extension NetworkPicture {
    /// The mean step from one pixel's green to the next inside a box of the frame, 0...255.
    func sharpness(in box: Box) -> Float {
        let box = box.clamped()
        let (left, right) = (Int(box.x0 * Float(content.width)), Int(box.x1 * Float(content.width)))
        let (top, bottom) = (Int(box.y0 * Float(content.height)), Int(box.y1 * Float(content.height)))
        guard right - left >= 2, bottom - top >= 2 else { return 0 }
        var total = 0
        for y in top..<(bottom - 1) {
            let row = pixels + (y * size.width * 3 + 1)
            for x in left..<(right - 1) {
                let green = Int(row[x * 3])
                total += abs(green - Int(row[x * 3 + 3])) + abs(green - Int(row[x * 3 + size.width * 3]))
            }
        }
        return Float(total) / Float(2 * (right - left - 1) * (bottom - top - 1))
    }
}

internal import Glibc
internal import Scene
internal import TestTools

/// A drawn person: joints and mask from a pose, a place and a height.
struct Figure {
    enum Pose {
        case standing
        case walking(phase: Float)
        case handsUp
        case sitting
        case crouched
        /// Standing, turned about the feet by so many degrees: 90 lies on the ground.
        case tilted(Float)
        /// Legs upright, torso level.
        case bending
    }

    var pose = Pose.standing
    /// Where the feet are, in frame heights from the left and from the top.
    var feet: Point
    /// In frame heights.
    var height: Float = 0.4
    var score: Float = 0.9
    /// Standard deviation of each joint's place, in heights of the person.
    var noise: Float = 0.005
    /// Joints that are hidden.
    var hidden: Set<Joint> = []

    static let size = PixelSize(width: 160, height: 120)
    static let aspect = Float(size.width) / Float(size.height)

    func person(_ luck: inout SplitMix) -> Person {
        let shape = joints()
        var places: [Joint: Point] = [:]
        // In the order of the joints: a dictionary's own hangs on where it lies in memory.
        for joint in Joint.allCases {
            guard let p = shape[joint] else { continue }
            let x = p.x + noise * height * luck.gaussian()
            places[joint] = Point(x: x, y: p.y + noise * height * luck.gaussian())
        }
        let mask = draw(places)
        let keypoints = Joint.allCases.map { joint -> Keypoint in
            let p = places[joint] ?? feet
            return Keypoint(
                position: Point(x: p.x / Self.aspect, y: p.y), confidence: hidden.contains(joint) ? 0.1 : 0.9)
        }
        return Person(
            box: mask.boundingBox ?? Box(x0: 0, y0: 0, x1: 0, y1: 0), score: score, maskScore: score,
            keypoints: keypoints, mask: mask)
    }

    /// In frame heights.
    private func joints() -> [Joint: Point] {
        shape().mapValues { p in
            var p = p
            if case .tilted(let angle) = pose {
                let radians = angle * .pi / 180
                p = Point(x: p.x * cosf(radians) + p.y * sinf(radians), y: -p.x * sinf(radians) + p.y * cosf(radians))
                p.y = max(p.y, 0.03)
            }
            return Point(x: feet.x + p.x * height, y: feet.y - p.y * height)
        }
    }

    /// In heights of the person, y up from the ground.
    private func shape() -> [Joint: Point] {
        var legs: (ankle: Point, knee: Point, hip: Point) = (
            Point(x: 0.05, y: 0.04), Point(x: 0.055, y: 0.28), Point(x: 0.06, y: 0.52)
        )
        var arms: (elbow: Point, wrist: Point) = (Point(x: 0.13, y: 0.63), Point(x: 0.13, y: 0.46))
        var torso = Point(x: 0, y: 0.3)
        var stride: Float = 0
        switch pose {
        case .standing, .tilted: break
        case .walking(let phase): stride = 0.12 * sinf(2 * .pi * phase)
        case .handsUp: arms = (Point(x: 0.15, y: 0.98), Point(x: 0.13, y: 1.14))
        case .sitting:
            legs = (Point(x: 0.08, y: 0.04), Point(x: 0.09, y: 0.27), Point(x: 0.07, y: 0.3))
            arms = (Point(x: 0.13, y: 0.41), Point(x: 0.1, y: 0.3))
        case .crouched:
            legs = (Point(x: 0.08, y: 0.04), Point(x: 0.15, y: 0.25), Point(x: 0.06, y: 0.14))
            arms = (Point(x: 0.13, y: 0.3), Point(x: 0.1, y: 0.2))
            torso = Point(x: 0.05, y: 0.28)
        case .bending:
            torso = Point(x: 0.29, y: 0.03)
            arms = (Point(x: 0.3, y: 0.4), Point(x: 0.3, y: 0.25))
        }
        let neck = Point(x: torso.x, y: legs.hip.y + torso.y)
        let up = Point(x: torso.x / 0.3, y: torso.y / 0.3)
        func both(_ left: Joint, _ right: Joint, _ p: Point, swing: Float = 0) -> [(Joint, Point)] {
            [(left, Point(x: p.x + swing, y: p.y)), (right, Point(x: -p.x - swing, y: p.y))]
        }
        var all = both(.leftAnkle, .rightAnkle, legs.ankle, swing: stride)
        all += both(.leftKnee, .rightKnee, legs.knee, swing: stride / 2) + both(.leftHip, .rightHip, legs.hip)
        all += [
            (.leftShoulder, Point(x: neck.x + 0.1 * up.y, y: neck.y)),
            (.rightShoulder, Point(x: neck.x - 0.1 * up.y, y: neck.y)),
        ]
        all += both(.leftElbow, .rightElbow, arms.elbow) + both(.leftWrist, .rightWrist, arms.wrist)
        for (joint, side, along) in [
            (Joint.nose, Float(0), Float(0.11)), (.leftEye, 0.02, 0.13), (.rightEye, -0.02, 0.13),
            (.leftEar, 0.04, 0.12),
            (.rightEar, -0.04, 0.12),
        ] {
            all.append((joint, Point(x: neck.x + along * up.x + side * up.y, y: neck.y + along * up.y)))
        }
        return Dictionary(uniqueKeysWithValues: all)
    }

    /// Bones as thick lines.
    private func draw(_ joints: [Joint: Point]) -> Mask {
        let (width, rows) = (Self.size.width, Self.size.height)
        var bitmap = [UInt8](repeating: 0, count: width * rows)
        let scale = Float(rows)
        for (a, b) in Joint.skeleton {
            guard let p = joints[a], let q = joints[b] else { continue }
            let radius = max(1, 0.05 * height * scale)
            let steps = max(1, Int(hypotf(q.x - p.x, q.y - p.y) * scale))
            for step in 0...steps {
                let t = Float(step) / Float(steps)
                let (x, y) = ((p.x + t * (q.x - p.x)) * scale, (p.y + t * (q.y - p.y)) * scale)
                for row in min(rows, max(0, Int(y - radius)))..<max(0, min(rows, Int(y + radius) + 1)) {
                    for column in min(width, max(0, Int(x - radius)))..<max(0, min(width, Int(x + radius) + 1)) {
                        let (dx, dy) = (Float(column) + 0.5 - x, Float(row) + 0.5 - y)
                        if dx * dx + dy * dy <= radius * radius { bitmap[row * width + column] = 1 }
                    }
                }
            }
        }
        return Mask(size: Self.size, bitmap: bitmap)
    }
}

extension SplitMix {
    /// Mean 0, standard deviation 1, by Box and Muller 1958.
    mutating func gaussian() -> Float {
        let (u, v) = (Float.random(in: .leastNonzeroMagnitude..<1, using: &self), Float.random(in: 0..<1, using: &self))
        return (-2 * logf(u)).squareRoot() * cosf(2 * .pi * v)
    }
}

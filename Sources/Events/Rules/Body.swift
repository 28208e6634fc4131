internal import Scene

/// The joints of one person that were seen, in frame heights (x grows with the frame's aspect), and what follows from
/// them.
///
/// Seen means: confident enough, inside the picture, and in or near the person's box and mask.
struct Body {
    private var joints: [Joint: Point] = [:]

    init(_ person: Person, jointConfidence: Float, aspect: Float) {
        for joint in Joint.allCases {
            guard let keypoint = person[joint], keypoint.confidence >= jointConfidence else { continue }
            let p = keypoint.position
            guard (0...1).contains(p.x), (0...1).contains(p.y) else { continue }
            guard person.isNear(p) else { continue }
            joints[joint] = Point(x: p.x * aspect, y: p.y)
        }
    }

    subscript(joint: Joint) -> Point? { joints[joint] }

    /// The middle of those of two joints that were seen.
    func middle(_ left: Joint, _ right: Joint) -> Point? {
        switch (joints[left], joints[right]) {
        case (let a?, let b?): Point(x: (a.x + b.x) / 2, y: (a.y + b.y) / 2)
        case (let a?, nil): a
        case (nil, let b?): b
        case (nil, nil): nil
        }
    }

    /// From the hips to the shoulders; from one side's pair when only that was seen.
    var torso: Segment? {
        let pairs = [(Joint.leftHip, Joint.leftShoulder), (.rightHip, .rightShoulder)].compactMap { hip, shoulder in
            joints[hip].flatMap { hip in joints[shoulder].map { (hip, $0) } }
        }
        guard !pairs.isEmpty else { return nil }
        let n = Float(pairs.count)
        let hip = Point(x: pairs.reduce(0) { $0 + $1.0.x } / n, y: pairs.reduce(0) { $0 + $1.0.y } / n)
        let shoulder = Point(x: pairs.reduce(0) { $0 + $1.1.x } / n, y: pairs.reduce(0) { $0 + $1.1.y } / n)
        return Segment(from: hip, to: shoulder)
    }

    /// Whether the left shoulder is on the picture's right; also where that cannot be seen.
    var facesCamera: Bool {
        guard let left = joints[.leftShoulder], let right = joints[.rightShoulder] else { return true }
        return left.x >= right.x
    }

    /// A leg whose hip and knee were seen, with its ankle where that was seen too.
    struct Leg {
        let hip: Point
        let knee: Point
        let ankle: Point?

        /// The angle at the knee in degrees: 180 for a straight leg; nil without the ankle.
        var kneeAngle: Float? {
            guard let ankle else { return nil }
            let (thigh, shank) = (Segment(from: knee, to: hip), Segment(from: knee, to: ankle))
            return abs(Segment.turn(thigh, shank))
        }
    }

    var legs: [Leg] {
        [(Joint.leftHip, Joint.leftKnee, Joint.leftAnkle), (.rightHip, .rightKnee, .rightAnkle)].compactMap {
            guard let hip = joints[$0.0], let knee = joints[$0.1] else { return nil }
            return Leg(hip: hip, knee: knee, ankle: joints[$0.2])
        }
    }
}

/// From one point to another, in frame heights.
struct Segment {
    let from: Point
    let to: Point

    var length: Float { (dx * dx + dy * dy).squareRoot() }

    /// Degrees from straight up: 0 up, 90 level, 180 down.
    var tilt: Float { degrees(dy: abs(dx), dx: -dy) }

    private var dx: Float { to.x - from.x }
    private var dy: Float { to.y - from.y }

    /// Degrees between two directions, 0...180.
    static func turn(_ a: Segment, _ b: Segment) -> Float {
        let dot = a.dx * b.dx + a.dy * b.dy
        let cross = a.dx * b.dy - a.dy * b.dx
        return degrees(dy: abs(cross), dx: dot)
    }
}

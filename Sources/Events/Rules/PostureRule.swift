internal import Scene

/// What one frame says of a person's posture, from joints that were seen; nil rather than a guess.
///
/// Lengths are compared with the torso's, heights with the vertical, so that a person's distance does not matter. A
/// torso that points at the camera looks short and says nothing.
enum PostureRule {
    static func posture(of person: Person, jointConfidence: Float, aspect: Float) -> Posture? {
        let body = Body(person, jointConfidence: jointConfidence, aspect: aspect)
        guard let torso = body.torso, torso.length >= shortestTorso * bodySize(person, aspect) else { return nil }
        if isLying(body, torso) { return .lying }
        guard torso.tilt <= 45 else { return nil }
        if areHandsUp(body, torso) { return .handsUp }
        return stance(body, torso)
    }

    /// As a share of the box's longer side; 0.3 is usual for a person seen from the side or the front.
    private static let shortestTorso: Float = 0.12

    private static func bodySize(_ person: Person, _ aspect: Float) -> Float {
        max(person.box.height, person.box.width * aspect)
    }

    /// Torso and legs are nearer to level than to upright, and the body as a whole is.
    private static func isLying(_ body: Body, _ torso: Segment) -> Bool {
        guard (60...120).contains(torso.tilt), !body.legs.isEmpty else { return false }
        let shoulder = torso.to
        return body.legs.allSatisfy { leg in
            let thigh = Segment(from: leg.knee, to: leg.hip)
            let whole = Segment(from: leg.ankle ?? leg.knee, to: shoulder)
            return (45...135).contains(thigh.tilt) && (60...120).contains(whole.tilt)
        }
    }

    /// Both wrists above the face (or well above the shoulders where no face was seen) and above their elbows.
    private static func areHandsUp(_ body: Body, _ torso: Segment) -> Bool {
        guard let left = body[.leftWrist], let right = body[.rightWrist], let leftElbow = body[.leftElbow],
            let rightElbow = body[.rightElbow]
        else { return false }
        let face = [Joint.nose, .leftEye, .rightEye, .leftEar, .rightEar].compactMap { body[$0]?.y }.min()
        let level = face ?? torso.to.y - 0.45 * torso.length
        return max(left.y, right.y) < level && left.y < leftElbow.y && right.y < rightElbow.y
    }

    /// By how far the hips are above the ankles (a standing person's legs are about 1.6 torsos long) and how far the
    /// knees are below the hips.
    private static func stance(_ body: Body, _ torso: Segment) -> Posture? {
        let stances = body.legs.map { leg -> Posture? in
            let thighDrop = (leg.knee.y - leg.hip.y) / torso.length
            guard let ankle = leg.ankle, let angle = leg.kneeAngle else {
                if thighDrop > 0.7, torso.tilt < 30 { return .upright }
                return nil
            }
            let hipHeight = (ankle.y - leg.hip.y) / torso.length
            let shankDrop = (ankle.y - leg.knee.y) / torso.length
            if hipHeight > 1.2, thighDrop > 0.45, angle > 125 { return .upright }
            if hipHeight < 0.6, angle < 100, thighDrop < 0.4 { return .crouched }
            if (0.55...1.15).contains(hipHeight), thighDrop < 0.45, shankDrop > 0.4 { return .sitting }
            return nil
        }
        guard let first = stances.first ?? nil else { return stances.count == 2 ? stances[1].flatMap(alone) : nil }
        guard stances.count == 2 else { return first }
        guard let second = stances[1] else { return alone(first) }
        if first == second { return first }
        // One leg straight and the other bent: walking, running, stepping up.
        return first == .upright || second == .upright ? .upright : nil
    }

    /// What one leg says while the other says nothing: a person on one straight leg stands, but a single bent leg may
    /// be anything.
    private static func alone(_ posture: Posture) -> Posture? { posture == .upright ? .upright : nil }
}

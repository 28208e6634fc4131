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
        return stance(body, torso, isCut: person.box.y1 > 0.985)
    }

    /// As a share of the box's longer side; 0.3 is usual for a person seen from the side or the front.
    private static let shortestTorso: Float = 0.12

    private static func bodySize(_ person: Person, _ aspect: Float) -> Float {
        max(person.box.height, person.box.width * aspect)
    }

    /// The torso is nearer to level than to upright, so is the line from feet to shoulders, and the feet are about as high
    /// as the hips: knees may be drawn up, but nobody stands or squats like that.
    private static func isLying(_ body: Body, _ torso: Segment) -> Bool {
        let legs = body.legs
        guard (60...120).contains(torso.tilt), !legs.isEmpty else { return false }
        let drops = legs.map { leg in
            let end = leg.ankle ?? leg.knee
            return abs(end.y - leg.hip.y) / torso.length
        }
        return drops.reduce(0, +) / Float(drops.count) < 0.45
            && legs.allSatisfy { (60...120).contains(Segment(from: $0.ankle ?? $0.knee, to: torso.to).tilt) }
    }

    /// Both elbows above their shoulders, both wrists well above them and above the elbows, one of them at least as high as
    /// a head. Arms that are stretched out sideways for balance are not up.
    private static func areHandsUp(_ body: Body, _ torso: Segment) -> Bool {
        let arms = [
            (Joint.leftShoulder, Joint.leftElbow, Joint.leftWrist), (.rightShoulder, .rightElbow, .rightWrist),
        ].compactMap { shoulder, elbow, wrist -> (elbow: Float, wrist: Float)? in
            guard let shoulder = body[shoulder], let elbow = body[elbow], let wrist = body[wrist] else { return nil }
            return ((shoulder.y - elbow.y) / torso.length, (shoulder.y - wrist.y) / torso.length)
        }
        guard arms.count == 2 else { return false }
        return arms.allSatisfy { $0.elbow > 0 && $0.wrist > max(0.4, $0.elbow) } && arms.contains { $0.wrist > 0.5 }
    }

    private enum Stance {
        case straight
        case seated
        case squatting
    }

    /// What the legs do; two legs that were seen must not contradict each other.
    /// - Parameter isCut: whether the picture's lower edge cuts the person: a knee without its ankle, or with one at that edge, may be a
    ///   guess then.
    private static func stance(_ body: Body, _ torso: Segment, isCut: Bool) -> Posture? {
        let legs = body.legs
        let stances = legs.map { leg in
            let stance = stance(of: leg, torso, facesCamera: body.facesCamera)
            return isCut && leg.ankle.map { $0.y > 0.95 } ?? true && stance == .seated ? nil : stance
        }
        // One leg straight and the other bent: walking, running, stepping up.
        if stances.contains(.straight) {
            let other = stances.first { $0 != .straight } ?? nil
            return other == .squatting ? nil : .upright
        }
        if stances.contains(.seated) {
            // Of two legs the other one may be in between: foreshortened, crossed, or stretched a little.
            let agree = zip(legs, stances).allSatisfy { $1 == .seated || ($1 == nil && isHalfSeated($0, torso)) }
            return agree ? .sitting : nil
        }
        return !legs.isEmpty && stances.allSatisfy { $0 == .squatting } ? .crouched : nil
    }

    private static func isHalfSeated(_ leg: Body.Leg, _ torso: Segment) -> Bool {
        let thighDrop = (leg.knee.y - leg.hip.y) / torso.length
        guard let ankle = leg.ankle, let angle = leg.kneeAngle else { return thighDrop > -0.3 && thighDrop < 0.45 }
        let (hipHeight, shankDrop) = ((ankle.y - leg.hip.y) / torso.length, (ankle.y - leg.knee.y) / torso.length)
        return thighDrop < 0.5 && angle < 150 && hipHeight < 1.3 && shankDrop > 0.3
    }

    /// By how far the knee is below the hip and the ankle below both, in torsos, and by the angle at the knee; a standing
    /// person's legs are about 1.6 torsos long. The limits were chosen on COCO's labelled people, see
    /// `LabelledPosturesTests`.
    private static func stance(of leg: Body.Leg, _ torso: Segment, facesCamera: Bool) -> Stance? {
        let thighDrop = (leg.knee.y - leg.hip.y) / torso.length
        guard let ankle = leg.ankle, let angle = leg.kneeAngle else {
            if thighDrop > 0.58, torso.tilt < 25 { return .straight }
            return thighDrop < 0.3 && thighDrop > -0.3 ? .seated : nil
        }
        let hipHeight = (ankle.y - leg.hip.y) / torso.length
        let shank = Segment(from: leg.knee, to: ankle)
        let shankDrop = (ankle.y - leg.knee.y) / torso.length
        // A thigh that points at the camera looks short: sitting, seen from the front. From behind it is a camera from above.
        let isForeshortened = facesCamera && Segment(from: leg.hip, to: leg.knee).length < 0.55 * shank.length
        if thighDrop > 0.45, !isForeshortened, hipHeight > 1.2 && angle > 125 || hipHeight > 0.9 && angle > 150 {
            return .straight
        }
        if hipHeight < 0.6 {
            if thighDrop < 0, shankDrop > 0.6, angle < 100 { return .squatting }
            return thighDrop < 0.3 && shankDrop > 0 && shankDrop < 0.5 ? .seated : nil
        }
        return (isForeshortened || thighDrop < 0.43 && angle < 150) && shankDrop > 0.4 ? .seated : nil
    }
}

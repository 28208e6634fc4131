/// COCO's 17 joints, in COCO's order.
public enum Joint: Int, CaseIterable, Sendable {
    case nose, leftEye, rightEye, leftEar, rightEar, leftShoulder, rightShoulder, leftElbow, rightElbow
    case leftWrist, rightWrist, leftHip, rightHip, leftKnee, rightKnee, leftAnkle, rightAnkle

    /// COCO's standard deviation of an annotator's click on this joint, relative to the object's scale.
    ///
    /// Object keypoint similarity is `exp(-d^2 / (2 area (2 sigma)^2))` per joint. Source: cocodataset.org, keypoints
    /// evaluation; pycocotools' `kpt_oks_sigmas`.
    public var sigma: Float { Self.sigmas[rawValue] }

    private static let sigmas: [Float] = [
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
        0.089,
    ]

    /// The bones between joints, for drawing.
    public static let skeleton: [(Joint, Joint)] = [
        (.leftAnkle, .leftKnee), (.leftKnee, .leftHip), (.rightAnkle, .rightKnee), (.rightKnee, .rightHip),
        (.leftHip, .rightHip), (.leftShoulder, .leftHip), (.rightShoulder, .rightHip), (.leftShoulder, .rightShoulder),
        (.leftShoulder, .leftElbow), (.rightShoulder, .rightElbow), (.leftElbow, .leftWrist),
        (.rightElbow, .rightWrist), (.leftEye, .rightEye), (.nose, .leftEye), (.nose, .rightEye), (.leftEye, .leftEar),
        (.rightEye, .rightEar), (.leftEar, .leftShoulder), (.rightEar, .rightShoulder),
    ]
}

/// One joint of one person.
public struct Keypoint: Hashable, Sendable {
    /// Normalised image coordinates; may lie outside the box and outside the picture.
    public var position: Point
    /// 0...1: how far the network trusts the position.
    public var confidence: Float

    public init(position: Point, confidence: Float) {
        self.position = position
        self.confidence = confidence
    }
}

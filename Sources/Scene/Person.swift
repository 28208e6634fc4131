/// One query's answer: everything the network says of one person in one frame.
public struct Person: Sendable {
    /// Normalised to the frame as a viewer sees it, not to the padded input.
    public var box: Box
    /// Detection score, 0...1; it ranks boxes.
    public var score: Float
    /// Segmentation score, 0...1: detection score x mean mask probability inside the mask; 0 without a mask.
    public var maskScore: Float
    /// The 17 joints in COCO's order, or empty for a network without a pose head and for plain boxes.
    public var keypoints: [Keypoint]
    /// At the frame's size; nil when no mask was asked for or the source has none.
    public var mask: Mask?
    /// The decoder embedding of the query, D numbers; empty when the source has none.
    public var embedding: [Float]

    public init(
        box: Box, score: Float, maskScore: Float = 0, keypoints: [Keypoint] = [], mask: Mask? = nil,
        embedding: [Float] = []
    ) {
        self.box = box
        self.score = score
        self.maskScore = maskScore
        self.keypoints = keypoints
        self.mask = mask
        self.embedding = embedding
    }

    /// Pose score, 0...1: detection score x mean joint confidence, which ranks joints; 0 without joints.
    public var poseScore: Float {
        keypoints.isEmpty ? 0 : score * keypoints.reduce(0) { $0 + $1.confidence } / Float(keypoints.count)
    }

    /// nil when this person has no joints.
    public subscript(joint: Joint) -> Keypoint? {
        joint.rawValue < keypoints.count ? keypoints[joint.rawValue] : nil
    }
}

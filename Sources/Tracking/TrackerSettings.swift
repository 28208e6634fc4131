/// How people are followed across frames.
///
/// Times are in seconds of the stream, lengths in heights of the person, so that the same settings hold for any frame
/// rate and any distance.
public struct TrackerSettings: Codable, Sendable, Equatable {
    /// Detections from this score on are matched first and may start a track, 0...1.
    public var confidentScore: Float = 0.5
    /// Detections below this score are ignored; those between it and `confidentScore` only continue tracks, 0...1.
    public var weakScore: Float = 0.1
    /// A new track needs a detection of at least this score, 0...1.
    public var birthScore: Float = 0.6
    /// So many detections confirm a track.
    public var confirmingHits: Int = 3
    /// A confirmed track that is not found for so long is over, seconds.
    public var patience: Double = 2
    /// A person who is last seen at the frame's edge on the way out is over after so long, seconds.
    public var patienceAtEdge: Double = 0.6
    /// A track that is not confirmed yet may be missing for so long, seconds.
    public var tentativePatience: Double = 0.25
    /// Of a pause between two frames only so much counts as time without being found, seconds.
    public var longestStep: Double = 0.5
    /// Least similarity for a confident detection, 0...1.
    public var confidentSimilarity: Double = 0.2
    /// Least similarity for a weak detection, 0...1.
    public var weakSimilarity: Double = 0.35
    /// Least similarity for a person who was out of sight, 0...1.
    public var returningSimilarity: Double = 0.3

    /// A detection that overlaps a person found in the same frame by more starts no track, 0...1.
    public var birthOverlap: Double = 1
    /// Boxes are compared after growing by this share of the motion's uncertainty.
    public var uncertaintyGrowth: Double = 1
    /// Boxes are compared after growing by this share of their own size on every side.
    public var boxMargin: Double = 0
    /// A track that was not found for a while is less like any detection: by this much a second.
    public var staleness: Double = 0
    /// How much unlike heights count against a pair: the exponent of the ratio of heights.
    public var heightPower: Double = 0
    /// Whether the common shift of all people is taken for a movement of the camera.
    public var followsCamera = false
    /// Whether confirmed tracks choose before others.
    public var confirmedFirst = false
    /// Weak detections only continue tracks seen within so many seconds.
    public var weakPatience: Double = 0.5

    /// What each kind of evidence weighs in the similarity of a track and a detection; each is multiplied with its own
    /// reliability, and evidence that is missing weighs nothing.
    public var weights = Weights()
    public var motion = MotionSettings()

    public init() {}

    /// For detections that are boxes with scores and nothing else.
    public static let boxesOnly = TrackerSettings()

    public struct Weights: Codable, Sendable, Equatable {
        /// Overlap of predicted and detected box.
        public var box: Double = 1
        /// Object keypoint similarity of predicted and detected joints.
        public var joints: Double = 1
        /// Overlap of the last mask, moved to its predicted place, with the detected mask.
        public var mask: Double = 1
        /// Cosine similarity of query embeddings.
        public var embedding: Double = 0.5

        public init() {}
    }
}

/// How people are expected to move.
public struct MotionSettings: Codable, Sendable, Equatable {
    /// Spectral density of a person's acceleration, heights^2 / seconds^3.
    public var acceleration: Double = 1
    /// The same of the growth of the box.
    public var growth: Double = 0.05
    /// Standard deviation of a detected centre, heights.
    public var positionNoise: Double = 0.05
    /// Standard deviation of a detected width or height, heights.
    public var sizeNoise: Double = 0.08
    /// A velocity that nobody observes fades with this time constant, seconds.
    public var persistence: Double = 2

    public init() {}
}

public import Scene

/// How people are followed across frames.
///
/// Times are in seconds of the stream, lengths in heights of the person, so that the same settings hold for any frame
/// rate and any distance.
public struct TrackerSettings: Codable, Sendable, Equatable, CheckedSettings {
    /// Detections from this score on are matched first, 0...1.
    public var confidentScore: Float = 0.5
    /// Detections below this score are ignored; those between it and `confidentScore` only continue tracks, 0...1.
    public var weakScore: Float = 0.3
    /// A new track needs a detection of at least this score, 0...1.
    public var birthScore: Float = 0.6
    /// A detection that overlaps a person found in the same frame by more starts no track, 0...1.
    public var birthOverlap: Float = 0.7
    /// Nor does one of whose silhouette, or of the other's, they share a greater part, 0...1.
    public var birthShare: Float = 0.5
    /// So many detections confirm a track.
    public var confirmingHits: Int = 2
    /// A confirmed track that is not found for so long is over, seconds; time behind somebody else does not count, up to
    /// three times as long.
    public var patience: Double = 3
    /// A person last found at the frame's edge is over after so long, seconds.
    public var patienceAtEdge: Double = 0.6
    /// A track that is not confirmed yet may be missing for so long, seconds.
    public var tentativePatience: Double = 0.25
    /// Weak detections continue only tracks found within so many seconds.
    public var weakPatience: Double = 0.1
    /// Of a pause between two frames only so much counts as time without being found, seconds.
    public var longestStep: Double = 0.5

    /// Least similarity for a confident detection, 0...1.
    public var confidentSimilarity: Double = 0.25
    /// Least similarity for a weak detection, 0...1.
    public var weakSimilarity: Double = 0.25
    /// A person who is not found although nobody stands in front is less like any detection by this much a second.
    public var staleness: Double = 0.1
    /// Boxes are compared after growing by this share of their size on every side...
    public var boxMargin: Double = 0.15
    /// ...and by this share of the standard deviation of the predicted place.
    public var uncertaintyMargin: Double = 0.5
    /// The cosine similarity of embeddings that says nothing: between people of one picture the network's is mostly below
    /// 0.9, for one person from frame to frame above 0.95. Likeness is 0 here and below, and 1 at a cosine of 1.
    public var embeddingFloor: Double = 0.85
    /// Whoever was out of sight must look at least so much like before: likeness, 0...1.
    public var returningLikeness: Double = 0.4
    /// Whether tracks report the filtered box in place of the detected one.
    public var smoothsBoxes = false

    public var weights = EvidenceWeights()
    public var motion = MotionSettings()

    public init() {}

    public func problems() -> [SettingProblem] {
        let scores = [
            ("confident_score", confidentScore), ("weak_score", weakScore), ("birth_score", birthScore),
            ("birth_overlap", birthOverlap), ("birth_share", birthShare),
        ].map { SettingProblem.outside(0...1, $0, $1) }
        let shares = [
            ("confident_similarity", confidentSimilarity), ("weak_similarity", weakSimilarity),
            ("returning_likeness", returningLikeness),
        ].map { SettingProblem.outside(0...1, $0, $1) }
        let seconds = [
            ("patience", patience), ("patience_at_edge", patienceAtEdge), ("tentative_patience", tentativePatience),
            ("weak_patience", weakPatience),
        ].map { SettingProblem.outside(0...3600, $0, $1, unit: "seconds") }
        let others = [
            SettingProblem.outside(1...1000, "confirming_hits", confirmingHits),
            SettingProblem.outside(0.001...3600, "longest_step", longestStep, unit: "seconds"),
            SettingProblem.outside(0...1000, "staleness", staleness),
            SettingProblem.outside(0...10, "box_margin", boxMargin),
            SettingProblem.outside(0...10, "uncertainty_margin", uncertaintyMargin),
            SettingProblem.outside(0...0.999, "embedding_floor", embeddingFloor),
        ]
        return (scores + shares + seconds + others).compactMap { $0 }
            + weights.problems().map { $0.under("weights") } + motion.problems().map { $0.under("motion") }
    }

    /// For detections that are boxes with scores and nothing else, such as MOTChallenge's public ones.
    public static let boxesOnly: TrackerSettings = {
        var settings = TrackerSettings()
        settings.confidentScore = 0.7
        settings.weakScore = 0.55
        settings.birthScore = 0.85
        settings.patience = 1.5
        settings.smoothsBoxes = true
        settings.staleness = 0.4
        settings.motion.acceleration = 0.75
        settings.motion.growthPersistence = 5
        return settings
    }()
}

/// What each kind of evidence weighs in the similarity of a track and a detection.
///
/// The similarity is the mean of the kinds at hand, each weighed by this and by its own reliability; a kind that is
/// missing weighs nothing.
public struct EvidenceWeights: Codable, Sendable, Equatable {
    /// Overlap of predicted and detected box.
    public var box: Double = 1
    /// Object keypoint similarity of predicted and detected joints.
    public var joints: Double = 0.6
    /// Overlap of the last mask, moved to its predicted place, with the detected mask.
    public var mask: Double = 0.5
    /// Likeness of query embeddings.
    public var embedding: Double = 1.5

    public init() {}

    func problems() -> [SettingProblem] {
        let all = [("box", box), ("joints", joints), ("mask", mask), ("embedding", embedding)]
        if all.allSatisfy({ $0.1 == 0 }) {
            return [SettingProblem(path: [], found: "nothing but 0", allowed: "at least one kind of evidence over 0")]
        }
        return all.compactMap { SettingProblem.outside(0...1000, $0, $1) }
    }
}

/// How people are expected to move.
public struct MotionSettings: Codable, Sendable, Equatable {
    /// Spectral density of a person's acceleration, heights^2 / seconds^3.
    public var acceleration: Double = 0.4
    /// The same of the growth of the box.
    public var growth: Double = 0.05
    /// Standard deviation of a detected centre, heights.
    public var positionNoise: Double = 0.04
    /// Standard deviation of a detected width or height, heights.
    public var sizeNoise: Double = 0.08
    /// A velocity that nobody observes fades with this time constant, seconds.
    public var persistence: Double = 5
    /// The same of the growth of the box: who is out of sight keeps about the size that was last seen.
    public var growthPersistence: Double = 0.5

    public init() {}

    func problems() -> [SettingProblem] {
        [
            ("acceleration", acceleration), ("growth", growth), ("position_noise", positionNoise),
            ("size_noise", sizeNoise),
            ("persistence", persistence), ("growth_persistence", growthPersistence),
        ].compactMap { SettingProblem.outside(0.0001...3600, $0, $1) }
    }
}

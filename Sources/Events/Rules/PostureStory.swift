internal import Scene

/// One person's posture over time.
struct PostureStory: Sendable {
    private(set) var current: Posture?

    mutating func observe(
        _ person: Person, at time: StreamTime, settings: EventSettings, aspect: Float
    ) -> (posture: Posture, since: StreamTime)? {
        nil
    }
}

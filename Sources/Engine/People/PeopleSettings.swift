/// What becomes a `Person`.
public struct PeopleSettings: Codable, Equatable, Sendable {
    /// Queries with a detection score below this are dropped, 0...1.
    public var scoreThreshold: Float = 0.5
    /// Whether people get a mask at the frame's size.
    public var masks = true

    public init() {}
}

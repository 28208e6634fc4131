public import Scene

/// What is done to the network's people before they are tracked: mistakes lose score, ignored and private places are
/// empty.
///
/// Where box, mask and joints of one query tell of different things, it is often a poster, a coat or a reflection. Only
/// what the network gives is compared: without masks or without joints nothing is held against a person.
public struct PersonFilter: Sendable {
    private let jointConfidence: Float
    private let veto: Bool
    private let closed: [Polygon]

    /// A disagreement multiplies the score by so much.
    public static let penalty: Float = 0.5
    /// Less of the box than this is mask: a box without mask.
    static let leastMaskShare: Float = 0.08
    /// Fewer joints than this were seen: a mask without skeleton.
    static let leastJoints = 2
    /// Less of the seen joints than this lies in or near the mask: a skeleton outside its mask.
    static let leastJointShare: Float = 0.5

    /// - Precondition: `settings` are valid.
    public init(settings: EventSettings) {
        jointConfidence = settings.jointConfidence
        veto = settings.veto
        closed = settings.zones.filter { $0.purpose == .ignored || $0.purpose == .privacy }.map { Polygon($0.polygon) }
    }

    public func callAsFunction(_ people: [Person]) -> [Person] {
        let hasMasks = people.contains { $0.mask?.isEmpty == false }
        return people.compactMap { person in
            let ground = GroundPoint(of: person, jointConfidence: jointConfidence).point
            guard !closed.contains(where: { $0.contains(ground) }) else { return nil }
            guard veto else { return person }
            var person = person
            let count = disagreements(person, hasMasks: hasMasks)
            for _ in 0..<count { person.score *= Self.penalty }
            return person
        }
    }

    /// - Parameter hasMasks: whether masks were asked for, so that a missing one means something.
    func disagreements(_ person: Person, hasMasks: Bool) -> Int {
        var count = 0
        let seen = person.keypoints.filter { $0.confidence >= jointConfidence }
        guard let mask = person.mask, !mask.isEmpty else { return hasMasks ? 1 : 0 }
        let pixels = Float(mask.size.width * mask.size.height)
        if Float(mask.area) < Self.leastMaskShare * person.box.area * pixels { count += 1 }
        if person.keypoints.isEmpty { return count }
        if seen.count < Self.leastJoints { return count + 1 }
        let margin = 0.1 * person.box.height
        let near = seen.filter { mask.touches($0.position, within: margin) }.count
        if Float(near) < Self.leastJointShare * Float(seen.count) { count += 1 }
        return count
    }
}

internal import Scene

/// A camera's zones and lines, made ready for questions.
struct Places: Sendable {
    struct Zone: Sendable {
        let settings: ZoneSettings
        let polygon: Polygon
        /// The zone's pixels at the frame's size, for zones that look at masks.
        fileprivate(set) var mask: Mask?
    }

    private(set) var zones: [Zone]
    let lines: [LineSettings]

    init(_ settings: EventSettings) {
        zones = settings.zones.map { Zone(settings: $0, polygon: Polygon($0.polygon)) }
        lines = settings.lines
    }

    /// Draws the zones that look at masks at the frame's size, once per size.
    mutating func prepare(for size: PixelSize) {
        for i in zones.indices where zones[i].settings.anchor == .mask && zones[i].mask?.size != size {
            zones[i].mask = zones[i].polygon.mask(size: size)
        }
    }
}

extension ZoneSettings {
    /// Whether people enter and leave it as far as the log is concerned.
    var isTold: Bool { purpose == .presence || purpose == .required }
}

extension Places.Zone {
    /// Whether a person is in the zone by the zone's own anchor.
    func holds(_ person: Person, ground: GroundPoint) -> Bool {
        switch settings.anchor {
        case .feet: polygon.contains(ground.point)
        case .box: boxShare(person.box) >= settings.minOverlap
        case .mask: (maskShare(person.mask) ?? boxShare(person.box)) >= settings.minOverlap
        }
    }

    /// Whether a wrist that was seen is in the zone while the feet are outside.
    func isReachedInto(by person: Person, ground: GroundPoint, confidence: Float) -> Bool {
        guard !polygon.contains(ground.point) else { return false }
        return [Joint.leftWrist, .rightWrist].compactMap { person[$0] }.contains {
            $0.confidence >= confidence && polygon.contains($0.position)
        }
    }

    private func boxShare(_ box: Box) -> Float { box.area > 0 ? polygon.intersection(box) / box.area : 0 }

    private func maskShare(_ person: Mask?) -> Float? {
        guard let person, let mask, person.size == mask.size, !person.isEmpty else { return nil }
        return Float(person.intersection(mask)) / Float(person.area)
    }
}

internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

@Suite struct PersonFilterTests {
    private var luck = SplitMix(seed: 3)

    private mutating func figure(_ x: Float = 0.6) -> Person { Figure(feet: Point(x: x, y: 0.9)).person(&luck) }

    @Test mutating func agreementKeepsItsScore() {
        let person = figure()
        #expect(PersonFilter(settings: EventSettings())([person])[0].score == person.score)
    }

    @Test mutating func everyDisagreementCosts() {
        let filter = PersonFilter(settings: EventSettings())
        var (maskless, jointless, shifted) = (figure(), figure(), figure())
        maskless.mask = nil
        jointless.keypoints = jointless.keypoints.map { Keypoint(position: $0.position, confidence: 0.1) }
        shifted.keypoints = figure(0.2).keypoints
        let scores = filter([figure(), maskless, jointless, shifted]).map(\.score)
        #expect(scores == [0.9, 0.45, 0.45, 0.45])
        // Where nobody has a mask, none was asked for.
        maskless.keypoints = []
        #expect(filter([maskless])[0].score == 0.9)
        var off = EventSettings()
        off.veto = false
        #expect(PersonFilter(settings: off)([shifted])[0].score == 0.9)
    }

    @Test(arguments: [ZoneSettings.Purpose.ignored, .privacy])
    mutating func closedPlacesAreEmpty(purpose: ZoneSettings.Purpose) {
        var settings = EventSettings()
        var zone = ZoneSettings(
            name: "poster", polygon: [(0.3, 0.5), (0.6, 0.5), (0.6, 1), (0.3, 1)].map { Point(x: $0, y: $1) })
        zone.purpose = purpose
        settings.zones = [zone]
        let people = [figure(0.6), figure(1.1)]
        #expect(PersonFilter(settings: settings)(people).count == 1)
        // Nobody enters such a zone either.
        var rules = EventRules(camera: Made.camera, settings: settings)
        let inside = Made.track(1, figure(0.6), at: 0)
        for second in 0..<5 {
            let events = rules.update(with: [inside], at: Made.time(Double(second)), size: Figure.size)
            #expect(!events.contains { if case .zoneEntered = $0.kind { true } else { false } })
        }
    }

    @Test mutating func onlyThoseInARequiredZoneAreTold() {
        var settings = EventSettings()
        var zone = ZoneSettings(
            name: "yard", polygon: [(0.6, 0.5), (1, 0.5), (1, 1), (0.6, 1)].map { Point(x: $0, y: $1) })
        zone.purpose = .required
        settings.zones = [zone]
        var rules = EventRules(camera: Made.camera, settings: settings)
        var types: [String] = []
        for frame in 0..<60 {
            let x = 0.2 + 0.015 * Float(frame)
            types += rules.update(
                with: [Made.track(1, figure(x), at: Double(frame) / 10)], at: Made.time(Double(frame) / 10),
                size: Figure.size
            ).map { EventRecord.type(of: $0.kind) }
        }
        #expect(types.prefix(3) == ["start", "zone_entered", "update"])
    }
}

/// The veto on COCO's labelled people: those who are as they should be, and those whose parts were exchanged.
@Suite struct VetoOnLabelledPeopleTests {
    @Test func sparesPeopleAndCatchesWhatDoesNotBelongTogether() throws {
        guard let people = try LabelledPeople.read("coco-train-00") else { return }
        let whole = people.sorted { $0.key < $1.key }.map(\.value).filter { labelled in
            let seen = labelled.person.keypoints.filter { $0.confidence > 0 }.count
            return seen >= 5 && labelled.person.mask?.isEmpty == false
        }
        #expect(whole.count > 200)
        let filter = PersonFilter(settings: EventSettings())
        func caught(_ people: [Person]) -> Int { people.filter { filter.disagreements($0, hasMasks: true) > 0 }.count }
        let spared = whole.count - caught(whole.map(\.person))
        var (maskless, jointless, exchanged): ([Person], [Person], [Person]) = ([], [], [])
        for (i, labelled) in whole.enumerated() {
            var (a, b, c) = (labelled.person, labelled.person, labelled.person)
            a.mask = nil
            b.keypoints = b.keypoints.map { Keypoint(position: $0.position, confidence: 0) }
            c.keypoints = whole[(i + whole.count / 2) % whole.count].person.keypoints
            maskless.append(a)
            jointless.append(b)
            exchanged.append(c)
        }
        let n = whole.count
        print(
            "veto: of \(n) labelled people \(spared) are spared; caught without mask \(caught(maskless)), without joints "
                + "\(caught(jointless)), with another's joints \(caught(exchanged))")
        #expect(spared * 100 >= 97 * n)
        #expect(caught(maskless) == n && caught(jointless) == n)
        #expect(caught(exchanged) * 100 >= 70 * n)
    }
}

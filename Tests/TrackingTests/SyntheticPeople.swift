import Scene
import TestTools
import Tracking

/// A person who is drawn instead of filmed: where they are is known at every moment.
struct DrawnPerson {
    /// Where the feet are and how high the person is, at `seconds`; nil when not in the scene.
    var place: (_ seconds: Double) -> (feet: Point, height: Float)?
    /// What the person looks like; its own direction for everybody.
    var look: Int
    /// Whether the detector misses the person at `seconds`.
    var isMissed: (_ seconds: Double) -> Bool = { _ in false }
}

/// What a detector would see of drawn people: boxes, joints, masks that hide each other, embeddings, all with noise.
struct DrawnScene {
    /// Width over height is 16 : 9.
    static let size = PixelSize(width: 256, height: 144)
    private static let aspect: Float = 16.0 / 9.0

    var people: [DrawnPerson]
    var parts: Parts = .everything
    /// Standard deviation of box sides and joints, heights of the person.
    var noise: Float = 0.01
    private var random = SplitMix(seed: 5)

    /// What the detector gives beside boxes.
    struct Parts: OptionSet {
        let rawValue: Int
        static let joints = Parts(rawValue: 1)
        static let masks = Parts(rawValue: 2)
        static let embeddings = Parts(rawValue: 4)
        static let everything: Parts = [.joints, .masks, .embeddings]
    }

    init(_ people: [DrawnPerson], parts: Parts = .everything, noise: Float = 0.01) {
        self.people = people
        self.parts = parts
        self.noise = noise
    }

    /// The people found at `seconds`, each with their index in `people`.
    mutating func detections(at seconds: Double) -> [(index: Int, person: Person)] {
        let present = people.indices.compactMap { index in
            people[index].place(seconds).map { (index, $0.feet, $0.height) }
        }
        // The nearer hide the others; the nearest comes first.
        var taken = [Bool](repeating: false, count: Self.size.width * Self.size.height)
        var found: [(index: Int, person: Person)] = []
        for (index, feet, height) in present.sorted(by: { ($0.1.y, $0.0) > ($1.1.y, $1.0) }) {
            var pixels = body(feet: feet, height: height)
            // Of the whole ellipse, also of what lies outside the picture.
            let whole = 0.267 * height * height / Self.aspect * Float(taken.count)
            pixels.removeAll { taken[$0] }
            for pixel in pixels { taken[pixel] = true }
            let visible = min(1, Float(pixels.count) / whole)
            guard visible > 0.3, !people[index].isMissed(seconds) else { continue }
            found.append((index, person(index, feet, height, visible: visible, pixels: pixels, seconds: seconds)))
        }
        return found.sorted { $0.index < $1.index }
    }

    private mutating func person(
        _ index: Int, _ feet: Point, _ height: Float, visible: Float, pixels: [Int], seconds: Double
    ) -> Person {
        let width = 0.4 * height / Self.aspect
        let box = Box(
            x0: feet.x - width / 2 + wobble(height) / Self.aspect, y0: feet.y - height + wobble(height),
            x1: feet.x + width / 2 + wobble(height) / Self.aspect, y1: feet.y + wobble(height)
        ).clamped()
        var person = Person(box: box, score: 0.5 + 0.45 * visible)
        if parts.contains(.joints) {
            person.keypoints = Joint.allCases.map { joint(of: $0, feet, height, visible: visible, seconds: seconds) }
        }
        if parts.contains(.masks) {
            var bitmap = [UInt8](repeating: 0, count: Self.size.width * Self.size.height)
            for pixel in pixels { bitmap[pixel] = 1 }
            person.mask = Mask(size: Self.size, bitmap: bitmap)
            person.maskScore = person.score * 0.9
        }
        if parts.contains(.embeddings) {
            // As the shipped network's: 0.86 between people, 0.99 for one person in two frames.
            var (all, look) = (SplitMix(seed: 77), SplitMix(seed: UInt64(people[index].look) * 7919 + 1))
            person.embedding = (0..<32).map { _ in all.normal() + 0.38 * look.normal() + 0.12 * random.normal() }
        }
        return person
    }

    private mutating func wobble(_ height: Float) -> Float { noise * height * random.normal() }

    /// The left half of the joints on the left, from head to ankles, legs and arms swinging.
    private mutating func joint(
        of joint: Joint, _ feet: Point, _ height: Float, visible: Float, seconds: Double
    ) -> Keypoint {
        let heights: [Float] = [
            0.93, 0.95, 0.95, 0.94, 0.94, 0.82, 0.82, 0.65, 0.65, 0.5, 0.5, 0.53, 0.53, 0.28, 0.28, 0.04, 0.04,
        ]
        let index = joint.rawValue
        let side: Float = index == 0 ? 0 : (index % 2 == 1 ? -1 : 1)
        let swing = index > 8 ? 0.08 * side * Float(sineWave(seconds)) : 0
        return Keypoint(
            position: Point(
                x: feet.x + (0.08 * side + swing) * height / Self.aspect + wobble(height) / Self.aspect,
                y: feet.y - heights[index] * height + wobble(height)),
            confidence: 0.9 * visible)
    }

    /// One swing a second, as a triangle.
    private func sineWave(_ seconds: Double) -> Double {
        let phase = seconds - seconds.rounded(.down)
        return phase < 0.5 ? 4 * phase - 1 : 3 - 4 * phase
    }

    /// Pixels of an upright ellipse.
    private func body(feet: Point, height: Float) -> [Int] {
        let (w, h) = (Float(Self.size.width), Float(Self.size.height))
        let (cx, cy) = (feet.x * w, (feet.y - height / 2) * h)
        let (rx, ry) = (0.17 * height / Self.aspect * w, height / 2 * h)
        var pixels: [Int] = []
        for y in (0..<Self.size.height).clamped(to: Int(cy - ry)..<Int(cy + ry) + 2) {
            for x in (0..<Self.size.width).clamped(to: Int(cx - rx)..<Int(cx + rx) + 2) {
                let (dx, dy) = ((Float(x) + 0.5 - cx) / rx, (Float(y) + 0.5 - cy) / ry)
                if dx * dx + dy * dy <= 1 { pixels.append(y * Self.size.width + x) }
            }
        }
        return pixels
    }
}

extension SplitMix {
    /// About a normal distribution: twelve uniform numbers less six.
    mutating func normal() -> Float {
        (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &self) }
    }
}

/// Runs a tracker over a drawn scene and keeps who had which id.
struct FollowedScene {
    /// The ids that each person had, in the order of their first use.
    private(set) var ids: [Int: [UInt64]] = [:]
    /// The people that each id was given to.
    private(set) var owners: [UInt64: Set<Int>] = [:]
    private(set) var ends: [UInt64: EndReason] = [:]
    private(set) var last: [Track] = []
    var tracker: Tracker
    private var scene: DrawnScene

    init(_ scene: DrawnScene, settings: TrackerSettings = TrackerSettings()) {
        self.scene = scene
        tracker = Tracker(camera: CameraID("drawn"), firstOrdinal: 1, settings: settings)
    }

    /// - Parameter body: sees the tracks of every frame, by person for those that were found.
    mutating func run(times: some Sequence<Double>, _ body: (Double, [Int: Track]) -> Void = { _, _ in }) {
        for seconds in times {
            let found = scene.detections(at: seconds)
            let microseconds = Int64((seconds * 1e6).rounded())
            last = tracker.update(
                with: found.map(\.person), at: StreamTime(microseconds: microseconds, utcMicroseconds: microseconds))
            var byPerson: [Int: Track] = [:]
            for track in last {
                if case .ended(let reason) = track.state { ends[track.id.ordinal] = reason }
                guard track.state == .seen, let index = found.first(where: { $0.person.box == track.person.box })?.index
                else { continue }
                byPerson[index] = track
                if ids[index]?.contains(track.id.ordinal) != true { ids[index, default: []].append(track.id.ordinal) }
                owners[track.id.ordinal, default: []].insert(index)
            }
            body(seconds, byPerson)
        }
    }

    /// Whether nobody ever had somebody else's id.
    var nobodyIsMistaken: Bool { owners.values.allSatisfy { $0.count == 1 } }
}

/// Moments at a frame rate.
func moments(from start: Double = 0, to end: Double, fps: Double) -> [Double] {
    Array(stride(from: start, to: end, by: 1 / fps))
}

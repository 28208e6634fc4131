import Rendering
import Scene
import TestTools
import Testing

@Suite struct RedactionTests {
    private let size = PixelSize(width: 320, height: 240)
    private let box = Box(x0: 0.4, y0: 0.2, x1: 0.6, y1: 0.9)

    private func annotator(hold: Double = 1) -> Annotator {
        var settings = RenderingSettings()
        settings.redact = .always
        settings.redactHold = hold
        settings.boxes = false
        settings.skeletons = false
        settings.labels = false
        return Annotator(settings: settings)
    }

    /// Pixels of the mask that still have the frame's colour.
    private func exposed(_ mask: Mask, on canvas: Canvas) -> Int {
        var count = 0
        mask.forEachSegment { x, y, length in
            for row in y..<(y + length) where canvas[x, row] == (90, 120, 60) { count += 1 }
        }
        return count
    }

    @Test func coversEveryPixelOfAPerson() throws {
        let person = DrawnPeople.person(in: box, of: size)
        let mask = try #require(person.mask)
        let overlay = Overlay(tracks: [DrawnPeople.track(1, person)])
        let canvas = try annotator().draw(overlay, on: DrawnPeople.plainFrame(size))
        #expect(exposed(mask, on: canvas) == 0)
        #expect(canvas.isRedacted)
        // And with a margin, but not the whole picture.
        #expect(canvas[160, 45] != (90, 120, 60))
        #expect(canvas[20, 20] == (90, 120, 60))
        let open = try Annotator().draw(Overlay(), on: DrawnPeople.plainFrame(size))
        #expect(exposed(mask, on: open) == mask.area)
    }

    @Test func coversAFootThatTheMaskMisses() throws {
        var person = DrawnPeople.person(in: box, of: size)
        person.keypoints = [Keypoint](repeating: Keypoint(position: Point(x: 0, y: 0), confidence: 0), count: 17)
        person.keypoints[Joint.leftKnee.rawValue] = Keypoint(position: Point(x: 0.5, y: 0.75), confidence: 0.9)
        person.keypoints[Joint.leftAnkle.rawValue] = Keypoint(position: Point(x: 0.3, y: 0.85), confidence: 0.9)
        let canvas = try annotator().draw(Overlay(people: [person]), on: DrawnPeople.plainFrame(size))
        for x in stride(from: Float(0.3), through: 0.5, by: 0.02) {
            let y = 0.75 + (0.5 - x) / 2
            #expect(canvas[Int(x * 320), Int(y * 240)] != (90, 120, 60))
        }
    }

    @Test func coversPeopleWhoAreNotTrackedYet() throws {
        let person = DrawnPeople.person(in: box, of: size)
        let canvas = try annotator().draw(Overlay(people: [person]), on: DrawnPeople.plainFrame(size))
        #expect(exposed(try #require(person.mask), on: canvas) == 0)
    }

    @Test func coversTheBoxOfSomeoneWithoutMask() throws {
        let person = Person(box: box, score: 0.5)
        let canvas = try annotator().draw(Overlay(people: [person]), on: DrawnPeople.plainFrame(size))
        for (x, y) in [(129, 49), (190, 214), (160, 100)] { #expect(canvas[x, y] != (90, 120, 60)) }
    }

    @Test func holdsTheCoverWhileDetectionFlickers() throws {
        let person = DrawnPeople.person(in: box, of: size)
        let mask = try #require(person.mask)
        let annotator = annotator(hold: 1)
        _ = try annotator.draw(Overlay(people: [person]), on: DrawnPeople.plainFrame(size, microseconds: 0))
        let held = try annotator.draw(Overlay(), on: DrawnPeople.plainFrame(size, microseconds: 1_000_000))
        #expect(exposed(mask, on: held) == 0)
        let over = try annotator.draw(Overlay(), on: DrawnPeople.plainFrame(size, microseconds: 1_001_000))
        #expect(exposed(mask, on: over) == mask.area)
    }

    @Test func writersRefuseWhatIsNotRedacted() throws {
        let canvas = try Annotator().draw(Overlay(), on: DrawnPeople.plainFrame(size))
        #expect(throws: RenderingError.notRedacted) {
            _ = try PictureEncoder(.png, redaction: .always).encode(canvas)
        }
        #expect(throws: RenderingError.notRedacted) {
            _ = try PictureEncoder(.png, redaction: .always).encode(canvas.cropped(to: box))
        }
        let folder = try TemporaryFolder()
        let path = folder.path + "/out.mp4"
        let writer = try VideoWriter(path, size: size, fps: 25, redaction: .always)
        #expect(throws: RenderingError.notRedacted) { try writer.write(canvas, at: DrawnPeople.time(0)) }
    }
}

import Rendering
import Scene
import Testing

@Suite struct AnnotatorTests {
    private let size = PixelSize(width: 320, height: 240)

    private func pixels(_ canvas: Canvas) -> [UInt8] {
        (0..<canvas.size.height).flatMap { y in
            (0..<canvas.size.width).flatMap { x in [canvas[x, y].red, canvas[x, y].green, canvas[x, y].blue] }
        }
    }

    @Test func drawsTheSameEveryTime() throws {
        let overlay = DrawnPeople.crowd(5, of: size)
        let first = try Annotator().draw(overlay, on: DrawnPeople.plainFrame(size))
        let again = try Annotator().draw(overlay, on: DrawnPeople.plainFrame(size))
        #expect(pixels(first) == pixels(again))
    }

    @Test func nothingToDrawLeavesThePicture() throws {
        let canvas = try Annotator().draw(Overlay(), on: DrawnPeople.plainFrame(size))
        #expect(canvas.size == size)
        #expect(pixels(canvas) == (0..<(320 * 240)).flatMap { _ in [90, 120, 60] as [UInt8] })
    }

    @Test func coordinatesOutsideAndNotNumbersAreHarmless() throws {
        let boxes = [
            Box(x0: -3, y0: -3, x1: 9, y1: 9), Box(x0: .nan, y0: 0, x1: 1, y1: .infinity),
            Box(x0: 2, y0: 2, x1: 3, y1: 3),
            Box(x0: 0.5, y0: 0.5, x1: 0.5, y1: 0.5), Box(x0: 0.9, y0: 0.9, x1: 0.1, y1: 0.1),
        ]
        for redact in Redaction.allCases {
            var settings = RenderingSettings()
            settings.redact = redact
            for box in boxes {
                let wild = Keypoint(position: Point(x: .nan, y: -1e30), confidence: 1)
                let person = Person(box: box, score: .nan, keypoints: [Keypoint](repeating: wild, count: 17))
                let overlay = Overlay(
                    tracks: [DrawnPeople.track(.max, person)],
                    zones: [
                        Overlay.Zone(
                            name: "z", polygon: [Point(x: -1e9, y: .nan), Point(x: 2, y: 2), Point(x: 0, y: 9)])
                    ],
                    lines: [Overlay.Line(name: "l", from: Point(x: .infinity, y: 0), to: Point(x: 0, y: 0))])
                _ = try Annotator(settings: settings).draw(overlay, on: DrawnPeople.plainFrame(size))
            }
        }
    }

    @Test func labelsStayInside() throws {
        let person = Person(box: Box(x0: 0.97, y0: 0, x1: 1, y1: 0.3), score: 0.5)
        let canvas = try Annotator().draw(
            Overlay(tracks: [DrawnPeople.track(12_345, person)]), on: DrawnPeople.plainFrame(size))
        // The whole tab is on the picture: its right edge touches the border, and it is wider than the box.
        #expect(canvas[270, 6] != (90, 120, 60))
    }

    @Test func tracksOfOneFrameHaveColoursOfTheirOwn() throws {
        var colors: [[Int]] = []
        for ordinal in 1...24 {
            let person = Person(box: Box(x0: 0.2, y0: 0.2, x1: 0.8, y1: 0.8), score: 0.5)
            var settings = RenderingSettings()
            settings.labels = false
            let canvas = try Annotator(settings: settings).draw(
                Overlay(tracks: [DrawnPeople.track(UInt64(ordinal), person)]), on: DrawnPeople.plainFrame(size))
            let pixel = canvas[64, 120]
            colors.append([Int(pixel.red), Int(pixel.green), Int(pixel.blue)])
        }
        for i in 0..<24 {
            for j in 0..<i {
                let distance = zip(colors[i], colors[j]).map { abs($0 - $1) }.reduce(0, +)
                // The thin edge is mixed with the picture, which brings colours closer.
                #expect(distance > (i - j < 8 ? 30 : 8), "tracks \(i + 1) and \(j + 1): \(colors[i]), \(colors[j])")
            }
        }
    }

    @Test func cropHoldsTheBoxAndItsMargin() throws {
        let canvas = try Annotator().draw(Overlay(), on: DrawnPeople.plainFrame(size))
        #expect(
            canvas.cropped(to: Box(x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.75), margin: 0).size
                == PixelSize(width: 160, height: 120))
        #expect(canvas.cropped(to: Box(x0: -1, y0: -1, x1: 2, y1: 2)).size == size)
        #expect(canvas.cropped(to: Box(x0: 2, y0: 2, x1: 3, y1: 3)).size == PixelSize(width: 1, height: 1))
        #expect(canvas.cropped(to: Box(x0: .nan, y0: 0, x1: .nan, y1: 0)).size.width >= 1)
    }
}

import Rendering
import Scene

/// Made-up frames and people for drawing tests.
enum DrawnPeople {
    static let camera = CameraID("door")

    /// A frame whose network picture, which is all it has, is one colour.
    static func plainFrame(
        _ size: PixelSize, _ color: (UInt8, UInt8, UInt8) = (90, 120, 60), microseconds: Int64 = 0
    ) -> Frame {
        let input = PixelSize(width: (size.width + 31) / 32 * 32, height: (size.height + 31) / 32 * 32)
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: input.width * input.height * 3)
        for i in 0..<(input.width * input.height) {
            (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = color
        }
        let picture = NetworkPicture(size: input, content: size, pixels: pixels) { $0.deallocate() }
        return Frame(
            camera: camera, time: time(microseconds), index: 0, size: size, input: picture, picture: nil)
    }

    static func time(_ microseconds: Int64) -> StreamTime {
        StreamTime(microseconds: microseconds, utcMicroseconds: microseconds)
    }

    /// A person of a head and a trunk, standing in a box, as a mask of the frame.
    static func person(in box: Box, of size: PixelSize) -> Person {
        var bits = [UInt8](repeating: 0, count: size.width * size.height)
        let parts: [(x: Float, y: Float, rx: Float, ry: Float)] = [
            (0.5, 0.09, 0.16, 0.09), (0.5, 0.38, 0.42, 0.24), (0.36, 0.78, 0.17, 0.23), (0.64, 0.78, 0.17, 0.23),
        ]
        for y in 0..<size.height {
            for x in 0..<size.width {
                let u = ((Float(x) + 0.5) / Float(size.width) - box.x0) / box.width
                let v = ((Float(y) + 0.5) / Float(size.height) - box.y0) / box.height
                let isInside = parts.contains { part in
                    let (a, b) = ((u - part.x) / part.rx, (v - part.y) / part.ry)
                    return a * a + b * b < 1
                }
                if isInside { bits[y * size.width + x] = 1 }
            }
        }
        let joints: [(Float, Float)] = [
            (0.5, 0.1), (0.55, 0.08), (0.45, 0.08), (0.6, 0.09), (0.4, 0.09), (0.75, 0.22), (0.25, 0.22), (0.86, 0.38),
            (0.14, 0.38), (0.8, 0.52), (0.2, 0.52), (0.64, 0.55), (0.36, 0.55), (0.66, 0.75), (0.34, 0.75),
            (0.66, 0.95),
            (0.34, 0.95),
        ]
        return Person(
            box: box, score: 0.93, maskScore: 0.9,
            keypoints: joints.map {
                Keypoint(
                    position: Point(x: box.x0 + $0.0 * box.width, y: box.y0 + $0.1 * box.height), confidence: 0.9)
            },
            mask: Mask(size: size, bitmap: bits))
    }

    static func track(_ ordinal: UInt64, _ person: Person, state: Track.State = .seen) -> Track {
        Track(
            id: TrackID(camera: camera, ordinal: ordinal), state: state, person: person, firstSeen: time(0),
            lastSeen: time(0))
    }

    /// Some people side by side, the last one missed, with a zone and a line.
    static func crowd(_ count: Int, of size: PixelSize) -> Overlay {
        let tracks = (0..<count).map { i -> Track in
            let x = (Float(i % 10) + 0.15) / 10
            let y = 0.08 + Float(i / 10) * 0.45
            let box = Box(x0: x, y0: y, x1: x + 0.07, y1: y + 0.4)
            return track(UInt64(i + 1), person(in: box, of: size), state: i + 1 == count ? .missed : .seen)
        }
        return Overlay(
            tracks: tracks, people: [],
            zones: [
                Overlay.Zone(
                    name: "Entrance",
                    polygon: [(0.1, 0.62), (0.45, 0.55), (0.55, 0.95), (0.05, 0.95)].map { Point(x: $0.0, y: $0.1) },
                    count: 2)
            ],
            lines: [
                Overlay.Line(name: "gate", from: Point(x: 0.65, y: 0.95), to: Point(x: 0.9, y: 0.6), left: 3, right: 12)
            ], caption: "door  2026-11-22 17:01:53.120")
    }
}

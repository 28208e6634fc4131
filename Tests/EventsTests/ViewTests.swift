internal import Scene
internal import Testing
internal import TestTools

@testable internal import Events

@Suite struct ViewTests {
    /// A picture of 192 x 128 whose brightness at each pixel is `level`.
    private func picture(_ level: (Int, Int) -> Int) -> NetworkPicture {
        let size = PixelSize(width: 192, height: 128)
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: size.width * size.height * 3)
        for y in 0..<size.height {
            for x in 0..<size.width {
                for c in 0..<3 { pixels[(y * size.width + x) * 3 + c] = UInt8(max(0, min(255, level(x, y)))) }
            }
        }
        return NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }
    }

    /// A street: sky, a wall with windows, a dark ground.
    private func street(_ x: Int, _ y: Int) -> Int {
        if y < 40 { return 200 }
        if y < 90 { return (x / 12 + y / 10) % 2 == 0 ? 60 : 140 }
        return 80 + (x * 7 + y * 13) % 23
    }

    private func garden(_ x: Int, _ y: Int) -> Int { (x * x / 40 + y * 3) % 200 + (x > 100 ? 50 : 0) }

    private func watch(_ scenes: [(seconds: Double, picture: NetworkPicture)]) -> [String] {
        var watch = ViewWatch()
        var (time, told): (Double, [String]) = (0, [])
        for scene in scenes {
            let end = time + scene.seconds
            while time < end {
                if let change = watch.observe(scene.picture, at: Made.time(time)) {
                    told.append([change.state.rawValue, change.reason].compactMap { $0 }.joined(separator: " "))
                }
                time += 0.2
            }
        }
        return told
    }

    @Test func tellsThatTheViewIsCovered() {
        let good = picture(street)
        #expect(
            watch([(20, good), (10, picture { _, _ in 3 }), (10, good)]) == ["camera_covered dark", "camera_clear"])
        #expect(
            watch([(20, good), (10, picture { _, _ in 128 }), (10, good)]) == [
                "camera_covered uniform", "camera_clear",
            ])
        let blurred = picture { x, y in
            (0..<256).reduce(0) { $0 + street(max(0, x + $1 % 16 - 8), max(0, y + $1 / 16 - 8)) } / 256
        }
        #expect(watch([(20, good), (10, blurred)]) == ["camera_covered blurred"])
    }

    @Test func tellsThatTheViewMoved() {
        #expect(watch([(20, picture(street)), (20, picture(garden))]) == ["camera_moved"])
        #expect(watch([(20, picture(street)), (60, picture(garden))]).last?.hasPrefix("camera_clear") == true)
    }

    @Test func lightAndPassersByAreNothing() {
        let dusk = picture { x, y in street(x, y) / 3 }
        let crowd = picture { x, y in (40..<110).contains(x) && y > 50 ? (x * 31 + y * 17) % 180 : street(x, y) }
        #expect(watch([(20, picture(street)), (20, dusk), (20, crowd), (2, picture { _, _ in 3 }), (20, dusk)]) == [])
    }

    @Test func theBestViewIsWholeNearAndShowsTheFace() {
        var views = BestViews()
        var luck = SplitMix(seed: 1)
        let sharp = picture(street)
        func frame(_ input: NetworkPicture) -> Frame {
            Frame(camera: Made.camera, time: Made.time(0), index: 0, size: Figure.size, input: input, picture: nil)
        }
        func isBetter(_ figure: Figure, _ input: NetworkPicture) -> Bool {
            views.consider([Made.track(1, figure.person(&luck), at: 0)], in: frame(input)) == [Made.id(1)]
        }
        var figure = Figure(feet: Point(x: 0.6, y: 0.9), hidden: [.nose, .leftEye, .rightEye, .leftEar, .rightEar])
        #expect(isBetter(figure, sharp))
        #expect(!isBetter(figure, sharp), "no better than before")
        figure.hidden = []
        #expect(isBetter(figure, sharp), "the face is seen")
        figure.feet.x = 0.05
        #expect(!isBetter(figure, sharp), "cut by the edge")
        figure.feet.x = 0.6
        #expect(!isBetter(figure, picture { _, _ in 90 }), "blurred")
        let (first, second) = (views.forget(Made.id(1)), views.forget(Made.id(1)))
        #expect(first && !second)
    }
}

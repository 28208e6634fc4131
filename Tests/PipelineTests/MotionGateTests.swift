import Scene
import Testing

@testable import Pipeline

/// A grey frame with a bright square of `side` pixels at `x`.
private func frame(at seconds: Double, square x: Int? = nil, side: Int = 16) -> Frame {
    let size = PixelSize(width: 128, height: 96)
    let count = size.width * size.height * 3
    let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    pixels.initialize(repeating: 100, count: count)
    if let x {
        for row in 20..<(20 + side) {
            for column in x..<(x + side) {
                for channel in 0..<3 { pixels[(row * size.width + column) * 3 + channel] = 200 }
            }
        }
    }
    let input = NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }
    let time = StreamTime(microseconds: Int64(seconds * 1e6), utcMicroseconds: 0)
    return Frame(camera: CameraID("door"), time: time, index: 0, size: size, input: input, picture: nil)
}

/// A gate that an expectation may change.
private final class Gate {
    private var gate: MotionGate

    init(_ settings: MotionGateSettings) { gate = MotionGate(settings) }

    func passes(_ frame: Frame, isBusy: Bool) -> Bool { gate.passes(frame, isBusy: isBusy) }
}

@Suite struct MotionGateTests {
    private func openGate() -> Gate {
        var settings = MotionGateSettings()
        settings.enabled = true
        settings.idleInterval = 2
        return Gate(settings)
    }

    @Test func theFirstFramePassesAndTheSamePictureAgainDoesNot() {
        let gate = openGate()
        #expect(gate.passes(frame(at: 0), isBusy: false))
        #expect(!gate.passes(frame(at: 0.1), isBusy: false))
        #expect(!gate.passes(frame(at: 1.9), isBusy: false))
    }

    @Test func whatMovesPasses() {
        let gate = openGate()
        _ = gate.passes(frame(at: 0, square: 10), isBusy: false)
        #expect(gate.passes(frame(at: 0.1, square: 40), isBusy: false))
        #expect(!gate.passes(frame(at: 0.2, square: 40), isBusy: false))
    }

    @Test func aSpeckDoesNotPass() {
        let gate = openGate()
        _ = gate.passes(frame(at: 0), isBusy: false)
        #expect(!gate.passes(frame(at: 0.1, square: 10, side: 4), isBusy: false))
    }

    @Test func slowMovementAddsUpToAPass() {
        let gate = openGate()
        _ = gate.passes(frame(at: 0, square: 10), isBusy: false)
        let passes = (1...16).filter { gate.passes(frame(at: Double($0) / 10, square: 10 + $0 / 4 * 4), isBusy: false) }
        #expect(!passes.isEmpty)
    }

    @Test func everythingPassesWhileSomebodyIsFollowedAndNowAndThenWithoutAnyone() {
        let gate = openGate()
        _ = gate.passes(frame(at: 0), isBusy: false)
        #expect(gate.passes(frame(at: 0.1), isBusy: true))
        #expect(!gate.passes(frame(at: 0.2), isBusy: false))
        #expect(gate.passes(frame(at: 2.2), isBusy: false))
    }

    @Test func switchedOffItLetsEverythingThrough() {
        let gate = Gate(MotionGateSettings())
        #expect((0..<5).allSatisfy { gate.passes(frame(at: Double($0) / 100), isBusy: false) })
    }
}

import Foundation
import Scene
import TestTools
import Testing
import Tracking

/// The tracker's cost over a long run: `HCQD_SOAK_FRAMES=1000000` makes it a day's.
@Suite struct SoakTests {
    private static let frames = Int(ProcessInfo.processInfo.environment["HCQD_SOAK_FRAMES"] ?? "") ?? 20_000

    @Test func costStaysAsItWasWithTwentyPeople() {
        // Ten seconds of a crowd, over and over; the cut between them renews all ids.
        var scene = DrawnScene(crowd(20, seed: 9))
        let loop = moments(to: 10, fps: 25).map { scene.detections(at: $0).map(\.person) }
        var tracker = Tracker(camera: CameraID("soak"), firstOrdinal: 1, settings: TrackerSettings())
        let parts = 10
        var seconds: [Double] = []
        var most = 0
        var memory: [Int] = []
        for part in 0..<parts {
            let start = processorSeconds()
            for frame in (part * Self.frames / parts)..<((part + 1) * Self.frames / parts) {
                let microseconds = Int64(frame) * 40_000
                _ = tracker.update(
                    with: loop[frame % loop.count],
                    at: StreamTime(microseconds: microseconds, utcMicroseconds: microseconds))
                most = max(most, tracker.followedCount)
            }
            seconds.append(processorSeconds() - start)
            memory.append(residentKilobytes())
        }
        let perFrame = seconds.map { $0 / Double(Self.frames / parts) * 1000 }
        print(
            "soak: \(Self.frames) frames of 20 people, \(tracker.nextOrdinal - 1) tracks, at most \(most) remembered; "
                + "ms a frame, first tenth \(perFrame[0]), last tenth \(perFrame[parts - 1]); "
                + "memory kB \(memory[1]) and \(memory[parts - 1])")
        #expect(most < 120)
        #expect(perFrame[parts - 1] < 2 * perFrame[1] + 0.05)
        #if !DEBUG
            #expect(perFrame.max() ?? 0 < (isSanitized ? 10 : 1))
            // Other tests run beside a short soak and have memory of their own.
            if Self.frames >= 200_000 { #expect(memory[parts - 1] < memory[1] + 4096) }
        #endif
    }

    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func residentKilobytes() -> Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")[1]
        return pages.flatMap { Int($0) }.map { $0 * 4 } ?? 0
    }
}

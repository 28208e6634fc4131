import Foundation
import Scene
import Testing
import Tracking

/// What each kind of evidence is worth in crowds that are drawn.
@Suite struct EvidenceTests {
    /// Ids beyond one a person, and ids that were given to several people.
    private func mistakes(
        _ parts: DrawnScene.Parts, fps: Double, seeds: Range<UInt64>, settings: TrackerSettings = TrackerSettings()
    ) -> (ids: Int, shared: Int) {
        var (ids, shared) = (0, 0)
        for seed in seeds {
            var followed = FollowedScene(
                DrawnScene(crowd(12, seed: seed), parts: parts, noise: 0.03), settings: settings)
            followed.run(times: moments(to: 40, fps: fps))
            ids += followed.ids.values.reduce(0) { $0 + $1.count - 1 }
            shared += followed.owners.values.filter { $0.count > 1 }.count
        }
        return (ids, shared)
    }

    @Test func everythingTogetherBeatsBoxesAlone() {
        let (boxes, all) = (mistakes([], fps: 5, seeds: 1..<3), mistakes(.everything, fps: 5, seeds: 1..<3))
        #expect(all.ids < boxes.ids && all.shared < boxes.shared)
    }

    /// The table of Docs/tracking.md: HCQD_ABLATION=1 swift test --filter EvidenceTests
    @Test(.enabled(if: ProcessInfo.processInfo.environment["HCQD_ABLATION"] != nil, "prints a table on request"))
    func printsTheTable() {
        let rows: [(String, DrawnScene.Parts)] = [
            ("boxes", []), ("+ joints", .joints), ("+ masks", .masks), ("+ embeddings", .embeddings),
            ("without joints", [.masks, .embeddings]), ("without masks", [.joints, .embeddings]),
            ("without embeddings", [.joints, .masks]), ("everything", .everything),
        ]
        print(
            "| evidence | 25 fps: ids too many | shared | 5 fps: ids too many | shared | 2 fps: ids too many | shared |"
        )
        print("|---|---|---|---|---|---|---|")
        for (name, parts) in rows {
            let cells = [5.0, 2].map { mistakes(parts, fps: $0, seeds: 1..<6) }
            print("| \(name) | " + cells.map { "\($0.ids) | \($0.shared)" }.joined(separator: " | ") + " |")
        }
    }
}

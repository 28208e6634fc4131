import Scene
import Testing
import Tracking

/// Who stands in front of whom, and how much of the other that leaves, against what is drawn.
@Suite struct DepthTests {
    private func standing(x: Float, y: Float, height: Float, look: Int) -> DrawnPerson {
        DrawnPerson(place: { _ in (Point(x: x, y: y), height) }, look: look)
    }

    /// The tracks of two people after half a second, and how much of the second is drawn.
    private func pair(apart: Float, frontFeet: Float) -> (front: Track?, behind: Track?, drawn: Float) {
        let people = [
            standing(x: 0.5, y: frontFeet, height: 0.5, look: 1),
            standing(x: 0.5 + apart, y: 0.85, height: 0.45, look: 2),
        ]
        let scene = DrawnScene(people, noise: 0.002)
        var copy = scene
        // A drawn person's score tells what is to be seen of them.
        let score = copy.detections(at: 0).first { $0.index == 1 }?.person.score ?? 0
        var followed = FollowedScene(scene)
        var (front, behind): (Track?, Track?)
        followed.run(times: moments(to: 0.5, fps: 25)) { _, tracks in (front, behind) = (tracks[0], tracks[1]) }
        return (front, behind, (score - 0.5) / 0.45)
    }

    @Test(arguments: [Float(0.04), 0.055, 0.07, 0.085])
    func theVisibleShareIsAboutWhatIsDrawn(apart: Float) throws {
        let (front, behind, drawn) = pair(apart: apart, frontFeet: 0.95)
        let (nearer, farther) = (try #require(front), try #require(behind))
        #expect(nearer.visible == 1 && nearer.occludedBy == nil)
        let visible = try #require(farther.visible)
        #expect(abs(visible - drawn) < 0.15, "\(visible) and \(drawn) of the drawn person")
        if drawn < 0.85 { #expect(farther.occludedBy == nearer.id) }
    }

    @Test func peopleSideBySideHideNobody() throws {
        let (front, behind, drawn) = pair(apart: 0.25, frontFeet: 0.95)
        #expect(drawn > 0.97)
        #expect(front?.visible == 1 && behind?.visible == 1)
        #expect(front?.occludedBy == nil && behind?.occludedBy == nil)
    }

    @Test func whoHasTheFeetLowerIsInFront() throws {
        // The same two, the first now farther away.
        let (farther, nearer, _) = pair(apart: 0.06, frontFeet: 0.8)
        #expect(nearer?.visible == 1 && nearer?.occludedBy == nil)
        #expect(try #require(farther?.visible) < 0.9)
        #expect(farther?.occludedBy == nearer?.id)
    }
}

import Scene
import Testing
import Tracking

/// What happens to people in front of cameras, built one by one.
@Suite struct ScenarioTests {
    static let parts: [DrawnScene.Parts] = [[], [.masks], [.joints], .everything]

    private func standing(x: Float, y: Float = 0.8, height: Float = 0.4, look: Int) -> DrawnPerson {
        DrawnPerson(place: { _ in (Point(x: x, y: y), height) }, look: look)
    }

    /// Walks along x; `speed` in heights a second.
    private func walking(from x: Float, speed: Float, y: Float = 0.8, height: Float = 0.4, look: Int) -> DrawnPerson {
        DrawnPerson(
            place: { seconds in
                let place = x + speed * height / (16.0 / 9.0) * Float(seconds)
                return place > -0.15 && place < 1.15 ? (Point(x: place, y: y), height) : nil
            }, look: look)
    }

    @Test(arguments: parts)
    func stationaryPeopleKeepTheirIDsThroughMisses(parts: DrawnScene.Parts) {
        var people = (0..<5).map { standing(x: 0.15 + 0.17 * Float($0), look: $0) }
        for index in people.indices {
            people[index].isMissed = { seconds in Int(seconds * 25) % 7 == index || Int(seconds * 25 + 3) % 61 < 8 }
        }
        var followed = FollowedScene(DrawnScene(people, parts: parts, noise: 0.02))
        followed.run(times: moments(to: 60, fps: 25))
        #expect(followed.ids.count == 5 && followed.ids.values.allSatisfy { $0.count == 1 })
        #expect(followed.ends.isEmpty && followed.tracker.nextOrdinal == 6)
    }

    @Test(arguments: parts)
    func peopleCutByTheEdgeKeepTheirIDsAndLeave(parts: DrawnScene.Parts) {
        let person = walking(from: -0.1, speed: 0.8, look: 1)
        var followed = FollowedScene(DrawnScene([person], parts: parts))
        followed.run(times: moments(to: 10, fps: 25))
        #expect(followed.ids[0]?.count == 1)
        #expect(Array(followed.ends.values) == [.left])
    }

    @Test(arguments: parts)
    func twoPeopleCrossAndKeepTheirIDs(parts: DrawnScene.Parts) {
        let people = [
            walking(from: 0.1, speed: 0.7, y: 0.8, look: 1), walking(from: 0.9, speed: -0.7, y: 0.83, look: 2),
        ]
        var followed = FollowedScene(DrawnScene(people, parts: parts))
        var hidden: Track?
        followed.run(times: moments(to: 5, fps: 25)) { _, tracks in
            if let track = tracks[0], (track.visible ?? 1) < 0.7 { hidden = track }
        }
        #expect(followed.ids == [0: [1], 1: [2]])
        if !parts.isEmpty {
            // Behind is who stands farther away.
            #expect(hidden?.occludedBy?.ordinal == 2)
        }
    }

    @Test func someoneElseAtTheSamePlaceIsSomeoneElse() {
        // The first leaves through a door in mid-picture; half a second later another comes out of it.
        let leaves = DrawnPerson(place: { $0 < 3 ? (Point(x: 0.5, y: 0.8), 0.4) : nil }, look: 1)
        let comes = DrawnPerson(place: { $0 > 3.5 ? (Point(x: 0.5, y: 0.8), 0.4) : nil }, look: 2)
        var followed = FollowedScene(DrawnScene([leaves, comes]))
        followed.run(times: moments(to: 8, fps: 25))
        #expect(followed.nobodyIsMistaken && followed.ids.count == 2)
    }

    @Test(arguments: parts)
    func whoEntersWhereSomeoneLeftIsNotTaken(parts: DrawnScene.Parts) {
        let leaves = walking(from: 0.6, speed: 0.8, look: 1)
        let enters = DrawnPerson(
            place: { seconds in
                let x = 1.1 - 0.8 * 0.4 / (16.0 / 9.0) * Float(seconds - 2.7)
                return seconds > 2.7 && x > 0.3 ? (Point(x: x, y: 0.8), 0.4) : nil
            }, look: 2)
        var followed = FollowedScene(DrawnScene([leaves, enters], parts: parts))
        followed.run(times: moments(to: 7, fps: 25))
        #expect(followed.nobodyIsMistaken && followed.ids[0] == [1] && followed.ids[1] == [2])
        #expect(followed.ends[1] == .left)
    }

    @Test(arguments: parts)
    func aCameraThatDropsToTwoFramesASecondLosesNobody(parts: DrawnScene.Parts) {
        let people = [
            walking(from: 0.1, speed: 0.5, y: 0.6, height: 0.3, look: 1),
            walking(from: 0.9, speed: -0.5, y: 0.95, height: 0.4, look: 2), standing(x: 0.5, y: 0.75, look: 3),
        ]
        var followed = FollowedScene(DrawnScene(people, parts: parts))
        followed.run(
            times: moments(to: 2, fps: 25) + moments(from: 2, to: 6, fps: 2) + moments(from: 6, to: 8, fps: 25))
        #expect(followed.ids == [0: [1], 1: [2], 2: [3]])
    }

    @Test func aWalkerIsFollowedAtTwoFramesASecondFromTheStart() {
        var followed = FollowedScene(DrawnScene([walking(from: 0.05, speed: 0.5, look: 1)]))
        followed.run(times: moments(to: 6, fps: 2))
        #expect(followed.ids[0]?.count == 1)
    }

    @Test(arguments: parts)
    func aGapOfFiveSecondsKeepsWhoStoodStill(parts: DrawnScene.Parts) {
        let people = [
            standing(x: 0.2, look: 1), standing(x: 0.8, look: 2), walking(from: 0.3, speed: 0.15, y: 0.5, look: 3),
        ]
        var followed = FollowedScene(DrawnScene(people, parts: parts))
        followed.run(times: moments(to: 3, fps: 25) + moments(from: 8, to: 10, fps: 25))
        #expect(followed.ids[0] == [1] && followed.ids[1] == [2])
        #expect(followed.nobodyIsMistaken)
    }

    @Test(arguments: parts)
    func aCutInTheVideoGivesNewIDs(parts: DrawnScene.Parts) {
        func before(_ person: DrawnPerson) -> DrawnPerson {
            DrawnPerson(place: { $0 < 2 ? person.place($0) : nil }, look: person.look)
        }
        func after(_ person: DrawnPerson) -> DrawnPerson {
            DrawnPerson(place: { $0 >= 2 ? person.place($0) : nil }, look: person.look)
        }
        let people = [
            before(standing(x: 0.2, look: 1)), before(standing(x: 0.6, look: 2)),
            after(standing(x: 0.4, y: 0.9, height: 0.7, look: 3)),
            after(standing(x: 0.8, y: 0.5, height: 0.2, look: 4)),
        ]
        var followed = FollowedScene(DrawnScene(people, parts: parts))
        followed.run(times: moments(to: 6, fps: 25))
        #expect(followed.nobodyIsMistaken && followed.ids.count == 4)
        #expect(followed.ends == [1: .lost, 2: .lost])
    }

    @Test(arguments: [[.masks], DrawnScene.Parts.everything])
    func whoComesBackFromBehindSomeoneIsTheSame(parts: DrawnScene.Parts) {
        // A walker passes behind a group and is out of sight for more than a second.
        let group = (0..<3).map { standing(x: 0.45 + 0.05 * Float($0), y: 0.9, height: 0.55, look: 10 + $0) }
        var followed = FollowedScene(DrawnScene([walking(from: 0.1, speed: 0.5, look: 1)] + group, parts: parts))
        followed.run(times: moments(to: 7, fps: 25))
        #expect(followed.ids[0]?.count == 1)
        #expect(followed.nobodyIsMistaken)
    }
}

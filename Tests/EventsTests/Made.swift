internal import Scene

/// Makes the values that the tests feed in.
enum Made {
    static let camera = CameraID("door")
    static let size = PixelSize(width: 640, height: 480)

    static func time(_ seconds: Double) -> StreamTime {
        let microseconds = Int64((seconds * 1e6).rounded())
        return StreamTime(microseconds: microseconds, utcMicroseconds: 1_700_000_000_000_000 + microseconds)
    }

    static func id(_ ordinal: UInt64) -> TrackID { TrackID(camera: camera, ordinal: ordinal) }

    /// A person standing at `x`, `feet`, without joints and mask.
    static func person(x: Float, feet: Float, height: Float = 0.3, score: Float = 0.9) -> Person {
        let half = height / 6
        return Person(box: Box(x0: x - half, y0: feet - height, x1: x + half, y1: feet), score: score)
    }

    static func track(
        _ ordinal: UInt64 = 1, _ person: Person, since: Double = 0, at seconds: Double, state: Track.State = .seen
    ) -> Track {
        Track(id: id(ordinal), state: state, person: person, firstSeen: time(since), lastSeen: time(seconds))
    }

    static func start(_ ordinal: UInt64 = 1, at seconds: Double = 0, person: Person? = nil) -> Event {
        event(.start(report(ordinal, at: seconds, person: person)), at: seconds)
    }

    static func update(_ ordinal: UInt64 = 1, at seconds: Double) -> Event {
        var report = report(ordinal, at: seconds)
        report.cause = .interval
        return event(.update(report), at: seconds)
    }

    static func end(_ ordinal: UInt64 = 1, at seconds: Double) -> Event {
        event(.end(report(ordinal, at: seconds), reason: .left), at: seconds)
    }

    static func event(_ kind: Event.Kind, at seconds: Double) -> Event {
        Event(camera: camera, time: time(seconds), kind: kind)
    }

    static func report(_ ordinal: UInt64, at seconds: Double, person: Person? = nil) -> TrackReport {
        let person = person ?? Made.person(x: 0.5, feet: 0.8)
        return TrackReport(track: track(ordinal, person, at: seconds), topScore: person.score, size: size)
    }
}

internal import Scene
internal import TestTools

@testable internal import Events

/// A made-up scene: people who appear, act and disappear, and what must be told of them.
struct Theatre {
    /// What one person looks like at a time; nil while out of sight.
    typealias Part = @Sendable (Double) -> Figure?

    var settings = EventSettings()
    /// Each with the times between which the track lives.
    var parts: [(from: Double, to: Double, figure: Part)] = []
    var fps = 10.0
    var length: Double
    var seed: UInt64 = 1

    /// Plays the scene through the rules.
    func play() -> [Event] {
        var rules = EventRules(camera: Made.camera, settings: settings)
        var luck = SplitMix(seed: seed)
        var events: [Event] = []
        var last: [Int: (person: Person, seen: StreamTime)] = [:]
        for frame in 0...Int(length * fps) {
            let seconds = Double(frame) / fps
            let time = Made.time(seconds)
            var tracks: [Track] = []
            for (i, part) in parts.enumerated() where seconds >= part.from {
                let id = Made.id(UInt64(i + 1))
                let first = Made.time((part.from * fps).rounded(.up) / fps)
                func track(_ state: Track.State, _ person: Person, _ seen: StreamTime) -> Track {
                    Track(id: id, state: state, person: person, firstSeen: first, lastSeen: seen)
                }
                if seconds <= part.to, let figure = part.figure(seconds) {
                    let person = figure.person(&luck)
                    last[i] = (person, time)
                    tracks.append(track(.seen, person, time))
                } else if let (person, seen) = last[i] {
                    tracks.append(track(seconds <= part.to ? .missed : .ended(.left), person, seen))
                    if seconds > part.to { last[i] = nil }
                }
            }
            events += rules.update(with: tracks, at: time, size: Figure.size)
        }
        return events + rules.finish(.endOfStream, at: Made.time(length))
    }
}

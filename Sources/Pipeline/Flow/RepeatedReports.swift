/// Keeps an error that happens again and again from filling the journal: the first of a kind is said at once, the next
/// at most once in an interval, with the number of those that were kept back and the text of the last one. The interval
/// doubles with every line up to an hour, so that what fails for months stays readable; a kind that was quiet for as long
/// begins anew.
struct RepeatedReports {
    private struct Held {
        var lastSaid: Double
        var interval: Double
        var count = 0
        var lastText = ""
    }

    private static let longest = 3600.0

    let interval: Double
    private var held: [String: Held] = [:]

    /// - Parameter interval: Seconds between the first two lines of one kind.
    init(interval: Double = 10) { self.interval = interval }

    /// Notes an error.
    /// - Parameter now: Seconds on a clock that never goes back.
    /// - Returns: The line to say now; nil when it is kept back.
    mutating func note(_ kind: String, _ text: String, now: Double) -> String? {
        guard var entry = held[kind] else {
            held[kind] = Held(lastSaid: now, interval: interval)
            return text
        }
        entry.count += 1
        entry.lastText = text
        guard now - entry.lastSaid >= entry.interval else {
            held[kind] = entry
            return nil
        }
        held[kind] = Held(lastSaid: now, interval: min(Self.longest, 2 * entry.interval))
        return Self.line(entry, now: now)
    }

    /// The lines that are due without a new error, so that the last of a burst is not lost.
    mutating func due(now: Double) -> [String] {
        var lines: [String] = []
        for (kind, entry) in held.sorted(by: { $0.key < $1.key }) where now - entry.lastSaid >= entry.interval {
            if entry.count > 0 {
                lines.append(Self.line(entry, now: now))
                held[kind] = Held(lastSaid: now, interval: min(Self.longest, 2 * entry.interval))
            } else {
                held[kind] = nil
            }
        }
        return lines
    }

    private static func line(_ entry: Held, now: Double) -> String {
        let seconds = Int((now - entry.lastSaid).rounded())
        return entry.count == 1 ? entry.lastText : "\(entry.count) times in \(seconds) s, the last: \(entry.lastText)"
    }
}

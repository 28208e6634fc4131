internal import Foundation

/// How far a camera's log has reached the broker: a small file that is replaced as a whole.
struct MQTTPosition {
    private let path: String
    /// The first line that the broker has not acknowledged.
    private(set) var next: UInt64
    private var saved: UInt64?
    /// Acknowledged lines after `next`, which came out of order.
    private var ahead: Set<UInt64> = []

    /// - Parameter start: Where to begin when there is no file yet.
    init(path: String, start: UInt64) {
        self.path = path
        let text = try? String(contentsOfFile: path, encoding: .utf8)
        saved = text.flatMap { UInt64($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        next = saved ?? start
    }

    /// Lines before this need not be sent again: the log jumped over them.
    mutating func skip(to sequence: UInt64) {
        if ahead.isEmpty, sequence > next { next = sequence }
    }

    mutating func acknowledge(_ sequence: UInt64, wasExpected expected: [UInt64]) {
        ahead.insert(sequence)
        // Lines that were never sent (holes in the log) do not hold the position back.
        while let least = ahead.min(), expected.allSatisfy({ $0 > least || ahead.contains($0) }) {
            next = least + 1
            ahead.remove(least)
        }
    }

    /// Writes the position down if it changed.
    mutating func save() throws {
        guard next != saved else { return }
        try Data("\(next)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        saved = next
    }
}

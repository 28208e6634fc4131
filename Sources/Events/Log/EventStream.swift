internal import Glibc
public import Scene

/// A camera's lines on a descriptor that is no file of ours, such as standard output: numbered from 1, not kept.
public struct EventStream {
    private let descriptor: Int32
    private let clock: ClockSource
    private var nextSequence: UInt64 = 1

    /// - Parameter descriptor: open for writing; 1 is standard output. Not closed by this type.
    public init(descriptor: Int32 = 1, clock: ClockSource) {
        self.descriptor = descriptor
        self.clock = clock
    }

    /// Writes events in order.
    /// - Returns: their lines, newline at the end.
    /// - Throws: when the reader is gone or the descriptor cannot be written.
    @discardableResult
    public mutating func append(_ events: [Event]) throws(EventLogError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for event in events {
            let line = EventRecord.line(event, sequence: nextSequence, clock: clock)
            nextSequence += 1
            var rest = line[...]
            do {
                while !rest.isEmpty {
                    rest = rest.dropFirst(try RealFileSystem().write(descriptor, rest, path: "standard output"))
                }
            } catch {
                throw .system(error)
            }
            lines.append(line)
        }
        return lines
    }
}

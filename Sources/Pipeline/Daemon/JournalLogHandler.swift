internal import Events
public import Logging

/// FlyingFox has a `Logging` of its own, beside which swift-log's name cannot be spelled out.
typealias DaemonLogger = Logger

/// Log lines on standard error: under systemd with the priority prefix of sd-daemon(3), else with the time.
public struct JournalLogHandler: LogHandler {
    public var logLevel = Logger.Level.info
    public var metadata: Logger.Metadata = [:]
    private let isJournal: Bool

    public init(environment: [String: String]) { isJournal = environment["JOURNAL_STREAM"] != nil }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let place = metadata["camera"].map { "camera \($0): " } ?? ""
        // A line of the journal is a line: what came from outside may hold anything.
        let text = String("\(place)\(event.message)".map { $0.isNewline ? " " : $0 })
        StandardStream.error.write(prefix(event.level) + text + "\n")
    }

    private func prefix(_ level: Logger.Level) -> String {
        if isJournal {
            switch level {
            case .critical: return "<2>"
            case .error: return "<3>"
            case .warning: return "<4>"
            case .notice: return "<5>"
            case .info: return "<6>"
            case .debug, .trace: return "<7>"
            }
        }
        return "\(Timestamp.text(utcMicroseconds: wallMicroseconds())) \(level): "
    }
}

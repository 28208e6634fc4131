internal import Engine

/// What a process says when it ends. Values from sysexits.h where it has one.
public enum ExitStatus {
    public static let done: Int32 = 0
    /// Nothing usable went in, or nothing could be written.
    public static let failed: Int32 = 1
    /// Wrong usage of the command line.
    public static let usage: Int32 = 64
    /// A configuration or a model that cannot be used; starting again would not help.
    public static let configuration: Int32 = 78
    /// Stopped by Ctrl-C, as shells say it.
    public static let interrupted: Int32 = 130

    /// The status that an error ends the process with.
    public static func of(_ error: any Error) -> Int32 {
        switch error {
        case is ConfigurationError, is ConfigurationProblem, is ModelMissing, is EngineError: configuration
        case let error as ReplayError:
            if case .wouldOverwrite = error { usage } else { failed }
        default: failed
        }
    }
}

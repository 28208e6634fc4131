internal import ArgumentParser
internal import Engine

/// What was wrong when an engine command failed, as exit codes.
enum EngineFailure: Int32 {
    /// The picture, or where the output should go.
    case input = 1
    /// The model or its configuration.
    case model = 78
}

/// The result of `body`; an error becomes one line on standard error and the exit code.
func orExit<Result>(_ failure: EngineFailure, _ body: () throws(EngineError) -> Result) throws -> Result {
    do throws(EngineError) {
        return try body()
    } catch {
        complain("\(error)")
        throw ExitCode(failure.rawValue)
    }
}

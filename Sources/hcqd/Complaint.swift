internal import ArgumentParser
internal import Pipeline

/// Writes a line, or several, to standard error.
func complain(_ text: String) { StandardStream.error.write("hcqd: \(text)\n") }

/// Runs a command's work; an error becomes one clear message and the exit status that belongs to it.
func reporting(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error where error is ExitCode || error is ValidationError {
        throw error
    } catch {
        for line in "\(error)".split(separator: "\n") { complain(String(line)) }
        throw ExitCode(ExitStatus.of(error))
    }
}

import ArgumentParser
internal import Pipeline

/// `hcqd check FILE`
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether a configuration file is right, and what is wrong where.",
        discussion: """
            Every problem is told with file, line, path, what was found and what is allowed. \
            Exit status 0 when all is well, 78 otherwise.

            Example:
              hcqd check /etc/hcqd/hcqd.yaml
            """)

    @Argument(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String

    func run() throws {
        try reporting {
            let configuration = try Configuration(contentsOf: file)
            for problem in configuration.missingSecrets(Secrets(), file: file) { complain("warning: \(problem)") }
            print("\(file): right, \(configuration.cameras.count) \(configuration.cameras.count == 1 ? "camera" : "cameras")")
        }
    }
}

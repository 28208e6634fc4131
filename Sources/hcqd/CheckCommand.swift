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
            let warnings = configuration.missingSecrets(Secrets(), file: file) + configuration.missingFiles(file: file)
            for warning in warnings { complain("warning: \(warning)") }
            let count = configuration.cameras.values.count { $0.enabled }
            print(
                "\(file): right, \(count == 0 ? "but there is no camera in it" : count == 1 ? "1 camera" : "\(count) cameras")"
            )
        }
    }
}

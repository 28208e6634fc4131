import ArgumentParser
internal import Foundation
internal import Logging
internal import Pipeline

/// `hcqd run --config FILE`
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Watch the cameras of a configuration until told to stop.",
        discussion: """
            SIGTERM or Ctrl-C stops within 5 s. SIGHUP reads the configuration again and restarts only cameras that \
            changed. SIGUSR1 opens the logs anew, after they were renamed.

            Example:
              hcqd run --config /etc/hcqd/hcqd.yaml
            """)

    @Option(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var config = "/etc/hcqd/hcqd.yaml"

    func run() throws {
        StandardStream.takeClosed()
        try reporting {
            let environment = ProcessInfo.processInfo.environment
            let logger = Logger(label: "hcqd") { _ in JournalLogHandler(environment: environment) }
            try Daemon(file: config, environment: environment, logger: logger).run()
            // Everything is on disk. A worker may still be in a frame: it is not waited for, and exit handlers would pull
            // its libraries away under it.
            _exit(ExitStatus.done)
        }
    }
}

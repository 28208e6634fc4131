import ArgumentParser

/// The command line of the daemon.
@main
struct HcqdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hcqd", abstract: "Knows what the people in a scene do, from ordinary cameras and an ordinary CPU.",
        subcommands: [
            ForwardCommand.self, ModelCommand.self, TrackCommand.self, EventsCommand.self, EvalCommand.self,
        ])
}

import ArgumentParser
internal import Pipeline

/// The command line of the daemon.
@main
struct HcqdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hcqd",
        abstract: "Knows what the people in a scene do, from ordinary cameras and an ordinary CPU.",
        usage: """
            hcqd --replay CLIP [--output DIR] [--annotate OUT.mp4] ...
            hcqd COMMAND ...
            """,
        discussion: """
            Examples:
              hcqd --replay clip.mp4                        # writes hcqd-output/clip.jsonl
              hcqd --replay clip.mp4 --annotate seen.mp4    # and a video that shows it
              hcqd --replay clip.mp4 --output - | jq .type  # events on standard output
              hcqd --replay pictures/ --fps 10              # a folder of pictures
              hcqd run --config /etc/hcqd/hcqd.yaml         # the daemon
              hcqd check /etc/hcqd/hcqd.yaml                # is the configuration right?
              hcqd zones clip.mp4                           # draw zones and lines

            `hcqd help replay` lists the options of --replay.
            Exit status: 0 done, 1 nothing usable, 64 wrong usage, 78 wrong configuration or model, 130 stopped by Ctrl-C.
            """,
        version: "hcqd 0.1.0",
        subcommands: [
            ReplayCommand.self, RunCommand.self, CheckCommand.self, ProbeCommand.self, ZonesCommand.self,
            ForwardCommand.self, ModelCommand.self, TrackCommand.self, EvalCommand.self, EventsCommand.self,
            BenchCommand.self,
        ],
        defaultSubcommand: ReplayCommand.self)

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch { exit(withError: error) }
        guard let reason = StandardStream.flush() else { return }
        complain("standard output: cannot be written: \(reason)")
        exit(withError: ExitCode.failure)
    }
}

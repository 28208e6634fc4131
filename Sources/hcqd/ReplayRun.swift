internal import ArgumentParser
internal import Foundation
internal import Pipeline
internal import Synchronization

/// A replay as the command line runs it: progress while it runs, Ctrl-C, the summary at the end.
struct ReplayRun {
    let options: ReplayOptions
    let settings: ModelSettings
    let isQuiet: Bool

    init(_ options: ReplayOptions, model: ModelSettings, isQuiet: Bool) {
        self.options = options
        settings = model
        self.isQuiet = isQuiet
    }

    func run() throws {
        // A reader that goes away is an error that is told, not a signal that kills.
        signal(SIGPIPE, SIG_IGN)
        let replay = Replay(options)
        // Who is started with nohup stays when the terminal goes.
        let hangUp = SignalWatch.isIgnored(SIGHUP) ? [] : [SIGHUP]
        let watch = SignalWatch([SIGINT, SIGTERM] + hangUp) { number in
            SignalWatch.restoreDefault(number)
            replay.stop()
        }
        defer { withExtendedLifetime(watch) {} }
        let clip = try replay.open()
        var settings = settings
        settings.workers = options.workers ?? settings.workers
        settings.threads = options.threads ?? settings.threads
        let engine = EngineWorkers(
            try settings.load(), settings: settings, inputSize: clip.inputSize, wanted: 2)
        let progress = ProgressPrinter(expected: clip.frameCount)
        let summary: ReplaySummary
        do {
            summary = try replay.run(clip, engine: engine) { frames, people in
                progress.show(frames: frames, people: people)
            }
        } catch {
            progress.clear()
            throw error
        }
        progress.clear()
        if !summary.warnings.isEmpty {
            complain("warning: \(clip.location): \(summary.warnings.joined(separator: "; "))")
        }
        if !isQuiet { say(summary) }
        if summary.wasInterrupted { throw ExitCode(ExitStatus.interrupted) }
    }

    /// Standard output belongs to the events when they go there.
    private func say(_ summary: ReplaySummary) {
        let stream = options.output == .standardOutput ? StandardStream.error : .output
        stream.write(summary.description + "\n")
    }
}

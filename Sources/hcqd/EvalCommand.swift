import ArgumentParser
import Evaluation
import Foundation

/// `hcqd eval`: how good detections and tracks are.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure detections and tracks against truth.",
        subcommands: [EvalCOCOCommand.self, EvalMOTCommand.self])
}

/// `hcqd eval mot`: a tracker's results against MOTChallenge truth.
struct EvalMOTCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mot", abstract: "Measure tracks against MOTChallenge truth: HOTA, CLEAR and identity metrics.",
        discussion: """
            The figures are TrackEval's. Shares are printed as per cent.

            Examples:
              hcqd eval mot --truth mot15/KITTI-17/gt/gt.txt --result tracks.txt
              hcqd eval mot --truth MOT17/train --result results/ --json
            """)

    @Option(help: "A gt.txt, or a folder of <sequence>/gt/gt.txt.")
    var truth: String
    @Option(help: "A file of tracks, or a folder of <sequence>.txt.")
    var result: String
    @Option(
        help: "Whose rules say what counts: mot15, mot16, mot17, mot20 (default: from the truth).",
        transform: {
            guard let benchmark = MOTBenchmark(rawValue: $0) else {
                throw ValidationError("mot15, mot16, mot17 or mot20 is possible")
            }
            return benchmark
        })
    var benchmark: MOTBenchmark?
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let sequences = try MOTPaths.find(truth: truth, results: result).map {
                try $0.metrics(benchmark: benchmark)
            }
            let combined = TrackingMetrics(combining: sequences, name: "combined")
            if json {
                try printJSON(sequences, combined)
            } else {
                printTable(sequences.count > 1 ? sequences + [combined] : sequences)
            }
        }
    }

    private func printTable(_ rows: [TrackingMetrics]) {
        let width = max(10, rows.map(\.name.count).max() ?? 0) + 2
        let names = rows[0].figures.map(\.name) + rows[0].counts.map(\.name)
        print(padded("", width) + names.map { padded($0, 10) }.joined())
        for row in rows {
            let values = row.figures.map { significantDigits(100 * $0.value) } + row.counts.map { String($0.value) }
            print(padded(row.name, width) + values.map { padded($0, 10) }.joined())
        }
    }

    private struct Report: Encodable {
        let sequences: [String: [String: Double]]
        let combined: [String: Double]
    }

    private func printJSON(_ sequences: [TrackingMetrics], _ combined: TrackingMetrics) throws {
        func values(_ metrics: TrackingMetrics) -> [String: Double] {
            var values: [String: Double] = [:]
            for figure in metrics.figures { values[figure.name] = figure.value }
            for count in metrics.counts { values[count.name] = Double(count.value) }
            return values
        }
        var byName: [String: [String: Double]] = [:]
        for sequence in sequences { byName[sequence.name] = values(sequence) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        let data = try encoder.encode(Report(sequences: byName, combined: values(combined)))
        print(String(decoding: data, as: UTF8.self))
    }
}

/// Five significant digits, as TrackEval prints.
func significantDigits(_ value: Double) -> String { String(format: "%1.5g", value) }

func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
}

import Evaluation
import Foundation
import Testing

@Suite struct TrackingMetricsTests {
    private func metrics(truth: String, results: String, benchmark: MOTBenchmark? = nil) throws -> TrackingMetrics {
        var metrics: TrackingMetrics?
        try Reference.withFolder { folder in
            try truth.write(toFile: folder + "/gt.txt", atomically: true, encoding: .utf8)
            try results.write(toFile: folder + "/result.txt", atomically: true, encoding: .utf8)
            metrics = try MOTPaths.find(truth: folder + "/gt.txt", results: folder + "/result.txt")[0]
                .metrics(benchmark: benchmark)
        }
        return try #require(metrics)
    }

    /// One person walks through four frames.
    private let walk = (1...4).map { "\($0),1,\(10 * $0),10,20,50,1,-1,-1,-1\n" }

    @Test func perfectResultsAreWorthEverything() throws {
        let m = try metrics(truth: walk.joined(), results: walk.joined())
        #expect(m.clear.mota == 1 && m.clear.motp == 1 && m.identity.idf1 == 1)
        #expect(abs(m.hota.hota - 1) < 1e-12 && abs(m.hota.assA - 1) < 1e-12)
        #expect(m.clear.mostlyTracked == 1)
    }

    @Test func aNewIDIsASwitchAndHalvesIdentity() throws {
        let changed = walk.prefix(2) + walk.suffix(2).map { $0.replacing(",1,", with: ",9,", maxReplacements: 1) }
        let m = try metrics(truth: walk.joined(), results: changed.joined())
        #expect(m.clear.idSwitches == 1 && m.clear.fragmentations == 0)
        #expect(m.clear.mota == 0.75)
        #expect(m.identity.idf1 == 0.5)
        #expect(abs(m.hota.assA - 0.5) < 1e-12 && abs(m.hota.detA - 1) < 1e-12)
    }

    @Test func aHoleIsAFragmentation() throws {
        let elsewhere = "3,2,500,10,20,50,1,-1,-1,-1\n"
        let m = try metrics(truth: walk.joined(), results: walk[0] + walk[1] + elsewhere + walk[3])
        #expect(m.clear.fragmentations == 1 && m.clear.falseNegatives == 1 && m.clear.idSwitches == 0)
    }

    @Test func nothingFoundAndNothingThere() throws {
        let none = try metrics(truth: walk.joined(), results: "")
        #expect(none.clear.falseNegatives == 4 && none.clear.mota == 0 && none.clear.mostlyLost == 1)
        let false4 = try metrics(truth: "1,1,0,0,5,5,0,-1,-1,-1\n", results: walk.joined())
        #expect(false4.clear.falsePositives == 4 && false4.identity.falsePositives == 4)
        // TrackEval 1.3.0: 0 for the sequence, all false positives in the combination.
        #expect(false4.clear.mota == 0)
        #expect(TrackingMetrics(combining: [false4, none], name: "both").clear.mota == -1)
    }

    @Test func distractorsCountNeitherWay() throws {
        // A reflection (12), someone on a vehicle (2), a pedestrian that does not count, and one that does.
        let truth = """
            1,1,0,0,20,50,1,12,1
            1,2,100,0,20,50,1,2,1
            1,3,200,0,20,50,0,1,1
            1,4,300,0,20,50,1,1,1
            """
        let result = (0..<4).map { "1,\($0 + 5),\($0 * 100),1,20,50,1,-1,-1,-1\n" }.joined()
        let m = try metrics(truth: truth, results: result)
        #expect(m.clear.truePositives == 1 && m.clear.falsePositives == 1 && m.clear.falseNegatives == 0)
    }

    @Test func readsLinesThatEndAsOnWindows() throws {
        let m = try metrics(truth: walk.joined(), results: walk.joined().replacing("\n", with: "\r\n"))
        #expect(m.clear.mota == 1)
    }

    @Test func refusesWhatIsNotMOT() throws {
        #expect(throws: EvaluationError.self) { try metrics(truth: walk.joined(), results: "1,1,here,10,20,50,1\n") }
        #expect(throws: EvaluationError.self) { try metrics(truth: walk.joined(), results: walk[0] + walk[0]) }
        try Reference.withFolder { folder in
            try "1,1,5,5,5,5,1\n1,1,x,5,5,5,1\n".write(toFile: folder + "/a.txt", atomically: true, encoding: .utf8)
            #expect(
                throws: EvaluationError.badLine(
                    path: folder + "/a.txt", line: 2, expected: "frame,id,left,top,width,height,confidence,...")
            ) { try MOTFile(contentsOf: folder + "/a.txt") }
            #expect(throws: EvaluationError.unreadable(path: folder + "/none.txt")) {
                try MOTFile(contentsOf: folder + "/none.txt")
            }
        }
    }

    // Printed by TrackEval 1.3.0 for this file.
    @Test(.enabled(if: Reference.tracking != nil, "left out: the data are not on this machine"))
    func matchesPrintedFiguresOnTUDStadtmitte() throws {
        let folder = try #require(Reference.tracking) + "/mot15/TUD-Stadtmitte"
        let m = try MOTPaths.find(truth: folder, results: folder + "/tracker-result.txt")[0].metrics()
        let printed = m.figures.map { "\($0.name) " + String(format: "%1.5g", 100 * $0.value) }
        #expect(
            printed == [
                "HOTA 39.785", "DetA 39.227", "AssA 40.884", "LocA 73.752", "DetRe 41.313", "DetPr 63.762",
                "AssRe 44.922", "AssPr 63.12", "MOTA 56.401", "MOTP 65.41", "Recall 60.9", "Precision 93.992",
                "IDF1 64.462", "IDP 81.976", "IDR 53.114",
            ])
        #expect(m.clear.idSwitches == 7 && m.clear.fragmentations == 6)
    }

    @Test(
        .enabled(
            if: Reference.tracking != nil && Reference.python != nil,
            "left out: needs the data and HCQD_PYTHON with trackeval"))
    func matchesTrackEvalOnMOT17() throws {
        try Reference.withFolder { folder in
            let archive = try #require(Reference.tracking) + "/mot17-frcnn-gt-and-lif_t-results.tar.gz"
            _ = try Reference.output(of: "/usr/bin/env", ["tar", "xzf", archive, "-C", folder])
            let paths = try MOTPaths.find(truth: folder + "/MOT17/train", results: folder + "/Lif_T")
            #expect(paths.count == 7)
            try expectTrackEvalsFigures(paths, benchmark: "mot17")
        }
    }

    private func expectTrackEvalsFigures(_ paths: [MOTPaths], benchmark: String) throws {
        var arguments = [benchmark]
        for path in paths {
            let info = try MOTSequenceInfo(contentsOf: try #require(MOTSequenceInfo.path(near: path.truth)))
            arguments += [path.name, path.truth, path.results, "\(try #require(info.frames))"]
        }
        let reference = try #require(
            Reference.run("trackeval_figures.py", arguments) as? [String: [String: Double]])
        let sequences = try paths.map { try $0.metrics() }
        for metrics in sequences + [TrackingMetrics(combining: sequences, name: "combined")] {
            let expected = try #require(reference[metrics.name])
            for figure in metrics.figures {
                #expect(abs(figure.value - (expected[figure.name] ?? -1)) < 1e-12, "\(metrics.name) \(figure.name)")
            }
            for count in metrics.counts {
                #expect(Double(count.value) == expected[count.name], "\(metrics.name) \(count.name)")
            }
        }
    }
}

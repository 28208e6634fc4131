/// Everything that is measured of a tracker's results.
public struct TrackingMetrics: Sendable, Equatable {
    public let name: String
    public let clear: CLEARMetrics
    public let identity: IdentityMetrics
    public let hota: HOTAMetrics

    public init(_ sequence: MOTSequence) {
        name = sequence.name
        clear = CLEARMetrics(sequence)
        identity = IdentityMetrics(sequence)
        hota = HOTAMetrics(sequence)
    }

    /// Several sequences together.
    public init(combining parts: [TrackingMetrics], name: String) {
        self.name = name
        clear = CLEARMetrics(combining: parts.map(\.clear))
        identity = IdentityMetrics(combining: parts.map(\.identity))
        hota = HOTAMetrics(combining: parts.map(\.hota))
    }

    /// Name and value of every figure, shares as 0...1, in the order in which they are printed.
    public var figures: [(name: String, value: Double)] {
        [
            ("HOTA", hota.hota), ("DetA", hota.detA), ("AssA", hota.assA), ("LocA", hota.locA),
            ("DetRe", hota.detRe), ("DetPr", hota.detPr), ("AssRe", hota.assRe), ("AssPr", hota.assPr),
            ("MOTA", clear.mota), ("MOTP", clear.motp), ("Recall", clear.recall), ("Precision", clear.precision),
            ("IDF1", identity.idf1), ("IDP", identity.precision), ("IDR", identity.recall),
        ]
    }

    /// Name and value of every count, in the order in which they are printed.
    public var counts: [(name: String, value: Int)] {
        [
            ("IDSW", clear.idSwitches), ("Frag", clear.fragmentations), ("TP", clear.truePositives),
            ("FP", clear.falsePositives), ("FN", clear.falseNegatives), ("MT", clear.mostlyTracked),
            ("PT", clear.partlyTracked), ("ML", clear.mostlyLost), ("IDTP", identity.truePositives),
            ("IDFP", identity.falsePositives), ("IDFN", identity.falseNegatives),
        ]
    }
}

/// Where the truth and the results of a sequence lie.
public struct MOTPaths: Sendable, Equatable {
    public var name: String
    public var truth: String
    public var results: String

    /// One pair of files, or a folder `<sequence>/gt/gt.txt` with a folder `<sequence>.txt`; sequences without truth are
    /// passed over, sequences without results are an error.
    /// - Throws: `.unreadable`, `.empty`, `.noResults`.
    public static func find(truth: String, results: String) throws(EvaluationError) -> [MOTPaths] {
        guard isFolder(truth) else {
            return [MOTPaths(name: sequenceName(ofTruth: truth), truth: truth, results: results)]
        }
        if fileExists(truth + "/gt/gt.txt") {
            let name = sequenceName(ofTruth: truth + "/gt/gt.txt")
            let file = isFolder(results) ? results + "/" + name + ".txt" : results
            guard fileExists(file) else { throw .noResults(sequence: name, path: results) }
            return [MOTPaths(name: name, truth: truth + "/gt/gt.txt", results: file)]
        }
        var found: [MOTPaths] = []
        for name in try names(in: truth) where fileExists("\(truth)/\(name)/gt/gt.txt") {
            let file = "\(results)/\(name).txt"
            guard fileExists(file) else { throw .noResults(sequence: name, path: results) }
            found.append(MOTPaths(name: name, truth: "\(truth)/\(name)/gt/gt.txt", results: file))
        }
        guard !found.isEmpty else { throw .empty(path: truth, expected: "sequence with gt/gt.txt") }
        return found
    }

    /// Reads and measures the sequence.
    /// - Parameter benchmark: nil to tell it from the truth.
    /// - Throws: what `MOTFile` and `MOTSequence` throw.
    public func metrics(benchmark: MOTBenchmark? = nil) throws(EvaluationError) -> TrackingMetrics {
        let (truth, results) = (try MOTFile(contentsOf: truth), try MOTFile(contentsOf: results))
        var info: MOTSequenceInfo?
        if let path = MOTSequenceInfo.path(near: truth.path) { info = try MOTSequenceInfo(contentsOf: path) }
        let frames = info?.frames ?? max(truth.lastFrame, results.lastFrame)
        let rules = benchmark ?? MOTBenchmark(truth: truth, name: info?.name ?? name)
        return TrackingMetrics(
            try MOTSequence(name: name, truth: truth, results: results, frames: frames, benchmark: rules))
    }

    /// `.../TUD-Stadtmitte/gt/gt.txt` is of the sequence TUD-Stadtmitte; another file is named by itself.
    private static func sequenceName(ofTruth path: String) -> String {
        let parts = path.split(separator: "/").map(String.init)
        if parts.count >= 3 && parts.suffix(2) == ["gt", "gt.txt"] { return parts[parts.count - 3] }
        let file = parts.last ?? path
        return file.hasSuffix(".txt") ? String(file.dropLast(4)) : file
    }
}

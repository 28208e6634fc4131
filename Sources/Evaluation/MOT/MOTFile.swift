/// One box of a MOTChallenge text file, in pixels of the picture.
public struct MOTBox: Sendable, Equatable {
    /// From 1.
    public var frame: Int
    /// -1 in files of detections.
    public var id: Int
    public var left: Double
    public var top: Double
    public var width: Double
    public var height: Double
    /// Score of a detection or result; in truth, 0 marks a box that does not count.
    public var confidence: Double
    /// MOT16 and later: the class, 1 for pedestrians; nil in files without the column.
    public var category: Int?

    public init(
        frame: Int, id: Int, left: Double, top: Double, width: Double, height: Double, confidence: Double,
        category: Int? = nil
    ) {
        self.frame = frame
        self.id = id
        self.left = left
        self.top = top
        self.width = width
        self.height = height
        self.confidence = confidence
        self.category = category
    }

    /// Intersection over union, 0...1, computed as TrackEval does, operation by operation.
    func iou(_ other: MOTBox) -> Double {
        let (right, bottom) = (left + width, top + height)
        let (otherRight, otherBottom) = (other.left + other.width, other.top + other.height)
        let shared =
            max(min(right, otherRight) - max(left, other.left), 0)
            * max(min(bottom, otherBottom) - max(top, other.top), 0)
        let area = (right - left) * (bottom - top)
        let otherArea = (otherRight - other.left) * (otherBottom - other.top)
        let union = area + otherArea - shared
        let least = Double.ulpOfOne
        return area <= least || otherArea <= least || union <= least ? 0 : shared / union
    }
}

/// A MOTChallenge text file: `frame,id,left,top,width,height,confidence,...`, ten columns in MOT15, nine in the truth of
/// MOT16 and later.
public struct MOTFile: Sendable {
    public let path: String
    /// In the order of the file.
    public let boxes: [MOTBox]
    /// Columns of the first line; 0 for an empty file.
    public let columns: Int

    /// Four days at 30 frames a second: a number beyond this is no frame's.
    private static let mostFrames = 1e7

    /// - Throws: `.unreadable`, `.badLine`.
    public init(contentsOf path: String) throws(EvaluationError) {
        var boxes: [MOTBox] = []
        var columns = 0
        try forEachLine(of: path) { (line, fields) throws(EvaluationError) in
            if columns == 0 { columns = fields.count }
            let values = fields.map { Double($0) ?? .nan }
            guard values.count >= 6, values.prefix(7).allSatisfy({ abs($0) < 1e9 }), values[0] <= Self.mostFrames else {
                throw .badLine(path: path, line: line, expected: "frame,id,left,top,width,height,confidence,...")
            }
            let category = values.count == 9 && abs(values[7]) < 1e9 ? Int(values[7]) : nil
            boxes.append(
                MOTBox(
                    frame: Int(values[0]), id: Int(values[1]), left: values[2], top: values[3], width: values[4],
                    height: values[5], confidence: values.count > 6 ? values[6] : 1, category: category))
        }
        self.path = path
        self.boxes = boxes
        self.columns = columns
    }

    /// The last frame with a box; 0 for a file without one.
    public var lastFrame: Int { max(0, boxes.lazy.map(\.frame).max() ?? 0) }
}

/// What a `seqinfo.ini` says of a sequence.
public struct MOTSequenceInfo: Sendable, Equatable {
    public var name: String
    /// Frames per second.
    public var frameRate: Double?
    public var frames: Int?
    public var width: Int?
    public var height: Int?

    /// - Throws: `.unreadable`.
    public init(contentsOf path: String) throws(EvaluationError) {
        var values: [String: String] = [:]
        for line in String(decoding: try contents(of: path), as: UTF8.self).split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1).map(trimmed)
            if parts.count == 2 { values[parts[0].lowercased()] = parts[1] }
        }
        name = values["name"] ?? ""
        // Values that no sequence has are passed over as if they were missing.
        func whole(_ key: String, in range: ClosedRange<Int>) -> Int? {
            values[key].flatMap { Int($0) }.flatMap { range.contains($0) ? $0 : nil }
        }
        frameRate = values["framerate"].flatMap(Double.init).flatMap { (1e-3...1e4).contains($0) ? $0 : nil }
        frames = whole("seqlength", in: 0...10_000_000)
        width = whole("imwidth", in: 1...1_000_000)
        height = whole("imheight", in: 1...1_000_000)
    }

    /// The file of the sequence that a truth or detection file belongs to: beside it, or one folder up.
    public static func path(near file: String) -> String? {
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        return [1, 2].lazy.map { drop in
            let folder = parts.dropLast(drop)
            return folder.isEmpty ? "seqinfo.ini" : folder.joined(separator: "/") + "/seqinfo.ini"
        }.first(where: fileExists)
    }
}

private func trimmed(_ text: Substring) -> String {
    var text = text
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
}

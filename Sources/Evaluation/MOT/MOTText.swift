public import Scene

extension MOTBox {
    /// The box as a person of a picture of `size`.
    public func person(in size: PixelSize) -> Person {
        let (w, h) = (Double(size.width), Double(size.height))
        let box = Box(
            x0: Float(left / w), y0: Float(top / h), x1: Float((left + width) / w), y1: Float((top + height) / h))
        return Person(box: box, score: Float(confidence))
    }

    /// A track's box in a picture of `size`.
    /// - Parameter frame: from 1.
    public init(_ track: Track, frame: Int, size: PixelSize) {
        let box = track.person.box
        let (w, h) = (Double(size.width), Double(size.height))
        self.init(
            frame: frame, id: Int(track.id.ordinal), left: Double(box.x0) * w, top: Double(box.y0) * h,
            width: Double(box.width) * w, height: Double(box.height) * h, confidence: Double(track.person.score))
    }

    /// A line of a MOTChallenge file: `frame,id,left,top,width,height,score,-1,-1,-1`.
    public var line: String {
        let numbers = [left, top, width, height].map { decimal($0, places: 3) } + [decimal(confidence, places: 4)]
        return "\(frame),\(id),\(numbers.joined(separator: ",")),-1,-1,-1\n"
    }

    /// Fills the holes of each track by straight lines, where a hole lasts no longer than `frames`.
    ///
    /// This looks ahead and is for files, not for tracking as it happens.
    /// - Returns: the boxes in the order of frames, then ids.
    public static func fillingHoles(_ boxes: [MOTBox], upTo frames: Int) -> [MOTBox] {
        var filled = boxes
        var last: [Int: MOTBox] = [:]
        for box in boxes.sorted(by: { $0.frame < $1.frame }) {
            if let before = last[box.id], box.frame - before.frame <= frames + 1 {
                for frame in stride(from: before.frame + 1, to: box.frame, by: 1) {
                    filled.append(between(before, box, frame: frame))
                }
            }
            last[box.id] = box
        }
        return filled.sorted { ($0.frame, $0.id) < ($1.frame, $1.id) }
    }

    private static func between(_ a: MOTBox, _ b: MOTBox, frame: Int) -> MOTBox {
        let t = Double(frame - a.frame) / Double(b.frame - a.frame)
        func mix(_ x: Double, _ y: Double) -> Double { x + (y - x) * t }
        return MOTBox(
            frame: frame, id: a.id, left: mix(a.left, b.left), top: mix(a.top, b.top), width: mix(a.width, b.width),
            height: mix(a.height, b.height), confidence: min(a.confidence, b.confidence))
    }
}

/// A number with so many decimals at most.
func decimal(_ value: Double, places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : "\(rounded)"
}

/// The pixels of one person, as runs down the columns: COCO's order, so that COCO's compressed form is a spelling of it.
public struct Mask: Hashable, Sendable {
    public let size: PixelSize
    /// Lengths of alternating runs of background and person, starting with background (maybe 0), column after column;
    /// they add up to `size.width * size.height`.
    public let runs: [UInt32]

    /// - Precondition: `runs` add up to the number of pixels.
    public init(size: PixelSize, runs: [UInt32]) {
        precondition(runs.reduce(0) { $0 + Int($1) } == size.width * size.height, "runs must cover the mask")
        self.size = size
        self.runs = runs
    }

    /// Encodes a bitmap.
    /// - Parameter bitmap: `[height][width]`, row after row; anything but 0 is person.
    public init(size: PixelSize, bitmap: [UInt8]) {
        precondition(bitmap.count == size.width * size.height, "a bitmap has a byte for every pixel")
        var runs: [UInt32] = []
        var current = false
        var length: UInt32 = 0
        for x in 0..<size.width {
            for y in 0..<size.height {
                let isPerson = bitmap[y * size.width + x] != 0
                if isPerson != current {
                    runs.append(length)
                    length = 0
                    current = isPerson
                }
                length += 1
            }
        }
        runs.append(length)
        self.size = size
        self.runs = runs
    }

    /// Number of person pixels.
    public var area: Int {
        var total = 0
        for i in stride(from: 1, to: runs.count, by: 2) { total += Int(runs[i]) }
        return total
    }

    public var isEmpty: Bool { area == 0 }

    /// Calls `body` for every vertical run of person pixels, column after column: `(x, y, length)` with `y` its first row.
    /// A run that crosses columns is given in parts.
    public func forEachSegment(_ body: (_ x: Int, _ y: Int, _ length: Int) -> Void) {
        guard size.height > 0 else { return }
        var position = 0
        for (i, run) in runs.enumerated() {
            if i % 2 == 1 {
                var start = position
                let end = position + Int(run)
                while start < end {
                    let y = start % size.height
                    let length = min(end - start, size.height - y)
                    body(start / size.height, y, length)
                    start += length
                }
            }
            position += Int(run)
        }
    }

    /// `[height][width]` bytes, row after row: 1 for person, 0 for background.
    public func bitmap() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size.width * size.height)
        forEachSegment { x, y, length in
            for row in y..<(y + length) { bytes[row * size.width + x] = 1 }
        }
        return bytes
    }

    /// Number of pixels that are person in both masks.
    /// - Precondition: both have the same size.
    public func intersection(_ other: Mask) -> Int {
        precondition(size == other.size, "masks of one picture have one size")
        var total = 0
        var (i, j) = (0, 0)
        var (a, b) = (runs.first.map(Int.init) ?? 0, other.runs.first.map(Int.init) ?? 0)
        while i < runs.count && j < other.runs.count {
            let step = min(a, b)
            if i % 2 == 1 && j % 2 == 1 { total += step }
            a -= step
            b -= step
            if a == 0 {
                i += 1
                if i < runs.count { a = Int(runs[i]) }
            }
            if b == 0 {
                j += 1
                if j < other.runs.count { b = Int(other.runs[j]) }
            }
        }
        return total
    }

    /// Intersection over union, 0...1; 0 when both are empty.
    public func iou(_ other: Mask) -> Float {
        let shared = intersection(other)
        let union = area + other.area - shared
        return union > 0 ? Float(shared) / Float(union) : 0
    }

    /// The smallest box around the person pixels in normalised coordinates; nil for an empty mask.
    public var boundingBox: Box? {
        var (left, top, right, bottom) = (Int.max, Int.max, -1, -1)
        forEachSegment { x, y, length in
            left = min(left, x)
            right = max(right, x)
            top = min(top, y)
            bottom = max(bottom, y + length - 1)
        }
        guard right >= 0 else { return nil }
        let (w, h) = (Float(size.width), Float(size.height))
        return Box(x0: Float(left) / w, y0: Float(top) / h, x1: Float(right + 1) / w, y1: Float(bottom + 1) / h)
    }
}

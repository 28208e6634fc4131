internal import Scene

/// The part of a picture around one mask, a byte a pixel, rows first: what drawing and redaction work on.
struct Silhouette {
    /// Where the part lies in the picture.
    let left: Int
    let top: Int
    let width: Int
    let height: Int
    /// 1 for person, `[height][width]`.
    var bits: [UInt8]

    /// - Parameters:
    ///   - size: the picture's; a mask of another size is stretched to it.
    ///   - margin: pixels of background to keep around the person.
    init?(_ mask: Mask, in size: PixelSize, margin: Int) {
        guard let box = mask.boundingBox else { return nil }
        func pixel(_ v: Float, _ n: Int) -> Int { Int((v * Float(n)).rounded()) }
        left = max(0, pixel(box.x0, size.width) - margin)
        top = max(0, pixel(box.y0, size.height) - margin)
        width = min(size.width, pixel(box.x1, size.width) + margin) - left
        height = min(size.height, pixel(box.y1, size.height) + margin) - top
        guard width > 0 && height > 0 else { return nil }
        bits = [UInt8](repeating: 0, count: width * height)
        let (sx, sy) = (size.width, size.height)
        let (mw, mh) = (mask.size.width, mask.size.height)
        let (left, top, width, height) = (left, top, width, height)
        bits.withUnsafeMutableBufferPointer { bits in
            mask.forEachSegment { x, y, length in
                // Rounded outwards, so that a stretched mask covers at least what it covered.
                let x0 = max(x * sx / mw - left, 0)
                let x1 = min(((x + 1) * sx + mw - 1) / mw - left, width)
                let y0 = max(y * sy / mh - top, 0)
                let y1 = min(((y + length) * sy + mh - 1) / mh - top, height)
                guard x0 < x1 && y0 < y1 else { return }
                for row in y0..<y1 {
                    for column in x0..<x1 { bits[row * width + column] = 1 }
                }
            }
        }
    }

    /// A filled rectangle, for a person without a mask.
    init?(_ box: Box, in size: PixelSize, margin: Int) {
        let inside = box.clamped()
        guard inside.x1 > inside.x0, inside.y1 > inside.y0 else { return nil }
        left = max(0, Int((inside.x0 * Float(size.width)).rounded(.down)) - margin)
        top = max(0, Int((inside.y0 * Float(size.height)).rounded(.down)) - margin)
        width = min(size.width, Int((inside.x1 * Float(size.width)).rounded(.up)) + margin) - left
        height = min(size.height, Int((inside.y1 * Float(size.height)).rounded(.up)) + margin) - top
        guard width > 0 && height > 0 else { return nil }
        bits = [UInt8](repeating: 1, count: width * height)
    }

    /// A disc around the middle of the face, wide enough for the head, when joints of the face were seen: a mask may
    /// miss just that part.
    init?(headOf person: Person, in size: PixelSize) {
        let face = [Joint.nose, .leftEye, .rightEye, .leftEar, .rightEar].compactMap { person[$0] }
            .filter { $0.confidence >= 0.3 && $0.position.x.isFinite && $0.position.y.isFinite }
        guard !face.isEmpty else { return nil }
        let (w, h) = (Float(size.width), Float(size.height))
        let points = face.map { (x: min(max($0.position.x, -1), 2) * w, y: min(max($0.position.y, -1), 2) * h) }
        let x = points.reduce(0) { $0 + $1.x } / Float(points.count)
        let y = points.reduce(0) { $0 + $1.y } / Float(points.count)
        let spread = points.map { max(abs($0.x - x), abs($0.y - y)) }.max() ?? 0
        let tall = person.box.height.isFinite ? person.box.height : 0
        let radius = min(max(1.8 * spread, 0.09 * tall * h, 3), h)
        self.init(discAt: x, y, radius: radius, in: size)
    }

    /// A disc; its middle and radius are finite pixels.
    init?(discAt x: Float, _ y: Float, radius: Float, in size: PixelSize) {
        left = max(0, Int(x - radius))
        top = max(0, Int(y - radius))
        width = min(size.width, Int(x + radius) + 1) - left
        height = min(size.height, Int(y + radius) + 1) - top
        guard width > 0 && height > 0 else { return nil }
        bits = [UInt8](repeating: 0, count: width * height)
        for row in 0..<height {
            for column in 0..<width {
                let (dx, dy) = (Float(left + column) + 0.5 - x, Float(top + row) + 0.5 - y)
                if dx * dx + dy * dy <= radius * radius { bits[row * width + column] = 1 }
            }
        }
    }

    /// Discs along the limbs whose joints were seen: a mask may miss a foot or a hand.
    static func limbs(of person: Person, in size: PixelSize) -> [Silhouette] {
        let (w, h) = (Float(size.width), Float(size.height))
        let tall = person.box.height.isFinite ? min(max(person.box.height, 0), 1) : 0
        let radius = max(0.06 * tall * h, 3)
        func pixel(_ joint: Joint) -> (x: Float, y: Float)? {
            guard let seen = person[joint], seen.confidence >= 0.3, seen.position.x.isFinite, seen.position.y.isFinite,
                person.box.contains(seen.position, margin: 0.2 * tall)
            else { return nil }
            return (seen.position.x * w, seen.position.y * h)
        }
        return Joint.skeleton.flatMap { from, to -> [Silhouette] in
            guard let a = pixel(from), let b = pixel(to) else { return [] }
            let length = ((b.x - a.x) * (b.x - a.x) + (b.y - a.y) * (b.y - a.y)).squareRoot()
            let steps = min(max(Int(length / radius) + 1, 1), 64)
            return (0...steps).compactMap { i in
                let t = Float(i) / Float(steps)
                return Silhouette(discAt: a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), radius: radius, in: size)
            }
        }
    }

    /// Grows the person by `radius` pixels in every direction (a square); the margin must be as wide.
    mutating func dilate(by radius: Int) {
        guard radius > 0 else { return }
        let (width, height) = (width, height)
        var wide = [UInt8](repeating: 0, count: bits.count)
        bits.withUnsafeBufferPointer { bits in
            wide.withUnsafeMutableBufferPointer { wide in
                for y in 0..<height {
                    var until = -1
                    for x in 0..<min(radius, width) where bits[y * width + x] != 0 { until = x + radius }
                    for x in 0..<width {
                        let ahead = x + radius
                        if ahead < width && bits[y * width + ahead] != 0 { until = ahead + radius }
                        wide[y * width + x] = x <= until ? 1 : 0
                    }
                }
            }
        }
        // Down the columns, a whole row at a time: `until[x]` is the last row that the column x must cover.
        var until = [Int32](repeating: -1, count: width)
        bits.withUnsafeMutableBufferPointer { bits in
            wide.withUnsafeBufferPointer { wide in
                for y in -radius..<height {
                    let ahead = y + radius
                    if ahead < height {
                        let reach = Int32(ahead + radius)
                        for x in 0..<width where wide[ahead * width + x] != 0 { until[x] = reach }
                    }
                    guard y >= 0 else { continue }
                    let row = Int32(y)
                    for x in 0..<width { bits[y * width + x] = row <= until[x] ? 1 : 0 }
                }
            }
        }
    }

    /// Blends a colour over the person, stronger along the edge.
    func paint(_ color: Color, fill: Int, edge: Int, edgeWidth: Int, on canvas: Canvas) {
        bits.withUnsafeBufferPointer { bits in
            for y in 0..<height {
                for x in 0..<width where bits[y * width + x] != 0 {
                    let isInside =
                        x >= edgeWidth && y >= edgeWidth && x + edgeWidth < width && y + edgeWidth < height
                        && bits[y * width + x - edgeWidth] != 0 && bits[y * width + x + edgeWidth] != 0
                        && bits[(y - edgeWidth) * width + x] != 0 && bits[(y + edgeWidth) * width + x] != 0
                    canvas.blend(left + x, top + y, color, isInside ? fill : edge)
                }
            }
        }
    }
}

extension Box {
    /// - Parameter margin: in shares of the picture.
    fileprivate func contains(_ p: Point, margin: Float) -> Bool {
        p.x >= x0 - margin && p.x <= x1 + margin && p.y >= y0 - margin && p.y <= y1 + margin
    }
}

/// How a stored picture is brought upright.
public struct Orientation: Hashable, Sendable {
    /// Clockwise, 0...3, after mirroring.
    public var quarterTurns: Int
    /// Left and right are swapped first.
    public var isMirrored: Bool

    public init(quarterTurns: Int = 0, isMirrored: Bool = false) {
        precondition((0...3).contains(quarterTurns), "there are four quarters in a turn")
        self.quarterTurns = quarterTurns
        self.isMirrored = isMirrored
    }

    public static let upright = Orientation()

    /// Whether width and height change places.
    public var swapsSides: Bool { quarterTurns % 2 == 1 }

    /// Copies an RGB picture, three bytes a pixel, so that it stands upright.
    ///
    /// - Parameters:
    ///   - size: before turning; `target` has its sides swapped for odd turns.
    ///   - rowBytes: from one row to the next, in each picture.
    public func turn(
        _ source: UnsafePointer<UInt8>, rowBytes: Int, size: PixelSize, into target: UnsafeMutablePointer<UInt8>,
        rowBytes targetRowBytes: Int
    ) {
        let (w, h) = (size.width, size.height)
        for y in 0..<h {
            for x in 0..<w {
                let u = isMirrored ? w - 1 - x : x
                let (column, row) =
                    switch quarterTurns {
                    case 1: (h - 1 - y, u)
                    case 2: (w - 1 - u, h - 1 - y)
                    case 3: (y, w - 1 - u)
                    default: (u, y)
                    }
                let from = source + y * rowBytes + x * 3
                let to = target + row * targetRowBytes + column * 3
                (to[0], to[1], to[2]) = (from[0], from[1], from[2])
            }
        }
    }
}

public import Scene

/// An RGB picture that may be written or sent.
///
/// Only this room makes and changes one: there is no way from a camera's picture to a file but through `Annotator`,
/// which knows whether people must be redacted.
public final class Canvas: @unchecked Sendable {
    public let size: PixelSize
    /// Whether every person known in the picture has been covered.
    public internal(set) var isRedacted = false
    /// Bytes from one row to the next.
    let rowBytes: Int
    /// `[height][rowBytes]`, R G B.
    let pixels: UnsafeMutablePointer<UInt8>
    /// libswscale writes in steps of its vector length, past the end of a row.
    private static let margin = 256

    /// - Precondition: neither side is 0.
    init(size: PixelSize) {
        precondition(size.width > 0 && size.height > 0, "a canvas has an area")
        self.size = size
        rowBytes = (size.width * 3 + 63) / 64 * 64
        let count = rowBytes * size.height + Self.margin
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
        pixels = memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    }

    deinit { pixels.deallocate() }

    /// Red, green and blue of one pixel.
    public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        precondition((0..<size.width).contains(x) && (0..<size.height).contains(y), "inside the picture")
        let at = pixels + y * rowBytes + x * 3
        return (at[0], at[1], at[2])
    }

    /// The part inside a box, grown by a share of its longer side and cut at the picture's edges; at least one pixel.
    public func cropped(to box: Box, margin: Float = 0.08) -> Canvas {
        let (w, h) = (Float(size.width), Float(size.height))
        let grown = max(box.width * w, box.height * h) * margin
        func bound(_ v: Float, _ limit: Int) -> Int { v.isFinite ? Int(min(max(v, 0), Float(limit))) : 0 }
        let left = min(bound((box.x0 * w - grown).rounded(.down), size.width), size.width - 1)
        let top = min(bound((box.y0 * h - grown).rounded(.down), size.height), size.height - 1)
        let right = max(bound((box.x1 * w + grown).rounded(.up), size.width), left + 1)
        let bottom = max(bound((box.y1 * h + grown).rounded(.up), size.height), top + 1)
        let part = Canvas(size: PixelSize(width: right - left, height: bottom - top))
        for y in 0..<part.size.height {
            (part.pixels + y * part.rowBytes).update(
                from: pixels + (top + y) * rowBytes + left * 3, count: part.size.width * 3)
        }
        part.isRedacted = isRedacted
        return part
    }

    /// Mixes a colour into one pixel. The caller has checked that it is inside.
    @inline(__always)
    func blend(_ x: Int, _ y: Int, _ color: Color, _ alpha: Int) {
        let at = pixels + y * rowBytes + x * 3
        let rest = 256 - alpha
        at[0] = UInt8(truncatingIfNeeded: (Int(at[0]) * rest + Int(color.red) * alpha + 128) >> 8)
        at[1] = UInt8(truncatingIfNeeded: (Int(at[1]) * rest + Int(color.green) * alpha + 128) >> 8)
        at[2] = UInt8(truncatingIfNeeded: (Int(at[2]) * rest + Int(color.blue) * alpha + 128) >> 8)
    }
}

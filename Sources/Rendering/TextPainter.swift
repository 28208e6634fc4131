internal import Scene

/// Writes text on canvases, from glyphs that it has drawn once at one size.
struct TextPainter {
    private struct Stamp {
        let width: Int
        let height: Int
        /// Coverage, 0...255, `[height][width]`.
        let coverage: [UInt8]
        /// From the pen's position to the stamp's left edge.
        let left: Int
        let advance: Float
    }

    /// Pixels a unit of the font.
    private let scale: Float
    private var stamps: [Character: Stamp] = [:]

    /// - Parameter capHeight: of a capital letter, in pixels.
    init(capHeight: Float) { scale = capHeight / StrokeFont.capHeight }

    var capHeight: Float { scale * StrokeFont.capHeight }
    private var pen: Float { max(StrokeFont.penWidth * scale, 1.1) }

    /// The width of a line of text in pixels.
    func width(of text: String) -> Float {
        text.reduce(-StrokeFont.spacing * scale) { $0 + (StrokeFont.glyph($1).width + StrokeFont.spacing) * scale }
    }

    /// Writes one line; `baseline` and `left` are where its first letter stands.
    mutating func write(_ text: String, left: Float, baseline: Float, _ color: Color, on canvas: Canvas) {
        var position = left
        for character in text {
            let stamp = stamps[character] ?? draw(character)
            stamps[character] = stamp
            press(stamp, x: Int(position.rounded()), baseline: Int(baseline.rounded()), color, on: canvas)
            position += stamp.advance
        }
    }

    private var margin: Int { Int(pen.rounded(.up)) + 1 }
    private var rise: Int { Int((4 * scale + capHeight).rounded(.up)) + margin }

    private func draw(_ character: Character) -> Stamp {
        let glyph = StrokeFont.glyph(character)
        let width = Int((glyph.width * scale).rounded(.up)) + 2 * margin
        let height = rise + Int((StrokeFont.descent * scale).rounded(.up)) + margin
        // Drawn white on black, so that overlapping strokes do not add up.
        let sheet = Canvas(size: PixelSize(width: max(width, 1), height: height))
        func place(_ p: PixelPoint) -> PixelPoint {
            PixelPoint(
                x: p.x * scale + Float(margin), y: (p.y - StrokeFont.capHeight) * scale + Float(rise))
        }
        for stroke in glyph.strokes {
            for (a, b) in zip(stroke, stroke.dropFirst()) { sheet.stroke(place(a), place(b), width: pen, .white) }
        }
        var coverage: [UInt8] = []
        for y in 0..<height {
            for x in 0..<sheet.size.width { coverage.append(sheet[x, y].red) }
        }
        return Stamp(
            width: sheet.size.width, height: height, coverage: coverage, left: margin,
            advance: (glyph.width + StrokeFont.spacing) * scale)
    }

    private func press(_ stamp: Stamp, x: Int, baseline: Int, _ color: Color, on canvas: Canvas) {
        for row in 0..<stamp.height {
            let y = baseline - rise + row
            guard y >= 0 && y < canvas.size.height else { continue }
            for column in 0..<stamp.width {
                let at = x - stamp.left + column
                let alpha = Int(stamp.coverage[row * stamp.width + column])
                guard alpha > 0 && at >= 0 && at < canvas.size.width else { continue }
                canvas.blend(at, y, color, alpha + alpha >> 7)
            }
        }
    }
}

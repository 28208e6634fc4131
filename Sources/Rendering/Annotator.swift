public import Scene

/// Draws what hcqd knows over a camera's pictures: the only way from a `Frame` to something that can be written.
///
/// One per camera, used from one thread, frames in order. The same frames and overlays give the same pixels.
public final class Annotator {
    public let settings: RenderingSettings
    private let converter = PictureConverter()
    private var redactor: Redactor
    private var text = TextPainter(capHeight: 10)
    private var pen: Float = 2

    public init(settings: RenderingSettings = RenderingSettings()) {
        self.settings = settings
        redactor = Redactor(hold: settings.redactHold)
    }

    /// The frame's picture, upright, with square pixels, full resolution (the network's input when the frame kept
    /// nothing else), redacted if the settings say so, and the overlay on top.
    ///
    /// - Throws: when the picture's format cannot be converted.
    public func draw(_ overlay: Overlay, on frame: Frame) throws(RenderingError) -> Canvas {
        let canvas = try plainCanvas(of: frame)
        prepare(for: canvas.size)
        if settings.redact == .always {
            let tracked = overlay.tracks.filter { !$0.isEnded }.map(\.person)
            redactor.cover(tracked + overlay.people, at: frame.time, on: canvas)
        }
        for place in overlay.hidden { canvas.polygon(place.map(canvas.position), .ink, opacity: 1) }
        for zone in overlay.zones { draw(zone, on: canvas) }
        for line in overlay.lines { draw(line, on: canvas) }
        let shown = overlay.tracks.filter { !$0.isEnded }
        if settings.masks && settings.redact == .never {
            for track in shown where track.state == .seen { drawMask(of: track, on: canvas) }
        }
        for track in shown {
            if settings.skeletons && track.state == .seen { drawSkeleton(of: track, on: canvas) }
            if settings.boxes { drawBox(of: track, on: canvas) }
        }
        if settings.labels {
            for track in shown { drawLabel(of: track, on: canvas) }
        }
        if let caption = overlay.caption { drawCaption(caption, on: canvas) }
        return canvas
    }

    private func plainCanvas(of frame: Frame) throws(RenderingError) -> Canvas {
        if let picture = frame.picture { return try converter.canvas(of: picture, size: frame.size) }
        let canvas = Canvas(size: frame.input.content)
        for y in 0..<canvas.size.height {
            (canvas.pixels + y * canvas.rowBytes).update(
                from: frame.input.pixels + y * frame.input.size.width * 3, count: canvas.size.width * 3)
        }
        return canvas
    }

    /// Pens and letters grow with the picture.
    private func prepare(for size: PixelSize) {
        let unit = max(Float(min(size.width, size.height)) / 576, 0.5)
        pen = max(1.2, 1.8 * unit)
        let capHeight = max(7, 9.5 * unit)
        if text.capHeight != capHeight { text = TextPainter(capHeight: capHeight) }
    }

    private func drawMask(of track: Track, on canvas: Canvas) {
        guard let mask = track.person.mask, let shape = Silhouette(mask, in: canvas.size, margin: 1) else { return }
        shape.paint(track.color, fill: 95, edge: 225, edgeWidth: max(1, Int(pen / 1.6)), on: canvas)
    }

    private func drawSkeleton(of track: Track, on canvas: Canvas) {
        let person = track.person
        let height = person.box.height * Float(canvas.size.height)
        // Thin on small people: a skeleton that hides the person tells nothing.
        let width = min(max(height / 60, 1.1), 2 * pen)
        for (a, b) in Joint.skeleton {
            guard let from = person[a], let to = person[b], min(from.confidence, to.confidence) >= Self.leastConfidence
            else { continue }
            let (p, q) = (canvas.position(from.position), canvas.position(to.position))
            canvas.stroke(p, q, width: width + 1.4, .ink, opacity: 0.55)
            canvas.stroke(p, q, width: width, .limb(a, b), opacity: 0.95)
        }
        for joint in Joint.allCases {
            guard let point = person[joint], point.confidence >= Self.leastConfidence else { continue }
            let center = canvas.position(point.position)
            canvas.disc(center, radius: width * 1.15 + 0.5, .ink, opacity: 0.6)
            canvas.disc(center, radius: width * 1.15, .white)
        }
    }

    /// Joints below are a guess of the network, not something seen.
    private static let leastConfidence: Float = 0.3

    private func drawBox(of track: Track, on canvas: Canvas) {
        let box = track.person.box
        let corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)].map {
            canvas.position(Point(x: $0.0, y: $0.1))
        }
        for i in 0..<4 {
            let (a, b) = (corners[i], corners[(i + 1) % 4])
            if track.state == .seen {
                canvas.stroke(a, b, width: pen, track.color)
            } else {
                canvas.dash(a, b, width: pen * 0.8, length: pen * 3, track.color)
            }
        }
    }

    private func drawLabel(of track: Track, on canvas: Canvas) {
        let corner = canvas.position(Point(x: track.person.box.x0, y: track.person.box.y0))
        let score = track.person.score.isFinite ? Int((min(max(track.person.score, 0), 1) * 100).rounded()) : 0
        let words = track.state == .seen ? "#\(track.id.ordinal)  \(score)%" : "#\(track.id.ordinal)  ?"
        label(words, left: corner.x - pen / 2, bottom: corner.y - pen / 2, track.color, on: canvas)
    }

    /// Dark letters on a coloured tab, pushed inside the picture.
    private func label(_ words: String, left: Float, bottom: Float, _ color: Color, on canvas: Canvas) {
        let padding = text.capHeight * 0.45
        let (width, height) = (text.width(of: words) + 2 * padding, text.capHeight + 2 * padding)
        let x = max(0, min(left, Float(canvas.size.width) - width))
        let y = max(height, min(bottom, Float(canvas.size.height)))
        canvas.roundedRectangle(
            left: x, top: y - height, right: x + width, bottom: y, radius: padding * 0.8, color, opacity: 0.92)
        text.write(words, left: x + padding, baseline: y - padding, .ink, on: canvas)
    }

    private func draw(_ zone: Overlay.Zone, on canvas: Canvas) {
        let corners = zone.polygon.map(canvas.position)
        guard let last = corners.last else { return }
        let color: Color = (zone.count ?? 0) > 0 ? .zoneOccupied : .zone
        canvas.polygon(corners, color, opacity: 0.14)
        for (a, b) in zip([last] + corners, corners) {
            canvas.stroke(a, b, width: pen + 1.6, .ink, opacity: 0.4)
            canvas.stroke(a, b, width: pen, color)
        }
        let words = zone.count.map { "\(zone.name)  \($0)" } ?? zone.name
        guard !words.isEmpty, let top = corners.min(by: { ($0.y, $0.x) < ($1.y, $1.x) }) else { return }
        label(words, left: top.x, bottom: top.y + text.capHeight * 2.4, color, on: canvas)
    }

    private func draw(_ line: Overlay.Line, on canvas: Canvas) {
        let (a, b) = (canvas.position(line.from), canvas.position(line.to))
        canvas.stroke(a, b, width: pen * 1.4 + 1.6, .ink, opacity: 0.5)
        canvas.stroke(a, b, width: pen * 1.4, .line)
        canvas.disc(a, radius: pen * 2, .line)
        drawArrowHead(from: a, to: b, on: canvas)
        var words = line.name
        if let left = line.left, let right = line.right { words += "  ←\(left)  →\(right)" }
        guard !words.isEmpty else { return }
        label(
            words, left: (a.x + b.x) / 2 - text.width(of: words) / 2, bottom: (a.y + b.y) / 2 - 2 * pen, .line,
            on: canvas)
    }

    private func drawArrowHead(from a: PixelPoint, to b: PixelPoint, on canvas: Canvas) {
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let length = (dx * dx + dy * dy).squareRoot()
        guard length > 0 else { return }
        let (ux, uy) = (dx / length * pen * 5, dy / length * pen * 5)
        for side: Float in [-0.5, 0.5] {
            let tip = PixelPoint(x: b.x - ux - side * uy, y: b.y - uy + side * ux)
            canvas.stroke(b, tip, width: pen * 1.4, .line)
        }
    }

    private func drawCaption(_ words: String, on canvas: Canvas) {
        let padding = text.capHeight * 0.6
        canvas.roundedRectangle(
            left: padding, top: padding, right: text.width(of: words) + 3 * padding,
            bottom: text.capHeight + 3 * padding, radius: padding * 0.7, .ink, opacity: 0.6)
        text.write(words, left: 2 * padding, baseline: text.capHeight + 2 * padding, .white, on: canvas)
    }
}

extension Track {
    fileprivate var isEnded: Bool {
        if case .ended = state { return true }
        return false
    }

    fileprivate var color: Color { .track(id.ordinal) }
}

extension Color {
    /// Left limbs are warm, right ones cool, the trunk and the head light.
    fileprivate static func limb(_ a: Joint, _ b: Joint) -> Color {
        // COCO's odd joints are the left ones, but for the nose.
        let sides = [a, b].filter { $0 != .nose }.map { $0.rawValue % 2 }
        if a.rawValue <= 4 && b.rawValue <= 4 { return Color(red: 240, green: 240, blue: 235) }
        if sides.allSatisfy({ $0 == 1 }) { return Color(red: 255, green: 168, blue: 76) }
        if sides.allSatisfy({ $0 == 0 }) { return Color(red: 92, green: 190, blue: 255) }
        return Color(red: 240, green: 240, blue: 235)
    }
}

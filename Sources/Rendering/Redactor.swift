internal import Scene

/// Covers people: their masks, grown, their heads and limbs as joints tell them, and held for a while after they were last seen, where detection flickers.
///
/// A value with a memory of one camera; frames must come in order.
struct Redactor {
    /// How far a cover reaches beyond the mask, as a share of the person's height.
    private static let growth: Float = 0.05
    private static let leastGrowth: Float = 4

    /// Seconds for which a place stays covered.
    private let hold: Double
    private var size = PixelSize(width: 0, height: 0)
    /// For every pixel the stream time in milliseconds until which it is covered.
    private var until: [Int32] = []
    private var origin: Int64?

    init(hold: Double) { self.hold = hold }

    /// Covers everyone; the canvas is redacted afterwards.
    mutating func cover(_ people: [Person], at time: StreamTime, on canvas: Canvas) {
        if canvas.size != size {
            size = canvas.size
            until = [Int32](repeating: -1, count: size.width * size.height)
            origin = nil
        }
        let start = origin ?? time.microseconds
        // Milliseconds fit 24 days; then the count starts anew with nothing held but what this frame shows.
        if (time.microseconds - start) / 1000 > Int64(Int32.max / 2) || time.microseconds < start {
            for i in until.indices { until[i] = -1 }
            origin = time.microseconds
        } else {
            origin = start
        }
        let now = Int32((time.microseconds - (origin ?? 0)) / 1000)
        let end = now + Int32(min(max(hold, 0), 3600) * 1000)
        for person in people {
            let growth = person.box.height * Float(size.height) * Self.growth
            hold(person, radius: growth.isFinite ? Int(min(max(growth, Self.leastGrowth), 64)) : 64, until: end)
        }
        fill(now: now, on: canvas)
        canvas.isRedacted = true
    }

    private mutating func hold(_ person: Person, radius: Int, until end: Int32) {
        var shape: Silhouette?
        if let mask = person.mask, !mask.isEmpty {
            shape = Silhouette(mask, in: size, margin: radius)
            shape?.dilate(by: radius)
        } else {
            shape = Silhouette(person.box, in: size, margin: radius)
        }
        if let shape { hold(shape, until: end) }
        if let head = Silhouette(headOf: person, in: size) { hold(head, until: end) }
        for limb in Silhouette.limbs(of: person, in: size) { hold(limb, until: end) }
    }

    private mutating func hold(_ shape: Silhouette, until end: Int32) {
        let rowLength = size.width
        until.withUnsafeMutableBufferPointer { until in
            for y in 0..<shape.height {
                let row = (shape.top + y) * rowLength + shape.left
                for x in 0..<shape.width where shape.bits[y * shape.width + x] != 0 {
                    until[row + x] = max(until[row + x], end)
                }
            }
        }
    }

    private func fill(now: Int32, on canvas: Canvas) {
        until.withUnsafeBufferPointer { until in
            for y in 0..<size.height {
                for x in 0..<size.width where until[y * size.width + x] >= now {
                    let at = canvas.pixels + y * canvas.rowBytes + x * 3
                    (at[0], at[1], at[2]) = (Color.slate.red, Color.slate.green, Color.slate.blue)
                }
            }
        }
    }
}

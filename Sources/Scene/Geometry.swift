/// A point in normalised image coordinates: 0...1 from left to right and from top to bottom; outside that range it lies
/// outside the picture.
public struct Point: Hashable, Sendable {
    public var x: Float
    public var y: Float

    public init(x: Float, y: Float) {
        self.x = x
        self.y = y
    }
}

/// A size in pixels.
public struct PixelSize: Hashable, Sendable {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

/// An axis-aligned box in normalised image coordinates, origin at the top left. No other box format exists.
public struct Box: Hashable, Sendable {
    public var x0: Float
    public var y0: Float
    public var x1: Float
    public var y1: Float

    public init(x0: Float, y0: Float, x1: Float, y1: Float) {
        self.x0 = x0
        self.y0 = y0
        self.x1 = x1
        self.y1 = y1
    }

    public var width: Float { x1 - x0 }
    public var height: Float { y1 - y0 }
    /// Zero for an inverted box.
    public var area: Float { max(0, width) * max(0, height) }
    public var center: Point { Point(x: (x0 + x1) / 2, y: (y0 + y1) / 2) }

    public func contains(_ point: Point) -> Bool {
        point.x >= x0 && point.x <= x1 && point.y >= y0 && point.y <= y1
    }

    /// The area that both boxes cover.
    public func intersection(_ other: Box) -> Float {
        max(0, min(x1, other.x1) - max(x0, other.x0)) * max(0, min(y1, other.y1) - max(y0, other.y0))
    }

    /// Intersection over union, 0...1; 0 when both are empty.
    public func iou(_ other: Box) -> Float {
        let shared = intersection(other)
        let union = area + other.area - shared
        return union > 0 ? shared / union : 0
    }

    /// The part inside the picture.
    public func clamped() -> Box {
        Box(x0: min(max(x0, 0), 1), y0: min(max(y0, 0), 1), x1: min(max(x1, 0), 1), y1: min(max(y1, 0), 1))
    }
}

public import Scene

extension MOTBox {
    /// The box as a person of a picture of `size`.
    public func person(in size: PixelSize) -> Person {
        let (w, h) = (Double(size.width), Double(size.height))
        let box = Box(
            x0: Float(left / w), y0: Float(top / h), x1: Float((left + width) / w), y1: Float((top + height) / h))
        return Person(box: box, score: Float(confidence))
    }
}

/// Writes tracks as MOTChallenge text: `frame,id,left,top,width,height,score,-1,-1,-1`.
public struct MOTWriter: Sendable {
    public private(set) var text = ""
    private let size: PixelSize

    /// - Parameter size: of the pictures, in pixels.
    public init(size: PixelSize) { self.size = size }

    /// Adds the tracks of a frame that were found in it.
    /// - Parameter frame: from 1.
    public mutating func add(_ tracks: [Track], frame: Int) {
        for track in tracks where track.state == .seen {
            let box = track.person.box
            let (w, h) = (Double(size.width), Double(size.height))
            let numbers = [Double(box.x0) * w, Double(box.y0) * h, Double(box.width) * w, Double(box.height) * h]
            text += "\(frame),\(track.id.ordinal)"
            for number in numbers { text += "," + decimal(number, places: 3) }
            text += ",\(decimal(Double(track.person.score), places: 4)),-1,-1,-1\n"
        }
    }
}

/// A number with so many decimals at most.
func decimal(_ value: Double, places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : "\(rounded)"
}

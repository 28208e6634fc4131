internal import CKernels
internal import Glibc
internal import Scene

/// Mask logits at stride 4 to a mask of the frame: bilinearly to the input's size, crop of the padding, bilinearly to the
/// frame (align_corners = false both times), person where the logit is above 0.
///
/// Both steps are linear and separable, so along each axis they are one sum of at most three neighbours.
struct MaskResampling: Sendable {
    struct Key: Hashable, Sendable {
        let frame: PixelSize
        let input: PixelSize
        let content: PixelSize
    }

    let key: Key
    private let columns: Axis
    private let rows: Axis

    init(_ key: Key) {
        self.key = key
        columns = Axis(frame: key.frame.width, content: key.content.width, coarse: key.input.width / 4)
        rows = Axis(frame: key.frame.height, content: key.content.height, coarse: key.input.height / 4)
    }

    /// Rows of the frame that are computed together, so that the memory does not depend on the frame's size.
    private static let bandRows = 1024

    static func scratch(height: Int, width: Int) -> Int { height * width + height + bandRows }

    /// - Parameters:
    ///   - logits: `[1, height / 4 * width / 4]`.
    ///   - scratch: `scratch(height:width:)` floats.
    /// - Returns: the mask and the mean mask probability over the positions with a logit above 0; 0 without any.
    func mask(_ logits: Tensor, scratch: UnsafeMutablePointer<Float>) -> (Mask, certainty: Float) {
        let (height, width) = (rows.coarse, columns.coarse)
        var (top, bottom, left, right) = (height, -1, width, -1)
        var (sum, count) = (0.0, 0)
        for y in 0..<height {
            for x in 0..<width where logits.data[y * width + x] > 0 {
                (top, bottom, left, right) = (min(top, y), max(bottom, y), min(left, x), max(right, x))
                sum += 1 / (1 + exp(-Double(logits.data[y * width + x])))
                count += 1
            }
        }
        guard count > 0 else { return (Mask(size: key.frame, runs: [UInt32(key.frame.width * key.frame.height)]), 0) }
        // Column by column, since a mask's runs go down the columns.
        let turned = scratch
        for y in 0..<height {
            for x in 0..<width { turned[x * height + y] = logits.data[y * width + x] }
        }
        let mask = runs(
            turned, columns.reached(by: left...right), rows.reached(by: top...bottom), scratch + height * width)
        return (mask, Float(sum / Double(count)))
    }

    /// Only inside the window: a sum of logits that are not above 0 is not above 0.
    private func runs(
        _ turned: UnsafePointer<Float>, _ xs: Range<Int>, _ ys: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
    ) -> Mask {
        let height = rows.coarse
        let column = scratch
        let fine = scratch + height
        var runs = RunBuilder()
        runs.skip(xs.lowerBound * key.frame.height)
        for x in xs {
            columns.blend(turned, height, at: x, into: column)
            runs.skip(ys.lowerBound)
            for first in stride(from: ys.lowerBound, to: ys.upperBound, by: Self.bandRows) {
                let band = first..<min(first + Self.bandRows, ys.upperBound)
                rows.blend(column, band, into: fine)
                for i in 0..<band.count { runs.add(fine[i] > 0) }
            }
            runs.skip(key.frame.height - ys.upperBound)
        }
        runs.skip((key.frame.width - xs.upperBound) * key.frame.height)
        return Mask(size: key.frame, runs: runs.finished())
    }
}

/// Collects pixels into alternating runs, background first.
private struct RunBuilder {
    private var runs: [UInt32] = []
    private var length: UInt32 = 0
    private var isPerson = false

    mutating func add(_ pixel: Bool) {
        if pixel != isPerson {
            runs.append(length)
            (length, isPerson) = (0, pixel)
        }
        length += 1
    }

    /// Background.
    mutating func skip(_ count: Int) {
        if count == 0 { return }
        add(false)
        length += UInt32(count - 1)
    }

    mutating func finished() -> [UInt32] {
        runs.append(length)
        return runs
    }
}

/// One axis: for every pixel of the frame three neighbours at stride 4 and their weights.
private struct Axis: Sendable {
    let frame: Int
    let coarse: Int
    /// `[3][frame]`.
    private let taps: [Int32]
    private let weights: [Float]

    init(frame: Int, content: Int, coarse: Int) {
        (self.frame, self.coarse) = (frame, coarse)
        var taps = [Int32](repeating: 0, count: 3 * frame)
        var weights = [Float](repeating: 0, count: 3 * frame)
        for pixel in 0..<frame {
            let (a, b, share) = Self.neighbours(pixel, of: frame, in: content)
            let first = Self.neighbours(a, of: 4 * coarse, in: coarse).0
            for k in 0..<3 { taps[k * frame + pixel] = Int32(min(first + k, coarse - 1)) }
            for (fine, weight) in [(a, 1 - share), (b, share)] {
                let (low, high, part) = Self.neighbours(fine, of: 4 * coarse, in: coarse)
                weights[(low - first) * frame + pixel] += Float(weight * (1 - part))
                weights[(high - first) * frame + pixel] += Float(weight * part)
            }
        }
        (self.taps, self.weights) = (taps, weights)
    }

    /// The two source pixels of a bilinear resampling and the second one's share; align_corners = false.
    private static func neighbours(_ pixel: Int, of target: Int, in source: Int) -> (Int, Int, Double) {
        let position = max(0, (Double(pixel) + 0.5) * Double(source) / Double(target) - 0.5)
        let low = min(Int(position), source - 1)
        return (low, min(low + 1, source - 1), position - Double(low))
    }

    /// The frame's pixels that see any of these positions.
    func reached(by positions: ClosedRange<Int>) -> Range<Int> {
        let first = (0..<frame).first { Int(taps[2 * frame + $0]) >= positions.lowerBound } ?? frame
        let last = (0..<frame).last { Int(taps[$0]) <= positions.upperBound } ?? -1
        return first..<max(first, last + 1)
    }

    /// Sum of three columns, each of `height` contiguous numbers.
    func blend(_ x: UnsafePointer<Float>, _ height: Int, at pixel: Int, into y: UnsafeMutablePointer<Float>) {
        let (a, b, c) = (Int(taps[pixel]), Int(taps[frame + pixel]), Int(taps[2 * frame + pixel]))
        let (wa, wb, wc) = (weights[pixel], weights[frame + pixel], weights[2 * frame + pixel])
        for i in 0..<height { y[i] = wa * x[a * height + i] + wb * x[b * height + i] + wc * x[c * height + i] }
    }

    /// Every pixel of the range from a column of `coarse` numbers.
    func blend(_ x: UnsafePointer<Float>, _ range: Range<Int>, into y: UnsafeMutablePointer<Float>) {
        taps.withUnsafeBufferPointer { taps in
            weights.withUnsafeBufferPointer { weights in
                guard let tap = taps.baseAddress, let weight = weights.baseAddress else { return }
                hcq_blend_rows(
                    x, 1, tap + range.lowerBound, weight + range.lowerBound, 3, frame, range.count, y)
            }
        }
    }
}

internal import CKernels
internal import Glibc

/// Attention inside (shifted) windows with a learned bias for every relative position. Twin: `backbones/swin.py`.
///
/// The picture is padded at the right and bottom to whole windows with zeros after the norm; padding takes part. A tile is
/// one window: gathered, projected, attended and scattered while it lies in the cache.
struct WindowAttention: Sendable {
    let qkv: Linear
    let projection: Linear
    /// `[heads * window², window²]`.
    let bias: Tensor
    let heads: Int
    let window: Int
    let shift: Int

    init(_ weights: Weights, channels: Int, heads: Int, window: Int, shift: Int) throws(EngineError) {
        (self.heads, self.window, self.shift) = (heads, window, shift)
        qkv = try Linear(weights["qkv"], inputs: channels, outputs: 3 * channels)
        projection = try Linear(weights["proj"], inputs: channels, outputs: channels)
        let side = 2 * window - 1
        let table = try weights.values("relative_position_bias_table", [side * side, heads], .uniform(0.02))
        let count = window * window
        var bias = [Float](repeating: 0, count: heads * count * count)
        for i in 0..<count {
            for j in 0..<count {
                let dy = i / window - j / window + window - 1
                let dx = i % window - j % window + window - 1
                for head in 0..<heads { bias[(head * count + i) * count + j] = table[(dy * side + dx) * heads + head] }
            }
        }
        self.bias = weights.memory.keep(bias, rows: heads * count, columns: count)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`; the attention of its norm is added to it.
    func callAsFunction(_ x: FeatureMap, norm: LayerNorm, using pass: Pass) {
        let channels = x.channels
        let count = window * window
        let down = (x.height + window - 1) / window
        let across = (x.width + window - 1) / window
        pass.books.count(macs: down * across * count * (4 * channels * channels + 2 * count * channels))
        let scratchCount = count * (channels + 3 * channels) + count * count + 2 * count
        pass.run(down * across, scratch: scratchCount) { tile, scratch in
            let grid = Grid(
                x: x, window: window, top: tile / across, left: tile % across, down: down, across: across, shift: shift)
            let tokens = Tensor(scratch, rows: count, columns: channels)
            let projected = Tensor(scratch + count * channels, rows: count, columns: 3 * channels)
            let scores = Tensor(scratch + 4 * count * channels, rows: count, columns: count)
            let regions = UnsafeMutableRawPointer(scratch + 4 * count * channels + count * count)
                .assumingMemoryBound(to: Int32.self)
            grid.gather(norm, into: tokens)
            grid.findRegions(regions)
            qkv.apply(tokens, into: projected)
            for head in 0..<heads { attend(head, projected, scores, grid.isShifted ? regions : nil, into: tokens) }
            let result = projected.columns(0..<channels)
            projection.apply(tokens, into: result)
            grid.scatter(result)
        }
    }

    /// One head: `tokens[:, head] <- softmax(q kᵀ / sqrt(size) + bias) v`.
    private func attend(
        _ head: Int, _ projected: Tensor, _ scores: Tensor, _ regions: UnsafePointer<Int32>?, into tokens: Tensor
    ) {
        let count = tokens.rows
        let size = tokens.columns / heads
        let q = projected.data + head * size
        BLAS.multiply(
            rows: count, columns: count, depth: size, q, projected.stride, transposed: q + tokens.columns,
            projected.stride, into: scores.data, count)
        hcq_softmax(
            scores.data, count, count, count, 1 / Float(size).squareRoot(), bias.row(head * count), count, regions)
        BLAS.multiply(
            rows: count, columns: size, depth: count, scores.data, count, q + 2 * tokens.columns, projected.stride,
            into: tokens.data + head * size, tokens.stride)
    }
}

/// One window of a picture that is rolled up and left by the shift.
private struct Grid {
    let x: FeatureMap
    let window: Int
    let top: Int
    let left: Int
    let tall: Int
    let wide: Int
    let shiftY: Int
    let shiftX: Int

    init(x: FeatureMap, window: Int, top: Int, left: Int, down: Int, across: Int, shift: Int) {
        (self.x, self.window) = (x, window)
        (self.top, self.left) = (top * window, left * window)
        (tall, wide) = (down * window, across * window)
        // A side that is one window has nothing to shift.
        shiftY = down > 1 ? shift : 0
        shiftX = across > 1 ? shift : 0
    }

    var isShifted: Bool { shiftY > 0 || shiftX > 0 }

    /// The token at a place of the window; nil in the padding.
    private func token(_ place: Int) -> Int? {
        let row = (top + place / window + shiftY) % tall
        let column = (left + place % window + shiftX) % wide
        return row < x.height && column < x.width ? row * x.width + column : nil
    }

    func gather(_ norm: LayerNorm, into tokens: Tensor) {
        for place in 0..<tokens.rows {
            if let token = token(place) {
                norm.apply(x.tokens.rows(token..<token + 1), into: tokens.rows(place..<place + 1))
            } else {
                memset(tokens.row(place), 0, tokens.columns * 4)
            }
        }
    }

    func scatter(_ result: Tensor) {
        for place in 0..<result.rows {
            guard let token = token(place) else { continue }
            hcq_add(x.tokens.row(token), result.row(place), x.tokens.row(token), result.columns)
        }
    }

    /// Numbers the parts of the picture that the roll brought together; only tokens of one part see each other.
    func findRegions(_ regions: UnsafeMutablePointer<Int32>) {
        for place in 0..<window * window {
            let row = band(top + place / window, tall, shiftY)
            let column = band(left + place % window, wide, shiftX)
            regions[place] = 3 * row + column
        }
    }

    private func band(_ position: Int, _ size: Int, _ shift: Int) -> Int32 {
        if shift == 0 || position < size - window { return 0 }
        return position < size - shift ? 1 : 2
    }
}

internal import CKernels

/// Normalises every row to zero mean and unit variance, then scales and shifts it.
///
/// `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, the variance biased.
/// Source: Ba et al. 2016, arXiv:1607.06450, section 3. Twin: `torch.nn.LayerNorm`.
struct LayerNorm: Sendable {
    /// `[1, channels]`.
    let gamma: Tensor
    let beta: Tensor
    let epsilon: Float = 1e-5

    init(_ weights: Weights, channels: Int) throws(EngineError) {
        gamma = try weights.vector("weight", channels, .ones)
        beta = try weights.vector("bias", channels, .zeros)
    }

    /// - Parameters:
    ///   - x: `[n, channels]`.
    ///   - residual: `[n, channels]`, added before; may alias `y`.
    ///   - y: `[n, channels]`; overwritten, may alias `x`.
    func callAsFunction(_ x: Tensor, adding residual: Tensor? = nil, into y: Tensor, using pass: Pass) {
        pass.run(x.rows, by: 128) { range, _ in
            apply(x.rows(range), adding: residual?.rows(range), into: y.rows(range))
        }
    }

    /// On the caller's thread.
    func apply(_ x: Tensor, adding residual: Tensor? = nil, into y: Tensor) {
        hcq_layer_norm(
            x.data, x.stride, residual?.data, residual?.stride ?? 0, x.rows, x.columns, gamma.data, beta.data, epsilon,
            y.data, y.stride)
    }
}

/// Normalises every one of 32 groups of channels over the whole picture.
///
/// Source: Wu and He 2018, arXiv:1803.08494. Twin: `torch.nn.GroupNorm`.
struct GroupNorm: Sendable {
    static let groups = 32
    /// `[1, channels]`.
    let gamma: Tensor
    let beta: Tensor
    let epsilon = 1e-5

    init(_ weights: Weights, channels: Int) throws(EngineError) {
        gamma = try weights.vector("weight", channels, .ones)
        beta = try weights.vector("bias", channels, .zeros)
    }

    /// - Parameters:
    ///   - x: `[positions, channels]`.
    ///   - y: `[positions, channels]`; overwritten, may alias `x`.
    ///   - scratch: floats that `fill` wants.
    ///   - fill: completes some rows of x.
    func callAsFunction(
        _ x: Tensor, into y: Tensor, _ activation: Activation = .none, scratch: Int = 0, using pass: Pass,
        fill: @Sendable (_ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void = { _, _ in }
    ) {
        precondition(activation == .none || activation == .relu)
        pass.scope {
            let (scale, shift) = (pass.tensor(1, x.columns), pass.tensor(1, x.columns))
            measure(x, into: scale, shift, scratch: scratch, using: pass, fill: fill)
            pass.run(x.rows, by: Linear.tileRows(x.rows)) { range, _ in
                hcq_scale_shift(
                    x.row(range.lowerBound), x.stride, range.count, x.columns, scale.data, shift.data,
                    activation.rawValue, y.row(range.lowerBound), y.stride)
            }
        }
    }

    /// What normalises every channel: a factor and what is added to the product.
    /// - Parameters:
    ///   - x: `[positions, channels]`.
    ///   - scale: `[1, channels]`; overwritten.
    ///   - shift: `[1, channels]`; overwritten.
    ///   - scratch: floats that `fill` wants.
    ///   - fill: completes some rows of x.
    func measure(
        _ x: Tensor, into scale: Tensor, _ shift: Tensor, scratch: Int = 0, using pass: Pass,
        fill: @Sendable (_ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) {
        let tileRows = Linear.tileRows(x.rows)
        let tiles = (x.rows + tileRows - 1) / tileRows
        pass.scope {
            let mean = pass.tensor(tiles, x.columns)
            let squares = pass.tensor(tiles, x.columns)
            pass.run(x.rows, by: tileRows, scratch: scratch) { range, scratch in
                fill(range, scratch)
                let tile = range.lowerBound / tileRows
                hcq_channel_moments(
                    x.row(range.lowerBound), x.stride, range.count, x.columns, mean.row(tile), squares.row(tile))
            }
            pass.run(Self.groups, by: 8) { groups, _ in
                for group in groups { combine(group, of: x.rows, tileRows, mean, squares, into: scale, shift) }
            }
        }
    }

    /// Moments of parts become those of the whole (Chan et al. 1979), and those a scale and a shift per channel.
    private func combine(
        _ group: Int, of rows: Int, _ tileRows: Int, _ mean: Tensor, _ squares: Tensor, into scale: Tensor,
        _ shift: Tensor
    ) {
        let width = mean.columns / Self.groups
        let channels = group * width..<(group + 1) * width
        var total = 0.0
        for tile in 0..<mean.rows {
            let count = Double(min(tileRows, rows - tile * tileRows))
            for c in channels { total += count * Double(mean.row(tile)[c]) }
        }
        let centre = total / Double(rows * width)
        var spread = 0.0
        for tile in 0..<mean.rows {
            let count = Double(min(tileRows, rows - tile * tileRows))
            for c in channels {
                let distance = Double(mean.row(tile)[c]) - centre
                spread += Double(squares.row(tile)[c]) + count * distance * distance
            }
        }
        let inverse = 1 / (spread / Double(rows * width) + epsilon).squareRoot()
        for c in channels {
            scale.data[c] = Float(inverse * Double(gamma.data[c]))
            shift.data[c] = Float(Double(beta.data[c]) - centre * inverse * Double(gamma.data[c]))
        }
    }
}

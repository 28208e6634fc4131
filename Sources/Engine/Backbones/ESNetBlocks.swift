internal import CKernels

/// `x * hard_sigmoid(expand(relu(reduce(mean(x)))))` per channel, up to the last product. Twin: `esnet_pan.py`,
/// `SqueezeExcitation`.
struct SqueezeExcitation: Sendable {
    let reduce: Linear
    let expand: Linear

    init(_ weights: Weights, channels: Int) throws(EngineError) {
        reduce = try Convolution(weights["reduce"], inputs: channels, outputs: channels / 4, hasBias: true).linear
        expand = try Convolution(weights["expand"], inputs: channels / 4, outputs: channels, hasBias: true).linear
    }

    /// - Parameters:
    ///   - x: `[positions, channels]`.
    ///   - gate: what every channel is to be multiplied by, `[1, channels]`; overwritten.
    ///   - fill: completes some rows of x.
    func callAsFunction(_ x: Tensor, into gate: Tensor, using pass: Pass, fill: @Sendable (_ range: Range<Int>) -> Void)
    {
        pass.books.count(macs: 2 * reduce.inputs * reduce.outputs)
        pass.scope {
            let tileRows = Linear.tileRows(x.rows)
            let sums = pass.tensor((x.rows + tileRows - 1) / tileRows, x.columns)
            let inner = pass.tensor(1, reduce.outputs)
            pass.run(x.rows, by: tileRows) { range, _ in
                fill(range)
                hcq_channel_sums(
                    x.row(range.lowerBound), x.stride, range.count, x.columns, sums.row(range.lowerBound / tileRows))
            }
            pass.run(1) { _, _ in
                let mean = sums.rows(0..<1)
                hcq_channel_sums(sums.data, sums.stride, sums.rows, sums.columns, mean.data)
                for c in 0..<x.columns { mean.data[c] /= Float(x.rows) }
                reduce.apply(mean, into: inner, .relu)
                expand.apply(inner, into: gate, .hardSigmoid)
            }
        }
    }
}

/// `activation(W (gate * x))`, the gate one number per channel.
struct GatedProjection: Sendable {
    let linear: Linear

    /// Floats that `apply` needs for so many positions.
    func scratch(_ positions: Int) -> Int { positions * linear.inputs }

    /// On the caller's thread.
    /// - Parameters:
    ///   - x: `[n, inputs]`.
    ///   - gate: `[1, inputs]`.
    ///   - y: `[n, outputs]`; overwritten.
    func apply(_ x: Tensor, _ gate: Tensor, into y: Tensor, scratch: UnsafeMutablePointer<Float>) {
        let gated = Tensor(scratch, rows: x.rows, columns: x.columns)
        hcq_scale_shift(x.data, x.stride, x.rows, x.columns, gate.data, nil, 0, gated.data, gated.stride)
        linear.apply(gated, into: y, .hardSwish)
    }
}

/// Block of stride 2: two branches, concatenated, merged by a depthwise-separable convolution.
/// Twin: `esnet_pan.py`, `DownBlock`.
struct DownBlock: Sendable {
    let branch1: DepthwiseSeparable
    let expand2: Convolution
    let depthwise2: DepthwiseConvolution
    let excitation2: SqueezeExcitation
    let project2: GatedProjection
    let merge: DepthwiseSeparable

    init(_ weights: Weights, inputs: Int, outputs: Int, middle: Int) throws(EngineError) {
        let (half, inner) = (outputs / 2, middle / 2)
        branch1 = DepthwiseSeparable(
            depthwise: try DepthwiseConvolution(weights["branch1_depthwise"], channels: inputs, kernel: 3, stride: 2),
            between: .none,
            pointwise: try Convolution(weights["branch1_pointwise"], inputs: inputs, outputs: half, hasBias: true)
                .linear,
            after: .hardSwish)
        expand2 = try Convolution(weights["branch2_expand"], inputs: inputs, outputs: inner, hasBias: true)
        depthwise2 = try DepthwiseConvolution(weights["branch2_depthwise"], channels: inner, kernel: 3, stride: 2)
        excitation2 = try SqueezeExcitation(weights["branch2_se"], channels: inner)
        project2 = GatedProjection(
            linear: try Convolution(weights["branch2_project"], inputs: inner, outputs: half, hasBias: true).linear)
        merge = DepthwiseSeparable(
            depthwise: try DepthwiseConvolution(weights["merge_depthwise"], channels: outputs, kernel: 3),
            between: .hardSwish,
            pointwise: try Convolution(weights["merge_pointwise"], inputs: outputs, outputs: outputs, hasBias: true)
                .linear,
            after: .hardSwish)
    }

    /// - Parameters:
    ///   - x: `[height][width][inputs]`.
    ///   - y: `[height / 2][width / 2][outputs]`; overwritten.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = y.channels / 2
        pass.scope {
            let both = pass.map(y.height, y.width, y.channels)
            branch1(x, into: both.columns(0..<half), using: pass)
            pass.scope {
                let wide = pass.map(x.height, x.width, expand2.outputs)
                let inner = pass.map(y.height, y.width, expand2.outputs)
                let gate = pass.tensor(1, expand2.outputs)
                expand2(x, into: wide, .hardSwish, using: pass)
                depthwise2.count(inner.tokens, using: pass)
                excitation2(inner.tokens, into: gate, using: pass) { range in
                    depthwise2.apply(wide, range, into: inner.tokens.rows(range))
                }
                let (rows, projected) = (Linear.tileRows(inner.tokens.rows), both.tokens.columns(half..<2 * half))
                pass.books.count(macs: projected.count * expand2.outputs)
                pass.run(inner.tokens.rows, by: rows, scratch: project2.scratch(rows)) { range, scratch in
                    project2.apply(inner.tokens.rows(range), gate, into: projected.rows(range), scratch: scratch)
                }
            }
            merge(both, into: y, using: pass)
        }
    }
}

/// Block of stride 1: the second half of the channels through a ghost block with squeeze and excitation, then a channel
/// shuffle. Twin: `esnet_pan.py`, `SameBlock`.
struct SameBlock: Sendable {
    let expand: Convolution
    let depthwise: DepthwiseConvolution
    let excitation: SqueezeExcitation
    let project: GatedProjection

    init(_ weights: Weights, channels: Int, middle: Int) throws(EngineError) {
        let (half, inner) = (channels / 2, middle / 2)
        expand = try Convolution(weights["expand"], inputs: half, outputs: inner, hasBias: true)
        depthwise = try DepthwiseConvolution(weights["depthwise"], channels: inner, kernel: 3)
        excitation = try SqueezeExcitation(weights["se"], channels: middle)
        project = GatedProjection(
            linear: try Convolution(weights["project"], inputs: middle, outputs: half, hasBias: true).linear)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: as x; overwritten, not `x`.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = x.channels / 2
        let inner = expand.outputs
        pass.scope {
            let both = pass.map(x.height, x.width, 2 * inner)
            let gate = pass.tensor(1, 2 * inner)
            let (expanded, ghost) = (both.columns(0..<inner), both.columns(inner..<2 * inner))
            expand(x.columns(half..<2 * half), into: expanded, .hardSwish, using: pass)
            depthwise.count(ghost.tokens, using: pass)
            excitation(both.tokens, into: gate, using: pass) { range in
                depthwise.apply(expanded, range, into: ghost.tokens.rows(range))
            }
            let rows = Linear.tileRows(x.tokens.rows)
            pass.books.count(macs: x.tokens.rows * 2 * inner * half)
            pass.run(x.tokens.rows, by: rows, scratch: rows * half + project.scratch(rows)) { range, scratch in
                let changed = Tensor(scratch, rows: range.count, columns: half)
                project.apply(both.tokens.rows(range), gate, into: changed, scratch: scratch + rows * half)
                let (kept, result) = (x.tokens.rows(range), y.tokens.rows(range))
                hcq_interleave(
                    kept.data, kept.stride, changed.data, changed.stride, range.count, half, result.data, result.stride)
            }
        }
    }
}

/// Cross-stage-partial block: `cat(separable(inner(main(x))), short(x))` through a 1x1 convolution.
/// Twin: `esnet_pan.py`, `CSPBlock`.
struct CSPBlock: Sendable {
    let short: Convolution
    let main: Convolution
    let inner: Convolution
    let separable: DepthwiseSeparable
    let merge: Convolution

    init(_ weights: Weights, inputs: Int, outputs: Int) throws(EngineError) {
        let half = outputs / 2
        short = try Convolution(weights["short"], inputs: inputs, outputs: half, hasBias: true)
        main = try Convolution(weights["main"], inputs: inputs, outputs: half, hasBias: true)
        inner = try Convolution(weights["inner"], inputs: half, outputs: half, hasBias: true)
        separable = try DepthwiseSeparable(weights["separable"], channels: half)
        merge = try Convolution(weights["merge"], inputs: outputs, outputs: outputs, hasBias: true)
    }

    /// - Parameters:
    ///   - x: `[height][width][inputs]`.
    ///   - y: `[height][width][outputs]`; overwritten.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = main.outputs
        pass.scope {
            let both = pass.map(x.height, x.width, 2 * half)
            let first = pass.map(x.height, x.width, half)
            let second = pass.map(x.height, x.width, half)
            main(x, into: first, .hardSwish, using: pass)
            inner(first, into: second, .hardSwish, using: pass)
            separable(second, into: both.columns(0..<half), using: pass)
            short(x, into: both.columns(half..<2 * half), .hardSwish, using: pass)
            merge(both, into: y, .hardSwish, using: pass)
        }
    }
}

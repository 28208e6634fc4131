internal import CKernels

/// `x * hard_sigmoid(expand(relu(reduce(mean(x)))))` per channel. Twin: `esnet_pan.py`, `SqueezeExcitation`.
struct SqueezeExcitation: Sendable {
    let reduce: Linear
    let expand: Linear
    private static let tileRows = 256

    init(_ weights: Weights, channels: Int) throws(EngineError) {
        reduce = try Convolution(weights["reduce"], inputs: channels, outputs: channels / 4, hasBias: true).linear
        expand = try Convolution(weights["expand"], inputs: channels / 4, outputs: channels, hasBias: true).linear
    }

    /// - Parameter x: `[positions, channels]`, in place.
    func callAsFunction(_ x: Tensor, using pass: Pass) {
        pass.books.count(macs: 2 * reduce.inputs * reduce.outputs)
        pass.scope {
            let means = pass.tensor((x.rows + Self.tileRows - 1) / Self.tileRows, x.columns)
            let spare = pass.tensor(means.rows, x.columns)
            let gate = pass.tensor(1, x.columns)
            let inner = pass.tensor(1, reduce.outputs)
            pass.run(x.rows, by: Self.tileRows) { range, _ in
                let tile = range.lowerBound / Self.tileRows
                hcq_channel_moments(
                    x.row(range.lowerBound), x.stride, range.count, x.columns, means.row(tile), spare.row(tile))
            }
            pass.run(1) { _, _ in
                for c in 0..<x.columns {
                    var sum: Float = 0
                    for tile in 0..<means.rows {
                        sum += means.row(tile)[c] * Float(min(Self.tileRows, x.rows - tile * Self.tileRows))
                    }
                    means.data[c] = sum / Float(x.rows)
                }
                reduce.apply(means.rows(0..<1), into: inner, .relu)
                expand.apply(inner, into: gate, .hardSigmoid)
            }
            pass.run(x.rows, by: Self.tileRows) { range, _ in
                hcq_scale_shift(
                    x.row(range.lowerBound), x.stride, range.count, x.columns, gate.data, nil, 0,
                    x.row(range.lowerBound), x.stride)
            }
        }
    }
}

/// Block of stride 2: two branches, concatenated, merged by a depthwise-separable convolution.
/// Twin: `esnet_pan.py`, `DownBlock`.
struct DownBlock: Sendable {
    let depthwise1: DepthwiseConvolution
    let pointwise1: Convolution
    let expand2: Convolution
    let depthwise2: DepthwiseConvolution
    let excitation2: SqueezeExcitation
    let project2: Convolution
    let mergeDepthwise: DepthwiseConvolution
    let mergePointwise: Convolution

    init(_ weights: Weights, inputs: Int, outputs: Int, middle: Int) throws(EngineError) {
        let (half, inner) = (outputs / 2, middle / 2)
        depthwise1 = try DepthwiseConvolution(weights["branch1_depthwise"], channels: inputs, kernel: 3, stride: 2)
        pointwise1 = try Convolution(weights["branch1_pointwise"], inputs: inputs, outputs: half, hasBias: true)
        expand2 = try Convolution(weights["branch2_expand"], inputs: inputs, outputs: inner, hasBias: true)
        depthwise2 = try DepthwiseConvolution(weights["branch2_depthwise"], channels: inner, kernel: 3, stride: 2)
        excitation2 = try SqueezeExcitation(weights["branch2_se"], channels: inner)
        project2 = try Convolution(weights["branch2_project"], inputs: inner, outputs: half, hasBias: true)
        mergeDepthwise = try DepthwiseConvolution(weights["merge_depthwise"], channels: outputs, kernel: 3)
        mergePointwise = try Convolution(weights["merge_pointwise"], inputs: outputs, outputs: outputs, hasBias: true)
    }

    /// - Parameters:
    ///   - x: `[height][width][inputs]`.
    ///   - y: `[height / 2][width / 2][outputs]`; overwritten.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = y.channels / 2
        pass.scope {
            let both = pass.map(y.height, y.width, y.channels)
            pass.scope {
                let inner = pass.map(y.height, y.width, x.channels)
                depthwise1(x, into: inner, using: pass)
                pointwise1(inner, into: both.columns(0..<half), .hardSwish, using: pass)
            }
            pass.scope {
                let wide = pass.map(x.height, x.width, expand2.outputs)
                let inner = pass.map(y.height, y.width, expand2.outputs)
                expand2(x, into: wide, .hardSwish, using: pass)
                depthwise2(wide, into: inner, using: pass)
                excitation2(inner.tokens, using: pass)
                project2(inner, into: both.columns(half..<2 * half), .hardSwish, using: pass)
            }
            let merged = pass.map(y.height, y.width, y.channels)
            mergeDepthwise(both, into: merged, .hardSwish, using: pass)
            mergePointwise(merged, into: y, .hardSwish, using: pass)
        }
    }
}

/// Block of stride 1: the second half of the channels through a ghost block with squeeze and excitation, then a channel
/// shuffle. Twin: `esnet_pan.py`, `SameBlock`.
struct SameBlock: Sendable {
    let expand: Convolution
    let depthwise: DepthwiseConvolution
    let excitation: SqueezeExcitation
    let project: Convolution

    init(_ weights: Weights, channels: Int, middle: Int) throws(EngineError) {
        let (half, inner) = (channels / 2, middle / 2)
        expand = try Convolution(weights["expand"], inputs: half, outputs: inner, hasBias: true)
        depthwise = try DepthwiseConvolution(weights["depthwise"], channels: inner, kernel: 3)
        excitation = try SqueezeExcitation(weights["se"], channels: middle)
        project = try Convolution(weights["project"], inputs: middle, outputs: half, hasBias: true)
    }

    /// - Parameters:
    ///   - x: `[height][width][channels]`.
    ///   - y: as x; overwritten, not `x`.
    func callAsFunction(_ x: FeatureMap, into y: FeatureMap, using pass: Pass) {
        let half = x.channels / 2
        let inner = expand.outputs
        pass.scope {
            let both = pass.map(x.height, x.width, 2 * inner)
            let changed = pass.map(x.height, x.width, half)
            expand(x.columns(half..<2 * half), into: both.columns(0..<inner), .hardSwish, using: pass)
            depthwise(both.columns(0..<inner), into: both.columns(inner..<2 * inner), using: pass)
            excitation(both.tokens, using: pass)
            project(both, into: changed, .hardSwish, using: pass)
            pass.run(x.tokens.rows, by: 256) { range, _ in
                hcq_interleave(
                    x.tokens.row(range.lowerBound), x.tokens.stride, changed.tokens.row(range.lowerBound),
                    changed.tokens.stride, range.count, half, y.tokens.row(range.lowerBound), y.tokens.stride)
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
    let separable: SeparableBlock
    let merge: Convolution

    init(_ weights: Weights, inputs: Int, outputs: Int) throws(EngineError) {
        let half = outputs / 2
        short = try Convolution(weights["short"], inputs: inputs, outputs: half, hasBias: true)
        main = try Convolution(weights["main"], inputs: inputs, outputs: half, hasBias: true)
        inner = try Convolution(weights["inner"], inputs: half, outputs: half, hasBias: true)
        separable = try SeparableBlock(weights["separable"], channels: half)
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

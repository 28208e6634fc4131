import CKernels
import Testing

@testable import Engine

/// Fused chains of narrow layers against their definition in float64, and in bands of any height.
@Suite struct NarrowChainTests {
    /// Pixels with padding that holds numbers of its own.
    private func padded(_ values: [Float], _ height: Int, _ width: Int, channels: Int) -> FeatureMap {
        let pitch = paddedChannels(channels)
        var memory = [Float](repeating: 7, count: height * width * pitch)
        for i in 0..<height * width {
            for c in 0..<channels { memory[i * pitch + c] = values[i * channels + c] }
        }
        let tokens = Inputs().tensor(memory, height * width, pitch)
        return FeatureMap(tokens.columns(0..<channels), height: height, width: width)
    }

    private func pointwise(
        _ x: [Double], _ weight: [Float], _ bias: [Float], inputs: Int, isRectified: Bool
    ) -> [Double] {
        let outputs = bias.count
        return (0..<x.count / inputs * outputs).map { at in
            let (i, o) = (at / outputs, at % outputs)
            let sum = (0..<inputs).reduce(Double(bias[o])) { $0 + x[i * inputs + $1] * Double(weight[o * inputs + $1]) }
            return isRectified ? max(sum, 0) : sum
        }
    }

    private func depthwise(
        _ x: [Double], _ weight: [Float], _ bias: [Float], height: Int, width: Int, stride: Int
    ) -> [Double] {
        let channels = bias.count
        var y: [Double] = []
        for row in Swift.stride(from: 0, to: height, by: stride) {
            for column in Swift.stride(from: 0, to: width, by: stride) {
                for c in 0..<channels {
                    var sum = Double(bias[c])
                    for tap in 0..<9 {
                        let (sy, sx) = (row + tap / 3 - 1, column + tap % 3 - 1)
                        guard 0..<height ~= sy, 0..<width ~= sx else { continue }
                        sum += x[(sy * width + sx) * channels + c] * Double(weight[9 * c + tap])
                    }
                    y.append(sum)
                }
            }
        }
        return y
    }

    private func chainWeights(_ noise: inout Noise, _ inputs: Int, _ outputs: Int) -> [String: [Float]] {
        [
            "expand.weight": noise.normal(inputs * inputs, 0.2), "expand.bias": noise.normal(inputs),
            "depthwise.weight": noise.normal(9 * inputs, 0.4), "depthwise.bias": noise.normal(inputs),
            "pointwise.weight": noise.normal(outputs * inputs, 0.2), "pointwise.bias": noise.normal(outputs),
        ]
    }

    @Test(arguments: [(20, 5, 17), (40, 1, 1), (80, 4, 3), (160, 3, 20)], [1, 2, 9])
    func shuffleBlockMatchesDefinition(shape: (half: Int, height: Int, width: Int), rows: Int) throws {
        let (half, height, width) = shape
        var noise = Noise(seed: 5)
        let tensors = chainWeights(&noise, half, half)
        let x = noise.normal(height * width * 2 * half)
        let all = weights(tensors)
        let chain = try NarrowChain(
            expand: all["expand"], depthwise: all["depthwise"], project: all["pointwise"], inputs: half, outputs: half)
        let map = padded(x, height, width, channels: 2 * half)
        let found = result(height * width, 2 * half) { pass, y in
            let to = pass.paddedMap(height, width, 2 * half)
            pass.run(height, by: rows, scratch: chain.scratch(map)) { range, scratch in
                chain.shuffleBlock(map, into: to, rows: range, scratch)
            }
            copy(to, into: y, using: pass)
        }
        let second = (0..<height * width * half).map { Double(x[$0 / half * 2 * half + half + $0 % half]) }
        let wide = pointwise(
            second, tensors["expand.weight"]!, tensors["expand.bias"]!, inputs: half, isRectified: true)
        let inner = depthwise(
            wide, tensors["depthwise.weight"]!, tensors["depthwise.bias"]!, height: height, width: width, stride: 1)
        let changed = pointwise(
            inner, tensors["pointwise.weight"]!, tensors["pointwise.bias"]!, inputs: half, isRectified: true)
        let expected = (0..<x.count).map { at in
            let (i, c) = (at / (2 * half), at % (2 * half))
            return c % 2 == 0 ? Double(x[i * 2 * half + c / 2]) : changed[i * half + c / 2]
        }
        expectAll(found, near: expected)
    }

    @Test(arguments: [(40, 80, 5, 7), (32, 16, 4, 6), (320, 160, 3, 2), (16, 40, 1, 1)], [1, 2])
    func separableMatchesDefinition(shape: (inputs: Int, outputs: Int, height: Int, width: Int), stride: Int) throws {
        let (inputs, outputs, height, width) = shape
        var noise = Noise(seed: 6)
        let tensors = chainWeights(&noise, inputs, outputs)
        let x = noise.normal(height * width * inputs)
        let chain = try NarrowChain(weights(tensors), inputs: inputs, outputs: outputs, stride: stride)
        let map = padded(x, height, width, channels: inputs)
        let (down, across) = ((height + stride - 1) / stride, (width + stride - 1) / stride)
        for isRectified in [false, true] {
            // Twice: the second time the result is added to the first.
            let found = result(down * across, outputs) { pass, y in
                let to = pass.paddedMap(down, across, outputs)
                chain(map, into: to, rows: 2, using: pass)
                pass.run(down, by: 1, scratch: chain.scratch(map)) { range, scratch in
                    chain.separable(
                        map, into: to, rows: range, isRectified ? .relu : .none, accumulating: true, scratch)
                }
                copy(to, into: y, using: pass)
            }
            let inner = depthwise(
                x.map(Double.init), tensors["depthwise.weight"]!, tensors["depthwise.bias"]!, height: height,
                width: width, stride: stride)
            let once = pointwise(
                inner, tensors["pointwise.weight"]!, tensors["pointwise.bias"]!, inputs: inputs, isRectified: false)
            expectAll(found, near: once.map { isRectified ? max(2 * $0, 0) : 2 * $0 })
        }
    }

    private func copy(_ map: FeatureMap, into y: Tensor, using pass: Pass) {
        pass.run(1) { _, _ in
            for i in 0..<y.rows {
                for c in 0..<y.columns { y.row(i)[c] = map.tokens.row(i)[c] }
            }
        }
    }
}

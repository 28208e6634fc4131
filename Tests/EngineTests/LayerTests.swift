import Foundation
import Testing

@testable import Engine

/// Layers against their definition in float64.
@Suite struct LayerTests {
    @Test(arguments: [(1, 32), (7, 96), (300, 256), (129, 40)])
    func layerNormMatchesDefinition(rows: Int, columns: Int) throws {
        var noise = Noise(seed: 1)
        let (x, residual) = (noise.normal(rows * columns).map { $0 + 3 }, noise.normal(rows * columns))
        let (gamma, beta) = (noise.normal(columns), noise.normal(columns))
        let norm = try LayerNorm(weights(["weight": gamma, "bias": beta]), channels: columns)
        let inputs = Inputs()
        let found = result(rows, columns) { pass, y in
            norm(inputs.tensor(x, rows, columns), adding: inputs.tensor(residual, rows, columns), into: y, using: pass)
        }
        var expected: [Double] = []
        for r in 0..<rows {
            let row = (0..<columns).map { Double(x[r * columns + $0]) + Double(residual[r * columns + $0]) }
            let mean = row.reduce(0, +) / Double(columns)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            for c in 0..<columns {
                expected.append((row[c] - mean) / (variance + 1e-5).squareRoot() * Double(gamma[c]) + Double(beta[c]))
            }
        }
        expectAll(found, near: expected)
    }

    @Test(arguments: [(1, 32), (5, 64), (300, 96), (640, 256)], [Activation.none, .relu])
    func groupNormMatchesDefinition(shape: (rows: Int, columns: Int), activation: Activation) throws {
        let (rows, columns) = shape
        var noise = Noise(seed: 2)
        // A mean far from 0: one-pass moments would cancel. In groups of one value the mean is all there is.
        let offset: Float = rows * columns == 32 ? 0 : 30
        let x = noise.normal(rows * columns).map { $0 + offset }
        let (gamma, beta) = (noise.normal(columns), noise.normal(columns))
        let norm = try GroupNorm(weights(["weight": gamma, "bias": beta]), channels: columns)
        let inputs = Inputs()
        let found = result(rows, columns) { pass, y in
            norm(inputs.tensor(x, rows, columns), into: y, activation, using: pass)
        }
        let width = columns / 32
        var expected = [Double](repeating: 0, count: x.count)
        for group in 0..<32 {
            let places = (0..<rows).flatMap { r in (0..<width).map { r * columns + group * width + $0 } }
            let mean = places.reduce(0) { $0 + Double(x[$1]) } / Double(places.count)
            let variance = places.reduce(0) { $0 + pow(Double(x[$1]) - mean, 2) } / Double(places.count)
            for i in places {
                let y =
                    (Double(x[i]) - mean) / (variance + 1e-5).squareRoot() * Double(gamma[i % columns])
                    + Double(beta[i % columns])
                expected[i] = activation == .relu ? max(y, 0) : y
            }
        }
        expectAll(found, near: expected, relative: 1e-3, absolute: 1e-4)
    }

    @Test(arguments: [(1, 1, 1), (1, 7, 5), (17, 33, 2), (130, 256, 96), (40, 294, 256)], [false, true])
    func linearMatchesDefinition(shape: (rows: Int, inputs: Int, outputs: Int), accumulating: Bool) throws {
        var noise = Noise(seed: 3)
        let x = noise.normal(shape.rows * shape.inputs)
        let (w, b) = (noise.normal(shape.inputs * shape.outputs), noise.normal(shape.outputs))
        let linear = try Linear(weights(["weight": w, "bias": b]), inputs: shape.inputs, outputs: shape.outputs)
        let inputs = Inputs()
        for activation in [Activation.none, .relu, .gelu, .hardSwish, .hardSigmoid] {
            let found = result(shape.rows, shape.outputs) { pass, y in
                pass.run(1) { _, _ in for i in 0..<y.count { y.data[i] = Float(i % 5) } }
                linear(
                    inputs.tensor(x, shape.rows, shape.inputs), into: y, activation, accumulating: accumulating,
                    using: pass)
            }
            var expected: [Double] = []
            for r in 0..<shape.rows {
                for o in 0..<shape.outputs {
                    var sum = Double(b[o]) + (accumulating ? Double((r * shape.outputs + o) % 5) : 0)
                    for i in 0..<shape.inputs {
                        sum += Double(x[r * shape.inputs + i]) * Double(w[o * shape.inputs + i])
                    }
                    expected.append(activate(sum, activation))
                }
            }
            expectAll(found, near: expected, "\(activation)")
        }
    }

    @Test(arguments: [(3, 8, 7, 2), (16, 5, 1, 1), (32, 32, 3, 1), (20, 9, 3, 2), (3, 12, 4, 4), (48, 64, 3, 1)])
    func convolutionMatchesDefinition(shape: (inputs: Int, outputs: Int, kernel: Int, stride: Int)) throws {
        let (inputs, outputs, kernel, stride) = shape
        let padding = kernel % 2 == 0 ? 0 : kernel / 2
        let (height, width) = (12, 20)
        var noise = Noise(seed: 4)
        let x = noise.normal(height * width * inputs)
        let w = noise.normal(outputs * inputs * kernel * kernel)
        let statistics = [
            "bn.weight": noise.normal(outputs), "bn.bias": noise.normal(outputs),
            "bn.running_mean": noise.normal(outputs),
            "bn.running_var": noise.normal(outputs).map { abs($0) + 0.2 },
        ]
        let scope = weights(statistics.merging(["weight": w]) { $1 })
        let convolution = try Convolution(
            scope, inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding,
            normalised: scope["bn"])
        let (outHeight, outWidth) = (
            (height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1
        )
        let memory = Inputs()
        let found = result(outHeight * outWidth, outputs) { pass, y in
            convolution(
                memory.map(x, height, width, inputs), into: FeatureMap(y, height: outHeight, width: outWidth), .relu,
                using: pass)
        }
        var expected: [Double] = []
        for place in 0..<outHeight * outWidth {
            for o in 0..<outputs {
                var sum = 0.0
                for ky in 0..<kernel {
                    for kx in 0..<kernel {
                        let (sy, sx) = (
                            place / outWidth * stride + ky - padding, place % outWidth * stride + kx - padding
                        )
                        guard 0..<height ~= sy, 0..<width ~= sx else { continue }
                        for i in 0..<inputs {
                            sum +=
                                Double(x[(sy * width + sx) * inputs + i])
                                * Double(w[((o * inputs + i) * kernel + ky) * kernel + kx])
                        }
                    }
                }
                func statistic(_ name: String) -> Double { Double(statistics["bn.\(name)"]![o]) }
                let normal = (sum - statistic("running_mean")) / (statistic("running_var") + 1e-5).squareRoot()
                expected.append(max(normal * statistic("weight") + statistic("bias"), 0))
            }
        }
        expectAll(found, near: expected, relative: 1e-4, absolute: 3e-5)
    }

    @Test(arguments: [(1, 3, 1), (24, 3, 2), (40, 5, 1), (17, 5, 2)])
    func depthwiseMatchesDefinition(channels: Int, kernel: Int, stride: Int) throws {
        let (height, width) = (7, 9)
        var noise = Noise(seed: 5)
        let x = noise.normal(height * width * channels)
        let (w, b) = (noise.normal(channels * kernel * kernel), noise.normal(channels))
        let layer = try DepthwiseConvolution(
            weights(["weight": w, "bias": b]), channels: channels, kernel: kernel, stride: stride)
        let (outHeight, outWidth) = ((height + stride - 1) / stride, (width + stride - 1) / stride)
        let memory = Inputs()
        let found = result(outHeight * outWidth, channels) { pass, y in
            layer(
                memory.map(x, height, width, channels), into: FeatureMap(y, height: outHeight, width: outWidth),
                .hardSwish, using: pass)
        }
        var expected: [Double] = []
        for place in 0..<outHeight * outWidth {
            for c in 0..<channels {
                var sum = Double(b[c])
                for ky in 0..<kernel {
                    for kx in 0..<kernel {
                        let sy = place / outWidth * stride + ky - kernel / 2
                        let sx = place % outWidth * stride + kx - kernel / 2
                        guard 0..<height ~= sy, 0..<width ~= sx else { continue }
                        sum += Double(x[(sy * width + sx) * channels + c]) * Double(w[(c * kernel + ky) * kernel + kx])
                    }
                }
                expected.append(activate(sum, .hardSwish))
            }
        }
        expectAll(found, near: expected)
    }

    @Test(arguments: [(1, 1, 3), (2, 6, 64), (7, 5, 20)])
    func maxPoolMatchesDefinition(height: Int, width: Int, channels: Int) {
        var noise = Noise(seed: 6)
        // All negative: padding must never win.
        let x = noise.floats(height * width * channels).map { $0 - 2 }
        let (outHeight, outWidth) = ((height + 1) / 2, (width + 1) / 2)
        let memory = Inputs()
        let found = result(outHeight * outWidth, channels) { pass, y in
            maxPool(
                memory.map(x, height, width, channels), into: FeatureMap(y, height: outHeight, width: outWidth),
                using: pass)
        }
        var expected: [Double] = []
        for place in 0..<outHeight * outWidth {
            for c in 0..<channels {
                var top = -Double.infinity
                for sy in place / outWidth * 2 - 1...place / outWidth * 2 + 1 where 0..<height ~= sy {
                    for sx in place % outWidth * 2 - 1...place % outWidth * 2 + 1 where 0..<width ~= sx {
                        top = max(top, Double(x[(sy * width + sx) * channels + c]))
                    }
                }
                expected.append(top)
            }
        }
        expectAll(found, near: expected, relative: 0, absolute: 0)
    }

    @Test(arguments: [(1, 32, 8), (7, 64, 2), (100, 256, 8)])
    func selfAttentionMatchesDefinition(count: Int, dim: Int, heads: Int) throws {
        var noise = Noise(seed: 7)
        let scale = 1 / Float(dim).squareRoot()
        var tensors: [String: [Float]] = [:]
        for part in ["q", "k", "v", "out"] {
            tensors["\(part).weight"] = noise.normal(dim * dim, scale)
            tensors["\(part).bias"] = noise.normal(dim, 0.3)
        }
        let (query, x) = (noise.normal(count * dim), noise.normal(count * dim))
        let attention = try SelfAttention(weights(tensors), dim: dim, heads: heads)
        let inputs = Inputs()
        let found = result(count, dim) { pass, y in
            attention(query: inputs.tensor(query, count, dim), inputs.tensor(x, count, dim), into: y, using: pass)
        }
        func linear(_ part: String, _ x: [Double]) -> [Double] {
            (0..<count * dim).map { i in
                (0..<dim).reduce(Double(tensors["\(part).bias"]![i % dim])) {
                    $0 + x[i / dim * dim + $1] * Double(tensors["\(part).weight"]![i % dim * dim + $1])
                }
            }
        }
        let (q, k) = (linear("q", query.map(Double.init)), linear("k", query.map(Double.init)))
        let v = linear("v", x.map(Double.init))
        let size = dim / heads
        var attended = [Double](repeating: 0, count: count * dim)
        for head in 0..<heads {
            for i in 0..<count {
                let scores = (0..<count).map { j in
                    exp(
                        (0..<size).reduce(0) { $0 + q[i * dim + head * size + $1] * k[j * dim + head * size + $1] }
                            / Double(size).squareRoot())
                }
                let sum = scores.reduce(0, +)
                for c in head * size..<(head + 1) * size {
                    attended[i * dim + c] = (0..<count).reduce(0) { $0 + scores[$1] / sum * v[$1 * dim + c] }
                }
            }
        }
        expectAll(found, near: linear("out", attended), relative: 1e-4, absolute: 3e-5)
    }

    private func activate(_ x: Double, _ activation: Activation) -> Double {
        switch activation {
        case .none: x
        case .relu: max(x, 0)
        case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
        case .hardSwish: x * min(max(x / 6 + 0.5, 0), 1)
        case .hardSigmoid: min(max(x / 6 + 0.5, 0), 1)
        }
    }
}

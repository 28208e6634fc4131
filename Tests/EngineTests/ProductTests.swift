import CKernels
import Testing

/// Products against their definition in float64, on the level in use (`HCQD_CPU` chooses it).
@Suite struct ProductTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let rows, columns, depth: Int
        var testDescription: String { "\(rows)x\(columns)x\(depth)" }
    }

    @Test(arguments: [
        Shape(rows: 1, columns: 1, depth: 1), Shape(rows: 5, columns: 34, depth: 3),
        Shape(rows: 14, columns: 32, depth: 256),
        Shape(rows: 15, columns: 64, depth: 257), Shape(rows: 113, columns: 33, depth: 294),
        Shape(rows: 230, columns: 96, depth: 513),
    ])
    func matrixMatchesDefinition(shape: Shape) {
        var random = Noise(seed: 1)
        let (m, n, k) = (shape.rows, shape.columns, shape.depth)
        let x = random.floats(m * (k + 3)), w = random.floats(n * k), bias = random.floats(n),
            residual = random.floats(m * (n + 1))
        for activation in [Int32(0), 1, 2, 3] {
            var y = [Float](repeating: .nan, count: m * (n + 2))
            let packed = pack(w, columns: n, depth: k)
            withProduct(x: x, packed: packed, bias: bias, residual: residual, y: &y) { p in
                p.ldx = k + 3
                (p.columns, p.depth, p.ldr, p.ldy, p.activation) = (n, k, n + 1, n + 2, activation)
                return p
            } run: { p in
                // Cut unevenly: the cut must not show.
                hcq_gemm(p, 0, m / 3, 0, n)
                hcq_gemm(p, m / 3, m, 0, min(32, n))
                if n > 32 { hcq_gemm(p, m / 3, m, 32, n) }
            }
            for row in 0..<m {
                for column in 0..<n {
                    var sum = Double(bias[column]) + Double(residual[row * (n + 1) + column])
                    for i in 0..<k { sum += Double(x[row * (k + 3) + i]) * Double(w[column * k + i]) }
                    expect(y[row * (n + 2) + column], isNear: activated(sum, activation), "at \(row), \(column)")
                }
            }
        }
    }

    @Test func cutDoesNotChangeBits() {
        var random = Noise(seed: 2)
        let (m, n, k) = (120, 96, 600)
        let x = random.floats(m * k), packed = pack(random.floats(n * k), columns: n, depth: k)
        var whole = [Float](repeating: 0, count: m * n), parts = whole
        let shape: (inout hcq_product) -> hcq_product = { p in
            (p.ldx, p.columns, p.depth, p.ldy) = (k, n, k, n)
            return p
        }
        withProduct(x: x, packed: packed, bias: nil, residual: nil, y: &whole, shape) { hcq_gemm($0, 0, m, 0, n) }
        withProduct(x: x, packed: packed, bias: nil, residual: nil, y: &parts, shape) { p in
            for row in stride(from: 0, to: m, by: 17) {
                for column in stride(from: 0, to: n, by: 32) { hcq_gemm(p, row, min(row + 17, m), column, column + 32) }
            }
        }
        #expect(whole == parts)
    }

    @Test(arguments: [200, 600])
    func addsToWhatIsThere(depth k: Int) {
        var random = Noise(seed: 6)
        let (m, n) = (20, 40)
        let x = random.floats(m * k), w = random.floats(n * k), before = random.floats(m * n)
        var y = before
        let packed = pack(w, columns: n, depth: k)
        withProduct(x: x, packed: packed, bias: nil, residual: nil, y: &y) { p in
            (p.ldx, p.columns, p.depth, p.ldy, p.residual, p.ldr) = (k, n, k, n, UnsafePointer(p.y), n)
            return p
        } run: {
            hcq_gemm($0, 0, m, 0, n)
        }
        for (at, found) in y.enumerated() {
            var sum = Double(before[at])
            for i in 0..<k { sum += Double(x[at / n * k + i]) * Double(w[at % n * k + i]) }
            expect(found, isNear: sum, "at \(at)")
        }
    }

    struct Filter: Sendable, CustomTestStringConvertible {
        let height, width, channels, columns, kernel, stride: Int
        var testDescription: String { "\(height)x\(width)x\(channels) to \(columns), \(kernel)x\(kernel)/\(stride)" }
    }

    @Test(arguments: [
        Filter(height: 9, width: 7, channels: 3, columns: 5, kernel: 7, stride: 2),
        Filter(height: 6, width: 11, channels: 40, columns: 33, kernel: 3, stride: 2),
        Filter(height: 5, width: 4, channels: 100, columns: 32, kernel: 3, stride: 1),
        Filter(height: 5, width: 7, channels: 20, columns: 8, kernel: 1, stride: 2),
        Filter(height: 1, width: 1, channels: 4, columns: 1, kernel: 5, stride: 1),
    ])
    func convolutionMatchesDefinition(filter f: Filter) {
        var random = Noise(seed: 3)
        let depth = f.kernel * f.kernel * f.channels
        let x = random.floats(f.height * f.width * f.channels), w = random.floats(f.columns * depth)
        let bias = random.floats(f.columns)
        let outHeight = (f.height - 1) / f.stride + 1, outWidth = (f.width - 1) / f.stride + 1
        var y = [Float](repeating: .nan, count: outHeight * outWidth * f.columns)
        let packed = pack(w, columns: f.columns, depth: depth)
        withProduct(x: x, packed: packed, bias: bias, residual: nil, y: &y) { p in
            convolution(&p, f, outWidth)
            return p
        } run: {
            hcq_gemm($0, 0, outHeight * outWidth, 0, f.columns)
        }
        expectConvolution(y, f, x, w, bias, residual: nil)
    }

    @Test(
        arguments: [
            Filter(height: 1, width: 1, channels: 16, columns: 16, kernel: 3, stride: 1),
            Filter(height: 9, width: 14, channels: 32, columns: 48, kernel: 3, stride: 1),
            Filter(height: 8, width: 12, channels: 16, columns: 64, kernel: 3, stride: 1),
            Filter(height: 5, width: 6, channels: 272, columns: 32, kernel: 3, stride: 1),
        ], [1, 3, 240])
    func winogradMatchesDefinition(filter f: Filter, chunk: Int) {
        var random = Noise(seed: 4)
        let x = random.floats(f.height * f.width * f.channels), w = random.floats(f.columns * 9 * f.channels)
        let bias = random.floats(f.columns), residual = random.floats(f.height * f.width * f.columns)
        var y = [Float](repeating: .nan, count: f.height * f.width * f.columns)
        var size = 0
        hcq_gemm_size(f.columns, f.channels, &size)
        var packed = [Float](repeating: 0, count: 36 * size)
        hcq_winograd_pack(w, f.columns, f.channels, &packed)
        withProduct(x: x, packed: packed, bias: bias, residual: residual, y: &y) { p in
            convolution(&p, f, f.width)
            p.ldr = f.columns
            return p
        } run: { p in
            let tiles = ((f.height + 3) / 4) * ((f.width + 3) / 4)
            for first in stride(from: 0, to: tiles, by: chunk) {
                let count = min(chunk, tiles - first)
                var floats = 0
                hcq_winograd_scratch(p, count, &floats)
                var scratch = [Float](repeating: .nan, count: floats)
                hcq_winograd_input(p, first, count, 0, count, &scratch)
                hcq_winograd_product(p, count, 0, 20, 0, f.columns, &scratch)
                hcq_winograd_product(p, count, 20, 36, 0, f.columns, &scratch)
                hcq_winograd_output(p, first, count, 0, count, scratch)
            }
        }
        expectConvolution(y, f, x, w, bias, residual: residual)
    }

    // MARK: definitions

    private func convolution(_ p: inout hcq_product, _ f: Filter, _ outWidth: Int) {
        (p.ldx, p.columns, p.depth, p.ldy) = (f.channels, f.columns, f.kernel * f.kernel * f.channels, f.columns)
        (p.kernel, p.stride, p.padding) = (f.kernel, f.stride, f.kernel / 2)
        (p.height, p.width, p.channels, p.out_width, p.activation) = (f.height, f.width, f.channels, outWidth, 1)
    }

    private func expectConvolution(
        _ y: [Float], _ f: Filter, _ x: [Float], _ w: [Float], _ bias: [Float], residual: [Float]?
    ) {
        let outWidth = (f.width - 1) / f.stride + 1
        // Winograd's sums cancel: what is lost is a share of the largest number, not of each.
        let largest = Double(y.max() ?? 0)
        for (at, found) in y.enumerated() {
            let position = at / f.columns, column = at % f.columns
            var sum = Double(bias[column]) + Double(residual?[at] ?? 0)
            for ky in 0..<f.kernel {
                for kx in 0..<f.kernel {
                    let sy = position / outWidth * f.stride + ky - f.kernel / 2
                    let sx = position % outWidth * f.stride + kx - f.kernel / 2
                    guard 0..<f.height ~= sy, 0..<f.width ~= sx else { continue }
                    for c in 0..<f.channels {
                        let weight = w[((column * f.kernel + ky) * f.kernel + kx) * f.channels + c]
                        sum += Double(x[(sy * f.width + sx) * f.channels + c]) * Double(weight)
                    }
                }
            }
            expect(
                found, isNear: max(sum, 0), within: 1e-5 + 2e-5 * largest, "at position \(position), column \(column)")
        }
    }

    private func pack(_ w: [Float], columns: Int, depth: Int) -> [Float] {
        var size = 0
        hcq_gemm_size(columns, depth, &size)
        var packed = [Float](repeating: .nan, count: size)
        hcq_gemm_pack(w, depth, columns, depth, &packed)
        return packed
    }

    private func withProduct(
        x: [Float], packed: [Float], bias: [Float]?, residual: [Float]?, y: inout [Float],
        _ shape: (inout hcq_product) -> hcq_product, run: (UnsafePointer<hcq_product>) -> Void
    ) {
        x.withUnsafeBufferPointer { x in
            packed.withUnsafeBufferPointer { packed in
                (bias ?? []).withUnsafeBufferPointer { b in
                    (residual ?? []).withUnsafeBufferPointer { r in
                        y.withUnsafeMutableBufferPointer { y in
                            var p = hcq_product()
                            (p.x, p.packed, p.y) = (x.baseAddress, packed.baseAddress, y.baseAddress)
                            p.bias = bias == nil ? nil : b.baseAddress
                            p.residual = residual == nil ? nil : r.baseAddress
                            var shaped = shape(&p)
                            run(&shaped)
                        }
                    }
                }
            }
        }
    }
}

/// y = activation(x) in float64.
func activated(_ x: Double, _ activation: Int32) -> Double {
    switch activation {
    case 1: max(x, 0)
    case 2: 0.5 * x * (1 + errorFunction(x / 2.0.squareRoot()))
    case 3: x * min(max(x / 6 + 0.5, 0), 1)
    default: x
    }
}

private func errorFunction(_ x: Double) -> Double {
    // Taylor's series converges for every x; beyond 5 erf is 1 to float32.
    if abs(x) > 5 { return x > 0 ? 1 : -1 }
    var term = x, sum = x
    for n in 1..<200 {
        term *= -x * x / Double(n)
        sum += term / Double(2 * n + 1)
    }
    return sum * 2 / Double.pi.squareRoot()
}

/// Reports a number that is further from `expected` than float32 sums of some thousand products explain.
func expect(
    _ found: Float, isNear expected: Double, within distance: Double = 1e-4, _ place: @autoclosure () -> String
) {
    if !(abs(Double(found) - expected) <= distance + 1e-4 * abs(expected)) {
        Issue.record("\(place()): found \(found), expected \(expected)")
    }
}

/// Seeded numbers in -1...1 (SplitMix64).
struct Noise {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func float() -> Float { Float(bits() >> 40) / Float(1 << 23) - 1 }
    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
}

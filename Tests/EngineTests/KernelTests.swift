import CKernels
import Foundation
import Testing

@testable import Engine

/// Elementary kernels against float64, on the level in use.
@Suite struct KernelTests {
    @Test func levelFollowsEnvironment() {
        let wanted: Int32 =
            switch ProcessInfo.processInfo.environment["HCQD_CPU"] {
            case "baseline": 0
            case "avx2": 1
            default: 2
            }
        #expect(hcq_level() == min(wanted, hcq_cpu_level()))
    }

    @Test func openBLASKnowsThisCPU() {
        let name = HCQNet.blasCore
        if hcq_level() > 0 { #expect(name != "Prescott", "OpenBLAS runs its SSE3 kernels on a CPU with AVX2") }
        #expect(!name.isEmpty)
    }

    @Test func softmaxMatchesDefinition() {
        var noise = Noise(seed: 1)
        let (rows, columns) = (5, 37)
        let (x, bias) = (noise.normal(rows * columns, 8), noise.normal(rows * 40))
        let regions = (0..<columns).map { Int32($0 % 3) }
        var y = x
        hcq_softmax(&y, columns, rows, columns, 0.7, bias, 40, regions)
        var expected: [Double] = []
        for r in 0..<rows {
            let scores = (0..<columns).map { c in
                exp(Double(x[r * columns + c]) * 0.7 + Double(bias[r * 40 + c]) - (regions[r] == regions[c] ? 0 : 100))
            }
            expected += scores.map { $0 / scores.reduce(0, +) }
        }
        expectAll(y, near: expected, relative: 1e-4, absolute: 1e-6)
    }

    @Test func sigmoidMatchesDefinition() {
        let x = stride(from: Float(-40), through: 40, by: 0.37).map { $0 }
        var y = x
        hcq_sigmoid(x, &y, x.count)
        expectAll(y, near: x.map { 1 / (1 + exp(-Double($0))) }, relative: 2e-5, absolute: 1e-7)
    }

    @Test func sineCodeMatchesDefinition() {
        let x = stride(from: Float(0), through: 1, by: 0.013).map { $0 }
        let dim = 8
        let frequencies = (0..<dim).map { Float(2 * Double.pi / pow(10_000, Double($0 / 2 * 2) / Double(dim))) }
        var y = [Float](repeating: .nan, count: x.count * dim)
        hcq_sine_code(x, x.count, frequencies, dim, &y)
        let expected = x.flatMap { v in
            (0..<dim).map { i in
                let angle = 2 * Double.pi * Double(v) / pow(10_000, Double(i / 2 * 2) / Double(dim))
                return i % 2 == 0 ? sin(angle) : cos(angle)
            }
        }
        expectAll(y, near: expected, relative: 0, absolute: 2e-6)
    }

    @Test func refinementMatchesDefinition() {
        let keys: [Float] = [0, 1e-7, 1e-5, 0.01, 0.3, 0.5, 0.99, 0.999999, 1]
        for delta in [Float(-12), -1, 0, 0.3, 7] {
            var y = [Float](repeating: .nan, count: keys.count)
            hcq_refine(keys, [Float](repeating: delta, count: keys.count), &y, keys.count)
            let expected = keys.map { k in
                let logit = log(max(Double(k), 1e-5) / max(1 - Double(k), 1e-5))
                return 1 / (1 + exp(-(logit + Double(delta))))
            }
            expectAll(y, near: expected, relative: 1e-4, absolute: 1e-7)
        }
    }

    @Test(arguments: [(1, 1), (3, 5), (113, 33)])
    func sumsMatchDefinition(rows: Int, columns: Int) {
        var noise = Noise(seed: 5)
        var x = noise.normal(rows * columns)
        let expected = (0..<columns).map { c in (0..<rows).reduce(0) { $0 + Double(x[$1 * columns + c]) } }
        var y = [Float](repeating: .nan, count: columns)
        hcq_channel_sums(x, columns, rows, columns, &y)
        expectAll(y, near: expected, relative: 1e-4, absolute: 1e-4)
        x.withUnsafeMutableBufferPointer { hcq_channel_sums($0.baseAddress!, columns, rows, columns, $0.baseAddress!) }
        expectAll(Array(x[0..<columns]), near: expected, relative: 1e-4, absolute: 1e-4)
    }

    @Test func enlargementMatchesDefinition() {
        var noise = Noise(seed: 2)
        let (height, width, channels) = (3, 4, 5)
        let (x, other) = (noise.normal(height * width * channels), noise.normal(4 * height * width * channels))
        var y = [Float](repeating: .nan, count: other.count)
        let (scale, shift) = (noise.normal(channels), noise.normal(channels))
        hcq_upsample_add(x, height, width, channels, 0, 2, other, scale, shift, &y)
        hcq_upsample_add(x, height, width, channels, 2, 2 * height, other, scale, shift, &y)
        func source(_ o: Int, _ size: Int) -> (Int, Int, Double) {
            let position = max(0, (Double(o) + 0.5) / 2 - 0.5)
            let low = Int(position)
            return (low, min(low + 1, size - 1), position - Double(low))
        }
        var expected: [Double] = []
        for oy in 0..<2 * height {
            for ox in 0..<2 * width {
                let (y0, y1, fy) = source(oy, height)
                let (x0, x1, fx) = source(ox, width)
                for c in 0..<channels {
                    func at(_ y: Int, _ x0: Int) -> Double { Double(x[(y * width + x0) * channels + c]) }
                    let blend =
                        (1 - fy) * ((1 - fx) * at(y0, x0) + fx * at(y0, x1)) + fy
                        * ((1 - fx) * at(y1, x0) + fx * at(y1, x1))
                    let own = Double(other[(oy * 2 * width + ox) * channels + c]) * Double(scale[c]) + Double(shift[c])
                    expected.append(own + blend)
                }
            }
        }
        expectAll(y, near: expected)
    }

    @Test func pictureIsNormalisedAndPadded() {
        let (width, height, contentWidth, contentHeight) = (7, 4, 5, 3)
        let rgb = (0..<width * height * 3).map { UInt8($0 * 37 % 256) }
        let (scale, shift): ([Float], [Float]) = ([0.5, 0.25, 2], [-1, -2, -3])
        var y = [Float](repeating: .nan, count: rgb.count)
        hcq_normalise_rgb(rgb, width, contentWidth, contentHeight, scale, shift, 0, height, &y)
        let expected = rgb.indices.map { i in
            let (row, column) = (i / 3 / width, i / 3 % width)
            return row < contentHeight && column < contentWidth
                ? Double(rgb[i]) * Double(scale[i % 3]) + Double(shift[i % 3]) : 0
        }
        expectAll(y, near: expected)
    }

    @Test func shuffleAndNearestEnlargement() {
        var y = [Float](repeating: .nan, count: 8)
        hcq_interleave([1, 2, 9, 3, 4, 9], 3, [5, 6, 7, 8], 2, 2, 2, &y, 4)
        #expect(y == [1, 5, 2, 6, 3, 7, 4, 8])
        var large = [Float](repeating: .nan, count: 16)
        hcq_upsample_nearest([1, 2, 3, 4], 1, 2, 1, 0, 4, &large, 1)
        #expect(large == [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
    }

    @Test(arguments: [false, true]) func jointsAreReadFromMaps(withOwner: Bool) {
        let (height, width, joints, grid) = (6, 8, 3, 4)
        let channels = withOwner ? joints + 4 : joints
        let owner: [Float] = [3, 1, 2]
        let margin: Float = 0.25
        var noise = Noise(seed: 3)
        let maps = noise.normal(height * width * channels, 3).enumerated().map { $0 % channels < joints ? $1 : $1 / 10 }
        let box: [Float] = [0.1, 0.2, 0.7, 1.1]
        let (scale, reach): ([Float], [Float]) = ([2, 1, 0.5], [4, 3, 0])
        let start: [Float] = [0.2, 0.3, 0.5, 0.5, 0.9, 0.1]
        var pose = start
        var scratch = [Float](repeating: .nan, count: 2 * grid * grid + channels * (grid * grid + 16))
        owner.withUnsafeBufferPointer {
            hcq_read_joints(
                maps, height, width, joints, channels, box, margin, grid, scale, reach,
                withOwner ? $0.baseAddress : nil,
                &scratch, &pose)
        }
        var expected: [Double] = []
        for j in 0..<joints {
            var (sum, mx, my) = (0.0, 0.0, 0.0)
            for i in 0..<grid * grid {
                let (gx, gy) = ((Double(i % grid) + 0.5) / Double(grid), (Double(i / grid) + 0.5) / Double(grid))
                func place(_ g: Double, _ low: Float, _ high: Float, _ size: Int) -> Double {
                    (Double(low) + (1.5 * g - 0.25) * Double(high - low)) * Double(size) - 0.5
                }
                let (x, y) = (place(gx, box[0], box[2], width), place(gy, box[1], box[3], height))
                var read = [Double](repeating: 0, count: channels)
                for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let (px, py) = (Int(floor(x)) + dx, Int(floor(y)) + dy)
                    guard 0..<width ~= px, 0..<height ~= py else { continue }
                    let (fx, fy) = (x - floor(x), y - floor(y))
                    for c in 0..<channels {
                        read[c] +=
                            (dx == 1 ? fx : 1 - fx) * (dy == 1 ? fy : 1 - fy)
                            * Double(maps[(py * width + px) * channels + c])
                    }
                }
                // Where the owner's sides are, in units of the query's box, against 0, 0, 1, 1.
                var strangeness = 0.0
                for side in 0..<(withOwner ? 4 : 0) {
                    let (cells, size, g) =
                        side % 2 == 0 ? (width, box[2] - box[0], gx) : (height, box[3] - box[1], gy)
                    let told = 1.5 * g - 0.25 + 8 * read[joints + side] / (Double(cells) * Double(size))
                    strangeness += abs(told - (side < 2 ? 0 : 1)) / 4
                }
                let distance = pow(gx - Double(start[2 * j]), 2) + pow(gy - Double(start[2 * j + 1]), 2)
                let weight = exp(
                    Double(scale[j]) * read[j] - Double(reach[j]) * distance - Double(owner[j]) * min(strangeness, 1))
                (sum, mx, my) = (sum + weight, mx + weight * gx, my + weight * gy)
            }
            expected += [mx / sum, my / sum]
        }
        expectAll(pose, near: expected)
    }
}

import CKernels
import Foundation
import Scene
import Testing

@testable import Engine

/// Both deformable attentions' kernels against a plain bilinear definition in float64.
@Suite struct SamplingTests {
    private let size = PixelSize(width: 96, height: 64)

    /// One channel of a map at pixel position (x, y), zero outside.
    private func bilinear(_ value: (Int, Int) -> Double, _ width: Int, _ height: Int, _ x: Double, _ y: Double)
        -> Double
    {
        var sum = 0.0
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (px, py) = (Int(floor(x)) + dx, Int(floor(y)) + dy)
            guard 0..<width ~= px, 0..<height ~= py else { continue }
            let (fx, fy) = (x - floor(x), y - floor(y))
            sum += (dx == 1 ? fx : 1 - fx) * (dy == 1 ? fy : 1 - fy) * value(px, py)
        }
        return sum
    }

    private func softmax(_ x: [Double]) -> [Double] {
        let e = x.map { exp($0 - x.max()!) }
        return e.map { $0 / e.reduce(0, +) }
    }

    @Test(arguments: [(8, 4, 32), (2, 5, 16), (3, 1, 7), (1, 16, 33)])
    func encoderMatchesDefinition(heads: Int, points: Int, channels: Int) {
        let levels = SamplingGeometry.sizes(of: size)
        let total = levels.reduce(0) { $0 + $1.count }
        let (count, dim) = (heads * 3 * points, heads * channels)
        var noise = Noise(seed: 11)
        let values = noise.normal(total * dim)
        // Some points far outside.
        let projected = noise.normal(total * 3 * count, 4)
        let rows = noise.normal(levels.reduce(0) { $0 + $1.height } * 3 * count)
        let columns = noise.normal(levels.reduce(0) { $0 + $1.width } * 3 * count)
        let geometry = SamplingGeometry(size: size, heads: heads, points: points, channels: channels)
        var found = [Float](repeating: .nan, count: total * dim)
        var scratch = [Float](repeating: .nan, count: SamplingGeometry.scratch(heads: heads, points: points))
        for range in [0..<5, 5..<total] {
            found.withUnsafeMutableBufferPointer { y in
                projected.withUnsafeBufferPointer { p in
                    withExtendedLifetime(geometry) {
                        hcq_deform_encoder(
                            values, dim, geometry.pointer, p.baseAddress! + range.lowerBound * 3 * count, 3 * count,
                            rows,
                            columns, range.lowerBound, range.upperBound, &scratch,
                            y.baseAddress! + range.lowerBound * dim,
                            dim)
                    }
                }
            }
        }
        var expected: [Double] = []
        var start = 0
        var (rowStart, columnStart) = (0, 0)
        for level in levels {
            for token in 0..<level.count {
                let (row, column) = (token / level.width, token % level.width)
                func query(_ i: Int) -> Double {
                    Double(projected[(start + token) * 3 * count + i]) + Double(rows[(rowStart + row) * 3 * count + i])
                        + Double(columns[(columnStart + column) * 3 * count + i])
                }
                for head in 0..<heads {
                    let share = softmax((0..<3 * points).map { query(2 * count + head * 3 * points + $0) })
                    for c in 0..<channels {
                        var sum = 0.0
                        for (l, other) in levels.enumerated() {
                            let first = levels[0..<l].reduce(0) { $0 + $1.count }
                            for p in 0..<points {
                                let i = (head * 3 + l) * points + p
                                let x =
                                    (Double(column) + 0.5) / Double(level.width) * Double(other.width) + query(2 * i)
                                    - 0.5
                                let y =
                                    (Double(row) + 0.5) / Double(level.height) * Double(other.height) + query(2 * i + 1)
                                    - 0.5
                                sum +=
                                    share[l * points + p]
                                    * bilinear(
                                        { Double(values[(first + $1 * other.width + $0) * dim + head * channels + c]) },
                                        other.width, other.height, x, y)
                            }
                        }
                        expected.append(sum)
                    }
                }
            }
            start += level.count
            rowStart += level.height
            columnStart += level.width
        }
        expectAll(found, near: expected, relative: 1e-3, absolute: 1e-4)
    }

    @Test(arguments: [(8, 4, 2), (4, 8, 4), (2, 4, 0), (1, 2, 1)])
    func queriesMatchDefinition(heads: Int, points: Int, jointPoints: Int) {
        let levels = SamplingGeometry.sizes(of: size)
        let total = levels.reduce(0) { $0 + $1.count }
        let (queries, dim, count) = (9, 8 * heads, heads * 3 * points)
        let offsets = points - jointPoints
        let width = heads * 3 * offsets * 2 + count
        var noise = Noise(seed: 12)
        let (tokens, projected) = (noise.normal(total * dim), noise.normal(queries * width, 2))
        let joints = noise.floats(queries * 2 * (1 + heads * max(jointPoints, 1))).map { $0 * 0.7 + 0.5 }
        let keys = noise.floats(queries * 6).map { $0 * 0.5 + 0.5 }
        let jointWidth = joints.count / queries
        let geometry = SamplingGeometry(size: size, heads: heads, points: points, channels: 8)
        var found = [Float](repeating: .nan, count: queries * heads * dim)
        var share = [Float](repeating: .nan, count: queries * heads)
        var scratch = [Float](repeating: .nan, count: SamplingGeometry.scratch(heads: heads, points: points))
        withExtendedLifetime(geometry) {
            hcq_deform_queries(
                tokens, dim, geometry.pointer, projected, width, jointPoints, keys, 6, joints, jointWidth, 0, queries,
                &scratch, &found, &share)
        }
        var (expected, expectedShare): ([Double], [Double]) = ([], [])
        for q in 0..<queries {
            let row = projected[q * width..<(q + 1) * width].map(Double.init)
            let center = (
                (Double(keys[q * 6]) + Double(keys[q * 6 + 2])) / 2,
                (Double(keys[q * 6 + 1]) + Double(keys[q * 6 + 3])) / 2
            )
            for head in 0..<heads {
                let weights = softmax((0..<3 * points).map { row[heads * 3 * offsets * 2 + head * 3 * points + $0] })
                func sampled(_ value: (Int, Int, Int) -> Double) -> Double {
                    var sum = 0.0
                    for (l, level) in levels.enumerated() {
                        let first = levels[0..<l].reduce(0) { $0 + $1.count }
                        for p in 0..<points {
                            var (x, y) = center
                            if p < jointPoints {
                                let joint = q * jointWidth + 2 * (1 + head * jointPoints + p)
                                (x, y) = (Double(joints[joint]), Double(joints[joint + 1]))
                            } else {
                                let at = ((head * 3 + l) * offsets + p - jointPoints) * 2
                                x += row[at] / Double(level.width)
                                y += row[at + 1] / Double(level.height)
                            }
                            sum +=
                                weights[l * points + p]
                                * bilinear(
                                    { value(first, $1 * level.width + $0, l) }, level.width, level.height,
                                    x * Double(level.width) - 0.5, y * Double(level.height) - 0.5)
                        }
                    }
                    return sum
                }
                for c in 0..<dim {
                    expected.append(sampled { first, place, _ in Double(tokens[(first + place) * dim + c]) })
                }
                expectedShare.append(sampled { _, _, _ in 1 })
            }
        }
        expectAll(found, near: expected, relative: 1e-3, absolute: 1e-4)
        expectAll(share, near: expectedShare, relative: 1e-3, absolute: 1e-4)
    }

    /// Offsets that are no numbers or beyond every integer must not lead outside the maps.
    @Test(arguments: [Float.nan, .infinity, -.infinity, 1e30, -3e38])
    func wildOffsetsStayInside(wild: Float) {
        let total = SamplingGeometry.sizes(of: size).reduce(0) { $0 + $1.count }
        let geometry = SamplingGeometry(size: size, heads: 2, points: 2, channels: 16)
        let count = 12
        var y = [Float](repeating: 0, count: total * 32)
        var scratch = [Float](repeating: 0, count: 11 * count)
        withExtendedLifetime(geometry) {
            hcq_deform_encoder(
                [Float](repeating: 1, count: total * 32), 32, geometry.pointer,
                [Float](repeating: wild, count: total * 3 * count), 3 * count,
                [Float](repeating: 0, count: 14 * 3 * count),
                [Float](repeating: 0, count: 21 * 3 * count), 0, total, &scratch, &y, 32)
        }
        #expect(y.count == total * 32)
    }
}

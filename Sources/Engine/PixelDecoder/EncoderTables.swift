internal import Glibc
internal import Scene

/// What position does to the encoder's offsets and weights, for one size of input.
///
/// The query is token + position, and a linear layer of a sum is a sum. The 2-D sine code has one half for y and one for x,
/// so the position's share is a row's vector plus a column's vector: two small tables instead of a map of positions.
final class EncoderTables: Sendable {
    let geometry: SamplingGeometry
    /// Of every layer: `[sum of heights, 3 points]` with the bias and the level's embedding, and `[sum of widths, 3 points]`.
    let rows: [Tensor]
    let columns: [Tensor]
    private let memory = WeightMemory()

    init(_ decoder: PixelDecoder, size: PixelSize) {
        let dim = decoder.levelEmbedding.columns
        geometry = SamplingGeometry(
            size: size, heads: decoder.heads, points: decoder.points, channels: dim / decoder.heads)
        var rowCodes: [Float] = []
        var columnCodes: [Float] = []
        let zeros = [Float](repeating: 0, count: dim / 2)
        for (level, sides) in SamplingGeometry.sizes(of: size).enumerated() {
            let embedding = UnsafeBufferPointer(start: decoder.levelEmbedding.row(level), count: dim)
            for y in 0..<sides.height {
                rowCodes += zip(Self.sine(y, of: sides.height, dim / 2) + zeros, embedding).map { $0 + $1 }
            }
            for x in 0..<sides.width { columnCodes += zeros + Self.sine(x, of: sides.width, dim / 2) }
        }
        let rowCode = memory.keep(rowCodes, rows: rowCodes.count / dim, columns: dim)
        let columnCode = memory.keep(columnCodes, rows: columnCodes.count / dim, columns: dim)
        var (rows, columns): ([Tensor], [Tensor]) = ([], [])
        for layer in decoder.layers {
            let query = layer.query
            let row = memory.keep(
                [Float](repeating: 0, count: rowCode.rows * query.outputs), rows: rowCode.rows, columns: query.outputs)
            let column = memory.keep(
                [Float](repeating: 0, count: columnCode.rows * query.outputs), rows: columnCode.rows,
                columns: query.outputs)
            query.apply(rowCode, into: row)
            query.withoutBias.apply(columnCode, into: column)
            rows.append(row)
            columns.append(column)
        }
        (self.rows, self.columns) = (rows, columns)
    }

    /// Position (i + 1) / (count + 1e-6) * 2 pi, frequencies 10000^(-2 floor(k / 2) / dim), sin at even k, cos at odd k.
    private static func sine(_ i: Int, of count: Int, _ dim: Int) -> [Float] {
        let position = Double(i + 1) / (Double(count) + 1e-6) * 2 * Double.pi
        return (0..<dim).map { k in
            let angle = position / pow(10_000, Double(k / 2 * 2) / Double(dim))
            return Float(k % 2 == 0 ? sin(angle) : cos(angle))
        }
    }
}

internal import CKernels

/// A linear layer with whatever follows it element by element: `y = activation(x Wᵀ + bias)`.
///
/// Twin: `torch.nn.Linear`.
struct Linear: Sendable {
    /// `[outputs, inputs]`.
    let weight: Tensor
    /// `[1, outputs]`.
    let bias: Tensor?

    var inputs: Int { weight.columns }
    var outputs: Int { weight.rows }

    init(weight: Tensor, bias: Tensor?) {
        self.weight = weight
        self.bias = bias
    }

    init(_ weights: Weights, inputs: Int, outputs: Int, hasBias: Bool = true, start: Start? = nil) throws(EngineError) {
        let bound = (6 / Float(inputs + outputs)).squareRoot()
        weight = try weights.matrix("weight", outputs, inputs, start ?? .uniform(bound))
        bias = hasBias ? try weights.vector("bias", outputs, .zeros) : nil
    }

    /// Several layers that read the same input, as one.
    init(_ weights: [(Weights, outputs: Int)], inputs: Int) throws(EngineError) {
        var matrix: [Float] = []
        var vector: [Float] = []
        for (weights, outputs) in weights {
            let bound = (6 / Float(inputs + outputs)).squareRoot()
            matrix += try weights.values("weight", [outputs, inputs], .uniform(bound))
            vector += try weights.values("bias", [outputs], .zeros)
        }
        let memory = weights[0].0.memory
        weight = memory.keep(matrix, rows: vector.count, columns: inputs)
        bias = memory.keep(vector, rows: 1, columns: vector.count)
    }

    /// - Parameters:
    ///   - x: `[n, inputs]`.
    ///   - y: `[n, outputs]`; overwritten, or what the product is added to when `accumulating`. Not `x`.
    func callAsFunction(
        _ x: Tensor, into y: Tensor, _ activation: Activation = .none, accumulating: Bool = false, using pass: Pass
    ) {
        precondition(x.columns == inputs && y.columns == outputs && x.rows == y.rows)
        pass.books.count(macs: x.rows * inputs * outputs)
        let (tileRows, tileColumns) = Self.tile(rows: x.rows, columns: outputs)
        let acrossColumns = (outputs + tileColumns - 1) / tileColumns
        pass.run((x.rows + tileRows - 1) / tileRows * acrossColumns) { tile, _ in
            let first = tile / acrossColumns * tileRows
            let column = tile % acrossColumns * tileColumns
            apply(
                x.rows(first..<min(first + tileRows, x.rows)), into: y.rows(first..<min(first + tileRows, x.rows)),
                columns: column..<min(column + tileColumns, outputs), activation, accumulating: accumulating)
        }
    }

    /// On the caller's thread, for some of the outputs.
    func apply(
        _ x: Tensor, into y: Tensor, columns: Range<Int>? = nil, _ activation: Activation = .none,
        accumulating: Bool = false
    ) {
        let columns = columns ?? 0..<outputs
        BLAS.multiply(
            rows: x.rows, columns: columns.count, depth: inputs, x.data, x.stride,
            transposed: weight.data + columns.lowerBound * inputs, inputs, into: y.data + columns.lowerBound, y.stride,
            accumulating: accumulating)
        hcq_epilogue(
            y.data + columns.lowerBound, y.stride, y.rows, columns.count, bias.map { $0.data + columns.lowerBound }, nil,
            0, activation.rawValue)
    }

    /// How a product is cut: by its shape alone.
    static func tile(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
        let tileRows = min(rows, 128)
        let bands = (rows + tileRows - 1) / tileRows
        // A dozen tiles keep four cores busy; narrower ones cost more than they win.
        let wanted = max(1, 16 / bands)
        let tileColumns = max(64, ((columns + wanted - 1) / wanted + 31) / 32 * 32)
        return (tileRows, min(columns, tileColumns))
    }
}

/// Three linear layers with ReLU between them (Eq. 3). Twin: `hcqnet/layers.py`, `MLP`.
struct MLP: Sendable {
    let first: Linear
    let second: Linear
    let third: Linear

    init(_ weights: Weights, inputs: Int, hidden: Int, outputs: Int, lastStart: Start? = nil) throws(EngineError) {
        first = try Linear(weights["layers"][0], inputs: inputs, outputs: hidden)
        second = try Linear(weights["layers"][1], inputs: hidden, outputs: hidden)
        third = try Linear(weights["layers"][2], inputs: hidden, outputs: outputs, start: lastStart)
    }

    /// - Parameters:
    ///   - x: `[n, inputs]`.
    ///   - hidden: `[n, hidden]`; overwritten with what the last layer reads.
    ///   - y: `[n, outputs]`; overwritten.
    func callAsFunction(_ x: Tensor, hidden: Tensor, into y: Tensor, using pass: Pass) {
        pass.scope {
            let inner = pass.tensor(x.rows, first.outputs)
            first(x, into: inner, .relu, using: pass)
            second(inner, into: hidden, .relu, using: pass)
        }
        third(hidden, into: y, using: pass)
    }

    func callAsFunction(_ x: Tensor, into y: Tensor, using pass: Pass) {
        pass.scope { self(x, hidden: pass.tensor(x.rows, second.outputs), into: y, using: pass) }
    }
}

internal import CKernels

/// A linear layer with whatever follows it element by element: `y = activation(x Wᵀ + bias)`.
///
/// Twin: `torch.nn.Linear`.
struct Linear: @unchecked Sendable {
    let inputs: Int
    let outputs: Int
    /// The weights as `hcq_gemm` wants them.
    let packed: UnsafePointer<Float>
    /// `[1, outputs]`.
    let bias: Tensor?

    private init(inputs: Int, outputs: Int, packed: UnsafePointer<Float>, bias: Tensor?) {
        (self.inputs, self.outputs, self.packed, self.bias) = (inputs, outputs, packed, bias)
    }

    /// - Parameter weight: `[outputs, inputs]`.
    init(_ weight: [Float], bias: [Float]?, inputs: Int, keptIn memory: WeightMemory) {
        (self.inputs, outputs) = (inputs, weight.count / inputs)
        self.bias = bias.map { memory.keep($0, rows: 1, columns: $0.count) }
        var size = 0
        hcq_gemm_size(outputs, inputs, &size)
        let room = memory.room(for: size)
        hcq_gemm_pack(weight, inputs, outputs, inputs, room)
        packed = UnsafePointer(room)
    }

    init(_ weights: Weights, inputs: Int, outputs: Int, hasBias: Bool = true, start: Start? = nil) throws(EngineError) {
        let bound = (6 / Float(inputs + outputs)).squareRoot()
        self.init(
            try weights.values("weight", [outputs, inputs], start ?? .uniform(bound)),
            bias: hasBias ? try weights.values("bias", [outputs], .zeros) : nil, inputs: inputs, keptIn: weights.memory)
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
        self.init(matrix, bias: vector, inputs: inputs, keptIn: weights[0].0.memory)
    }

    /// The same product, nothing added.
    var withoutBias: Linear { Linear(inputs: inputs, outputs: outputs, packed: packed, bias: nil) }

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

    /// On the caller's thread, for some of the outputs: whole panels, that is, from a multiple of 32 on.
    func apply(
        _ x: Tensor, into y: Tensor, columns: Range<Int>? = nil, _ activation: Activation = .none,
        accumulating: Bool = false
    ) {
        let columns = columns ?? 0..<outputs
        var product = hcq_product()
        (product.x, product.ldx) = (UnsafePointer(x.data), x.stride)
        (product.columns, product.depth, product.packed) = (outputs, inputs, packed)
        product.bias = bias.map { UnsafePointer($0.data) }
        if accumulating { (product.residual, product.ldr) = (UnsafePointer(y.data), y.stride) }
        (product.y, product.ldy, product.activation) = (y.data, y.stride, activation.rawValue)
        hcq_gemm(&product, 0, x.rows, columns.lowerBound, columns.upperBound)
    }

    /// How a product is cut: by its shape alone.
    static func tile(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
        let tileRows = min(rows, 112)
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

internal import CKernels

/// A linear layer with whatever follows it element by element: `y = activation(x Wᵀ + bias)`.
///
/// Twin: `torch.nn.Linear`.
struct Linear: @unchecked Sendable {
    private enum Form {
        /// As `hcq_gemm` wants them.
        case float(UnsafePointer<Float>)
        case int8(IntegerWeights)
    }

    let inputs: Int
    let outputs: Int
    private let form: Form
    /// `[1, outputs]`.
    let bias: Tensor?
    /// Watches the input while a network is calibrated.
    let watched: InputRange?

    private init(_ other: Linear, bias: Tensor?) {
        (inputs, outputs, form, watched) = (other.inputs, other.outputs, other.form, other.watched)
        self.bias = bias
    }

    /// - Parameters:
    ///   - weight: `[outputs, inputs]`.
    ///   - input: for int8; nil keeps the weights in float32.
    init(
        _ weight: [Float], bias: [Float]?, inputs: Int, keptIn memory: WeightMemory, input: ByteScale? = nil,
        watched: InputRange? = nil
    ) {
        (self.inputs, outputs, self.watched) = (inputs, weight.count / inputs, watched)
        self.bias = bias.map { memory.keep($0, rows: 1, columns: $0.count) }
        if let input, inputs <= HCQ_PRODUCT8_MAX_DEPTH {
            form = .int8(IntegerWeights(weight, bias: bias, outputs: outputs, input: input, keptIn: memory))
            return
        }
        var size = 0
        hcq_gemm_size(outputs, inputs, &size)
        let room = memory.room(for: size)
        hcq_gemm_pack(weight, inputs, outputs, inputs, room)
        form = .float(UnsafePointer(room))
    }

    init(_ weights: Weights, inputs: Int, outputs: Int, hasBias: Bool = true, start: Start? = nil) throws(EngineError) {
        let bound = (6 / Float(inputs + outputs)).squareRoot()
        self.init(
            try weights.values("weight", [outputs, inputs], start ?? .uniform(bound)),
            bias: hasBias ? try weights.values("bias", [outputs], .zeros) : nil, inputs: inputs, keptIn: weights.memory,
            input: try weights.inputScale(), watched: weights.watch())
    }

    /// Several layers that read the same input, as one.
    init(_ weights: [(Weights, outputs: Int)], inputs: Int) throws(EngineError) {
        var matrix: [Float] = []
        var vector: [Float] = []
        var scales: [ByteScale?] = []
        let watched = weights[0].0.watch()
        for (weights, outputs) in weights {
            let bound = (6 / Float(inputs + outputs)).squareRoot()
            matrix += try weights.values("weight", [outputs, inputs], .uniform(bound))
            vector += try weights.values("bias", [outputs], .zeros)
            scales.append(try weights.inputScale())
            weights.watch(with: watched)
        }
        // They stay together only as equals.
        let input = scales.dropFirst().allSatisfy { $0 == scales[0] } ? scales[0] : nil
        self.init(matrix, bias: vector, inputs: inputs, keptIn: weights[0].0.memory, input: input, watched: watched)
    }

    /// The same product, nothing added.
    var withoutBias: Linear { Linear(self, bias: nil) }

    /// Whether it multiplies 8-bit integers.
    var isInteger: Bool {
        if case .int8 = form { return true }
        return false
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

    /// On the caller's thread, for some of the outputs: whole panels, that is, from a multiple of 32 on.
    func apply(
        _ x: Tensor, into y: Tensor, columns: Range<Int>? = nil, _ activation: Activation = .none,
        accumulating: Bool = false
    ) {
        watched?.observe(x)
        product(x, into: y, activation, accumulating: accumulating).compute(
            rows: 0..<x.rows, columns: columns ?? 0..<outputs)
    }

    func product(_ x: Tensor, into y: Tensor, _ activation: Activation, accumulating: Bool) -> Product {
        switch form {
        case .float(let packed):
            var facts = hcq_product()
            (facts.x, facts.ldx) = (UnsafePointer(x.data), x.stride)
            (facts.columns, facts.depth, facts.packed) = (outputs, inputs, packed)
            facts.bias = bias.map { UnsafePointer($0.data) }
            if accumulating { (facts.residual, facts.ldr) = (UnsafePointer(y.data), y.stride) }
            (facts.y, facts.ldy, facts.activation) = (y.data, y.stride, activation.rawValue)
            return .float(facts)
        case .int8(let weights):
            var facts = hcq_product8()
            (facts.x, facts.ldx) = (UnsafeRawPointer(x.data), x.stride)
            (facts.x_inverse, facts.x_zero) = (1 / weights.input.step, weights.input.zero)
            (facts.columns, facts.depth, facts.packed) = (outputs, inputs, weights.packed)
            (facts.scale, facts.bias) = (weights.scale, bias == nil ? weights.correction : weights.bias)
            if accumulating {
                (facts.residual_kind, facts.residual, facts.ldr) = (1, UnsafeRawPointer(y.data), y.stride)
            }
            (facts.y, facts.ldy, facts.activation) = (UnsafeMutableRawPointer(y.data), y.stride, activation.rawValue)
            return .int8(facts)
        }
    }

    /// How a product is cut: by its shape alone.
    static func tile(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
        // Some thirty tiles let the cores end together; a small product is cut as finely as pays.
        let isSmall = (rows + 111) / 112 * ((columns + 63) / 64) < 8
        let tileRows = min(rows, isSmall ? 28 : 112)
        let bands = (rows + tileRows - 1) / tileRows
        let wanted = max(1, 32 / bands)
        let tileColumns = max(64, ((columns + wanted - 1) / wanted + 31) / 32 * 32)
        return (tileRows, min(columns, tileColumns))
    }

    /// Rows of a tile where all columns are computed together with what comes before or after: whole register tiles.
    static func tileRows(_ rows: Int) -> Int { min(112, max(14, rows / 32 / 14 * 14)) }
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

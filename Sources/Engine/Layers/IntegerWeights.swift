internal import CKernels

/// How floats become bytes: byte `q` stands for `(q - zero) * step`.
struct ByteScale: Equatable, Sendable {
    let step: Float
    /// The byte that means 0; 0...255.
    let zero: Int32

    /// The scale that covers `low...high` and 0.
    init(covering low: Float, _ high: Float) {
        let (low, high) = (min(low, 0), max(high, 0))
        step = max((high - low) / 255, .leastNormalMagnitude)
        zero = min(max(Int32((-low / step).rounded()), 0), 255)
    }

    init(step: Float, zero: Int32) { (self.step, self.zero) = (step, zero) }
}

/// A linear layer's weights as 8-bit integers with a step for each output, and the scale of its input.
///
/// `y = step_x * step_w[o] * (sum of q_x q_w - zero * sum of q_w) + bias[o]`; the sums are exact.
struct IntegerWeights: @unchecked Sendable {
    let packed: UnsafeRawPointer
    let input: ByteScale
    /// `step_x * step_w`, one for each output.
    let scale: UnsafePointer<Float>
    /// What the input's zero adds, one for each output, without and with the layer's bias.
    let correction: UnsafePointer<Float>
    let bias: UnsafePointer<Float>

    /// - Parameter weight: `[outputs, inputs]`.
    init(_ weight: [Float], bias: [Float]?, outputs: Int, input: ByteScale, keptIn memory: WeightMemory) {
        let depth = weight.count / outputs
        self.input = input
        let (integers, steps) = Self.quantize(weight, outputs: outputs)
        let room = memory.room(for: (hcq_product8_size(outputs, depth) + 3) / 4)
        hcq_product8_pack(integers, outputs, depth, room)
        packed = UnsafeRawPointer(room)
        let (scale, correction, whole) = (
            memory.room(for: outputs), memory.room(for: outputs), memory.room(for: outputs)
        )
        for o in 0..<outputs {
            var sum = 0
            for i in o * depth..<(o + 1) * depth { sum += Int(integers[i]) }
            scale[o] = input.step * steps[o]
            correction[o] = -scale[o] * Float(Int(input.zero) * sum)
            whole[o] = correction[o] + (bias?[o] ?? 0)
        }
        (self.scale, self.correction, self.bias) = (
            UnsafePointer(scale), UnsafePointer(correction), UnsafePointer(whole)
        )
    }

    /// Whole numbers -127...127 and a step for each output, so that the largest weight of an output is 127 steps.
    static func quantize(_ weight: [Float], outputs: Int) -> (integers: [Int8], steps: [Float]) {
        let depth = weight.count / outputs
        var integers = [Int8](repeating: 0, count: weight.count)
        var steps = [Float](repeating: 0, count: outputs)
        for o in 0..<outputs {
            let row = o * depth..<(o + 1) * depth
            let largest = row.reduce(Float(0)) { max($0, abs(weight[$1])) }
            if largest == 0 { continue }
            steps[o] = largest / 127
            for i in row { integers[i] = Int8(min(max((weight[i] / steps[o]).rounded(), -127), 127)) }
        }
        return (integers, steps)
    }
}

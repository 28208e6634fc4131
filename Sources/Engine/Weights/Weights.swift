internal import Glibc

/// What fills a tensor of a new network.
enum Start: Sendable {
    case zeros
    case ones
    /// Uniform in -bound...bound.
    case uniform(Float)
    /// These numbers, over and over.
    case values([Float])
}

/// Where a network's tensors come from: a file, or a seed.
protocol TensorSource: AnyObject {
    /// The numbers of a tensor, row after row.
    func values(_ name: String, shape: [Int], start: Start) throws(EngineError) -> [Float]
    /// Whether an optional tensor is there.
    func has(_ name: String) -> Bool
    /// Whether layers may be in int8.
    var isInteger: Bool { get }
}

extension TensorSource {
    var isInteger: Bool { false }
}

/// The memory of a network's weights; lives as long as the network.
final class WeightMemory: @unchecked Sendable {
    private var blocks: [UnsafeMutableRawPointer] = []
    /// Trained numbers that were read: not BatchNorm's statistics.
    var parameters = 0
    /// Set while a network is loaded to be calibrated.
    var watch: InputWatch?

    /// A copy that stays where it is.
    func keep(_ values: [Float], rows: Int, columns: Int) -> Tensor {
        precondition(values.count == rows * columns)
        let data = room(for: values.count)
        values.withUnsafeBufferPointer { buffer in
            if let start = buffer.baseAddress { data.update(from: start, count: values.count) }
        }
        return Tensor(data, rows: rows, columns: columns)
    }

    /// Memory of so many floats that stays where it is.
    func room(for count: Int) -> UnsafeMutablePointer<Float> {
        guard let memory = aligned_alloc(64, (max(count, 1) * 4 + 63) / 64 * 64) else {
            preconditionFailure("no memory for weights")
        }
        blocks.append(memory)
        return memory.bindMemory(to: Float.self, capacity: count)
    }

    /// A copy of whole numbers that stays where it is.
    func keep(_ values: [Int32]) -> UnsafePointer<Int32> {
        let memory = UnsafeMutablePointer<Int32>.allocate(capacity: max(values.count, 1))
        memory.initialize(from: values, count: values.count)
        blocks.append(UnsafeMutableRawPointer(memory))
        return UnsafePointer(memory)
    }

    deinit {
        for block in blocks { free(block) }
    }
}

/// The tensors under one name: `weights["decoder"]["norm"].vector("weight", 256)` reads `decoder.norm.weight`.
struct Weights {
    let source: any TensorSource
    let memory: WeightMemory
    var path = ""

    subscript(name: String) -> Weights {
        var inner = self
        inner.path = path.isEmpty ? name : path + "." + name
        return inner
    }

    subscript(index: Int) -> Weights { self["\(index)"] }

    func has(_ name: String) -> Bool { source.has(self[name].path) }

    /// The numbers themselves, for what is computed while loading.
    func values(
        _ name: String, _ shape: [Int], _ start: Start, isParameter: Bool = true
    ) throws(EngineError) -> [Float] {
        if isParameter { memory.parameters += shape.reduce(1, *) }
        return try source.values(self[name].path, shape: shape, start: start)
    }

    /// How the input of the layer at this path becomes bytes; nil for a layer in float32.
    func inputScale() throws(EngineError) -> ByteScale? {
        guard source.isInteger, has("input_scale") else { return nil }
        let values = try source.values(self["input_scale"].path, shape: [2], start: .zeros)
        guard values[0] > 0, 0...255 ~= values[1] else {
            throw .wrongInput(
                reason: "tensor '\(self["input_scale"].path)' is \(values), expected a step and a zero of 0...255")
        }
        return ByteScale(step: values[0], zero: Int32(values[1]))
    }

    /// What watches the input of the layer at this path, while a network is calibrated.
    func watch() -> InputRange? { memory.watch?.range(path) }

    /// The layer at this path reads what `range` watches.
    func watch(with range: InputRange?) {
        if let range { memory.watch?.share(range, with: path) }
    }

    /// A matrix that is used as it is stored.
    func matrix(_ name: String, _ rows: Int, _ columns: Int, _ start: Start) throws(EngineError) -> Tensor {
        memory.keep(try values(name, [rows, columns], start), rows: rows, columns: columns)
    }

    /// A vector, as one row.
    func vector(_ name: String, _ count: Int, _ start: Start) throws(EngineError) -> Tensor {
        memory.keep(try values(name, [count], start), rows: 1, columns: count)
    }
}

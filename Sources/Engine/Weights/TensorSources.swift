/// Tensors of a weight file, each to be used once.
final class FileTensors: TensorSource {
    private let file: SafetensorsFile
    private var unused: Set<String>

    init(_ file: SafetensorsFile) {
        self.file = file
        unused = Set(file.entries.keys)
    }

    func has(_ name: String) -> Bool { file.entries[name] != nil }

    func values(_ name: String, shape: [Int], start: Start) throws(EngineError) -> [Float] {
        guard let entry = file.entries[name] else { throw .missingTensor(name: name, shape: shape) }
        guard entry.shape == shape else { throw .wrongShape(name: name, found: entry.shape, expected: shape) }
        let stored = entry.type == "I8" ? try dequantized(name, outputs: shape[0]) : try file.values(name)
        guard let values = stored else { throw .missingTensor(name: name, shape: shape) }
        guard values.allSatisfy(\.isFinite) else { throw .notFinite(name: name) }
        unused.remove(name)
        file.forget(name)
        return values
    }

    var isInteger: Bool { file.metadata["precision"] == "int8" }

    /// Whole numbers times the step of their output.
    private func dequantized(_ name: String, outputs: Int) throws(EngineError) -> [Float] {
        let steps = try values(name + "_step", shape: [outputs], start: .zeros)
        guard let integers = file.integers(name) else { throw .wrongType(name: name, found: "I8") }
        let depth = integers.count / max(outputs, 1)
        return integers.indices.map { Float(integers[$0]) * steps[$0 / depth] }
    }

    /// - Throws: when the network left tensors alone.
    func refuseUnused() throws(EngineError) {
        if !unused.isEmpty { throw .unusedTensors(names: unused.sorted()) }
    }
}

/// Tensors of a new network, drawn in the order in which they are asked for.
final class SeededTensors: TensorSource {
    private var state: UInt64
    private(set) var tensors: [NamedTensor] = []

    init(seed: UInt64) { state = seed }

    func has(_ name: String) -> Bool { true }

    func values(_ name: String, shape: [Int], start: Start) -> [Float] {
        let count = shape.reduce(1, *)
        let values: [Float] =
            switch start {
            case .zeros: [Float](repeating: 0, count: count)
            case .ones: [Float](repeating: 1, count: count)
            case .values(let pattern): (0..<count).map { pattern[$0 % pattern.count] }
            case .uniform(let bound): (0..<count).map { _ in (2 * unit() - 1) * bound }
            }
        tensors.append(NamedTensor(name, shape, values))
        return values
    }

    /// Uniform in 0..<1, 24 bits of SplitMix64 (Steele et al. 2014).
    private func unit() -> Float {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Float((z ^ (z >> 31)) >> 40) * 0x1p-24
    }
}

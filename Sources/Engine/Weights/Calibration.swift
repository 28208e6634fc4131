internal import Glibc
public import Scene
internal import Synchronization

/// The numbers that a layer reads while a network is calibrated: the mean over pictures of the least and the largest.
final class InputRange: Sendable {
    private struct State {
        var low: Float = 0, high: Float = 0
        var lowSum = 0.0, highSum = 0.0
        var pictures = 0
    }
    private let state = Mutex(State())

    /// Called for parts of the input, on any thread.
    func observe(_ x: Tensor) {
        var (low, high) = (Float(0), Float(0))
        for row in 0..<x.rows {
            let values = x.row(row)
            for c in 0..<x.columns {
                low = min(low, values[c])
                high = max(high, values[c])
            }
        }
        state.withLock { [low, high] in
            $0.low = min($0.low, low)
            $0.high = max($0.high, high)
        }
    }

    func endPicture() {
        state.withLock {
            $0.lowSum += Double($0.low)
            $0.highSum += Double($0.high)
            $0.pictures += 1
            ($0.low, $0.high) = (0, 0)
        }
    }

    /// nil for a layer that read nothing but zeros.
    var scale: ByteScale? {
        state.withLock {
            guard $0.pictures > 0, $0.highSum > 0 || $0.lowSum < 0 else { return nil }
            let count = Double($0.pictures)
            return ByteScale(covering: Float($0.lowSum / count), Float($0.highSum / count))
        }
    }
}

/// Which layers of a network are watched, by name.
final class InputWatch {
    /// Names begin with one of these, or hold one of `keptParts`: these layers stay in float32. Heads and codes of keypoints
    /// are small and what they say is exact to a pixel; excitations see one vector.
    static let keptPrefixes = [
        "tower.", "heads.", "decoder.pos_mlp", "proposals.", "pixel_decoder.joint_maps",
        "pixel_decoder.tower.joint_maps",
        "pixel_decoder.mask_features",
    ]
    static let keptParts = ["_se.", ".se."]
    private let kept: [String]
    private(set) var ranges: [String: InputRange] = [:]

    init(keeping prefixes: [String]) { kept = Self.keptPrefixes + prefixes }

    /// nil for a layer that stays in float32.
    func range(_ name: String) -> InputRange? {
        if kept.contains(where: name.hasPrefix) || Self.keptParts.contains(where: name.contains) { return nil }
        let range = ranges[name] ?? InputRange()
        ranges[name] = range
        return range
    }

    /// Another layer that reads what `range` watches.
    func share(_ range: InputRange, with name: String) { ranges[name] = range }
}

/// Makes the int8 form of a network: its layers' inputs are watched over some pictures, then it is written anew with 8-bit
/// weights, a step for each output, and a scale of each such layer's input.
public final class Calibration {
    public let network: HCQNet
    private let path: String
    private let watch: InputWatch
    /// Pictures seen so far.
    public private(set) var pictures = 0

    /// - Parameters:
    ///   - path: a float weight file.
    ///   - prefixes: beginnings of the names of layers that stay in float32.
    /// - Throws: as `HCQNet.init`.
    public init(contentsOf path: String, keeping prefixes: [String] = []) throws(EngineError) {
        self.path = path
        watch = InputWatch(keeping: prefixes)
        network = try HCQNet(contentsOf: path, watch: watch)
        if network.isInteger { throw .wrongInput(reason: "\(path) is an int8 model already, expected a float one") }
    }

    /// Runs the network on a picture and takes note.
    public func observe(_ frame: Frame, using workspace: Workspace) {
        _ = network(frame, using: workspace)
        for range in Set(watch.ranges.values.map(ObjectIdentifier.init)) {
            watch.ranges.values.first { ObjectIdentifier($0) == range }?.endPicture()
        }
        pictures += 1
    }

    /// Writes the int8 model.
    /// - Returns: how many layers became int8 and how many tensors stayed as they were.
    /// - Throws: `unreadable` when it cannot be written.
    public func write(to output: String) throws(EngineError) -> (layers: Int, kept: Int) {
        precondition(pictures > 0, "a calibration needs a picture")
        let file = try SafetensorsFile(path: path)
        var tensors: [NamedTensor] = []
        var layers = 0
        for (name, entry) in file.entries.sorted(by: { $0.key < $1.key }) {
            guard let values = try file.values(name) else { continue }
            guard name.hasSuffix(".weight"), let scale = watch.ranges[String(name.dropLast(7))]?.scale else {
                tensors.append(NamedTensor(name, entry.shape, values))
                continue
            }
            let outputs = entry.shape[0]
            let (integers, steps) = IntegerWeights.quantize(values, outputs: outputs)
            tensors.append(NamedTensor(name, entry.shape, integers: integers))
            tensors.append(NamedTensor(name + "_step", [outputs], steps))
            tensors.append(NamedTensor(String(name.dropLast(6)) + "input_scale", [2], [scale.step, Float(scale.zero)]))
            layers += 1
        }
        var metadata = file.metadata
        metadata["precision"] = "int8"
        try SafetensorsFile.write(tensors, metadata: metadata, to: output)
        return (layers, tensors.count - 3 * layers)
    }
}

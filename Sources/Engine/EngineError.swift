/// Why a network could not be loaded or fed.
public enum EngineError: Error, Equatable {
    /// The file cannot be opened, read or written.
    case unreadable(path: String, reason: String)
    /// The file is no safetensors file.
    case malformed(path: String, reason: String)
    /// `__metadata__` lacks a key, or says something else than this engine reads.
    case wrongMetadata(key: String, found: String?, expected: String)
    /// A field that the configuration does not know.
    case unknownField(name: String, nearest: String?)
    /// A field whose value makes no network.
    case wrongField(name: String, found: String, expected: String)
    /// The configuration is no JSON object.
    case notJSON(reason: String)
    /// The weight file lacks a tensor.
    case missingTensor(name: String, shape: [Int])
    /// The weight file has tensors that this configuration does not use.
    case unusedTensors(names: [String])
    /// The weight file has a tensor of this name with another shape.
    case wrongShape(name: String, found: [Int], expected: [Int])
    /// A tensor is stored in a type that is none of F32, F16 and BF16.
    case wrongType(name: String, found: String)
    /// A tensor holds infinities or values that are no numbers.
    case notFinite(name: String)
    /// The input picture does not fit.
    case wrongInput(reason: String)
}

extension EngineError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .malformed(let path, let reason): "\(path): not a readable safetensors file: \(reason)"
        case .wrongMetadata(let key, let found, let expected):
            "weights: metadata '\(key)' is \(found.map { "'\($0)'" } ?? "missing"), expected \(expected)"
        case .unknownField(let name, let nearest):
            "config: unknown field '\(name)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "")
        case .wrongField(let name, let found, let expected): "config: \(name) is \(found), expected \(expected)"
        case .notJSON(let reason): "config: not a JSON object: \(reason)"
        case .missingTensor(let name, let shape): "weights: tensor '\(name)' of shape \(shape) is missing"
        case .unusedTensors(let names):
            "weights: \(names.count == 1 ? "tensor" : "tensors") \(names.prefix(5).map { "'\($0)'" }.joined(separator: ", "))"
                + (names.count > 5 ? " and \(names.count - 5) more" : "") + " not used by this configuration"
        case .wrongShape(let name, let found, let expected):
            "weights: tensor '\(name)' has shape \(found), expected \(expected)"
        case .wrongType(let name, let found): "weights: tensor '\(name)' is \(found), expected F32, F16 or BF16"
        case .notFinite(let name): "weights: tensor '\(name)' holds infinite or undefined numbers"
        case .wrongInput(let reason): "input: \(reason)"
        }
    }
}

@testable import Engine

/// Weight files and recipes that were damaged, or made to do damage.
extension FuzzedParser {
    static let modelParsers = [
        FuzzedParser(name: "recipe", words: modelWords, corpus: recipes, count: 5000) { input, _ in
            _ = try NetworkConfiguration(json: String(decoding: input, as: UTF8.self))
        },
        FuzzedParser(name: "safetensors", words: modelWords, corpus: weightFiles, count: 3000) { input, folder in
            let path = try folder.write(withRightLength(input), "x.safetensors")
            let file = try SafetensorsFile(path: path)
            for name in file.entries.keys {
                _ = try? file.values(name, includingIntegers: true)
                _ = file.integers(name)
                file.forget(name)
            }
            // A whole network would be too large for an input; what is missing is told.
            _ = try? HCQNet(contentsOf: path)
        },
    ]

    private static let recipes = [
        #"{"backbone":"resnet18","hidden_dim":64,"queries":20,"encoder_layers":1,"encoder_ffn":128,"decoder_layers":2,"decoder_ffn":128}"#,
        #"{"backbone":"resnet50"}"#, "{}",
        #"{"variant":"hcq","query_start":"learned","keypoint_space":"box","heads":8,"points":4,"sine_dim":128}"#,
    ].map { Array($0.utf8) }
    private static let modelWords = [
        "backbone", "resnet18", "resnet50", "hidden_dim", "queries", "heads", "points", "encoder_layers",
        "proposal_nms", "joint_grid", "\"\"", "null", "true", "[]", "{}", ":", ",", "\\u0000", "\\ud800", "F32", "I8",
        "BF16", "dtype", "shape", "data_offsets", "__metadata__", "config", "format", "hcqnet", "precision", "int8",
    ]

    private static let weightFiles = [
        file(
            #"{"__metadata__":{"format":"hcqnet","version":"1","config":"{\"backbone\":\"resnet18\"}"},"#
                + #""a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},"#
                + #""c":{"dtype":"BF16","shape":[],"data_offsets":[32,34]},"d":{"dtype":"I64","shape":[1],"data_offsets":[34,42]},"#
                + #""e":{"dtype":"I8","shape":[6],"data_offsets":[42,48]}}"#, data: 48),
        file(#"{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#, data: 0),
        file("{}", data: 8), [UInt8](repeating: 0, count: 8),
    ]

    /// A file of the format: length, header, numbers.
    private static func file(_ header: String, data: Int) -> [UInt8] {
        let text = Array(header.utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
        return length + text + [UInt8](repeating: 0x3c, count: data)
    }

    /// The length is made right most of the time, or hardly any damage would come behind it.
    private static func withRightLength(_ input: [UInt8]) -> [UInt8] {
        guard input.count > 8, input.last.map({ $0 % 4 != 0 }) ?? false else { return input }
        let end = input.lastIndex(of: UInt8(ascii: "}")).map { $0 + 1 } ?? input.count
        guard end > 8 else { return input }
        return (0..<8).map { UInt8(truncatingIfNeeded: (end - 8) >> (8 * $0)) } + input[8...]
    }
}

import Foundation
import Scene
import Testing

@testable import Engine

/// What is refused, and how it is told.
@Suite struct LoadingTests {
    static let small = """
        {"backbone": "esnet_pan", "hidden_dim": 32, "queries": 3, "heads": 4, "points": 2, "joints": 5, "encoder_layers": 1, \
        "encoder_ffn": 8, "decoder_layers": 1, "decoder_ffn": 8}
        """

    /// A small network's tensors.
    private func tensors() throws -> [NamedTensor] {
        let tensors = SeededTensors(seed: 3)
        _ = try HCQNet(try NetworkConfiguration(json: Self.small), tensors)
        return tensors.tensors
    }

    private func load(
        _ tensors: [NamedTensor], metadata: [String: String]? = nil
    ) throws(EngineError) -> HCQNet {
        let path = temporaryPath("model.safetensors")
        defer { unlink(path) }
        let usual = ["format": "hcqnet", "version": "1", "config": Self.small]
        try SafetensorsFile.write(tensors, metadata: metadata ?? usual, to: path)
        return try HCQNet(contentsOf: path)
    }

    @Test func loadsWhatWasWritten() throws {
        let network = try load(try tensors())
        let expected = try NetworkConfiguration(json: Self.small)
        #expect(network.configuration == expected)
    }

    @Test func refusesMissingTensorByName() throws {
        let kept = try tensors().filter { $0.name != "heads.cls.bias" }
        #expect(throws: EngineError.missingTensor(name: "heads.cls.bias", shape: [2])) { try load(kept) }
    }

    @Test func refusesMisshapenTensorWithFoundAndExpected() throws {
        let name = "decoder.layers.0.linear1.weight"
        let changed = try tensors().map {
            $0.name == name ? NamedTensor(name, [32, 8], $0.values) : $0
        }
        let error = EngineError.wrongShape(name: name, found: [32, 8], expected: [8, 32])
        #expect(throws: error) { try load(changed) }
        #expect("\(error)" == "weights: tensor '\(name)' has shape [32, 8], expected [8, 32]")
    }

    @Test func refusesUnusedTensorByName() throws {
        let more = try tensors() + [NamedTensor("decoder.extra", [1], [0])]
        #expect(throws: EngineError.unusedTensors(names: ["decoder.extra"])) { try load(more) }
    }

    @Test func refusesNumbersThatAreNone() throws {
        let changed = try tensors().map {
            $0.name == "heads.cls.bias" ? NamedTensor($0.name, $0.shape, [0, .nan]) : $0
        }
        #expect(throws: EngineError.notFinite(name: "heads.cls.bias")) { try load(changed) }
    }

    @Test func sigmaIsOptional() throws {
        let network = try load(try tensors().filter { !$0.name.contains(".sigma.") })
        #expect(network.heads.box.sigma == nil && network.heads.pose?.sigma == nil)
    }

    @Test func refusesHalfASigma() throws {
        let kept = try tensors().filter { $0.name != "heads.box.sigma.bias" }
        #expect(throws: EngineError.missingTensor(name: "heads.box.sigma.bias", shape: [4])) { try load(kept) }
    }

    @Test func refusesForeignMetadata() throws {
        let all = try tensors()
        #expect(throws: EngineError.wrongMetadata(key: "format", found: nil, expected: "'hcqnet'")) {
            try load(all, metadata: [:])
        }
        #expect(throws: EngineError.wrongMetadata(key: "version", found: "2", expected: "'1'")) {
            try load(all, metadata: ["format": "hcqnet", "version": "2", "config": Self.small])
        }
    }

    // MARK: configuration

    @Test func refusesUnknownFieldAndNamesTheNearest() {
        #expect(throws: EngineError.unknownField(name: "decoder_layer", nearest: "decoder_layers")) {
            try NetworkConfiguration(json: #"{"decoder_layer": 3}"#)
        }
        #expect(throws: EngineError.unknownField(name: "zzz", nearest: nil)) {
            try NetworkConfiguration(json: #"{"zzz": 3}"#)
        }
    }

    @Test(arguments: [
        #"{"hidden_dim": 100}"#, #"{"heads": 7}"#, #"{"points": 3}"#, #"{"points": 6}"#, #"{"queries": 0}"#,
        #"{"queries": 1.5}"#, #"{"queries": true}"#, #"{"queries": "3"}"#, #"{"queries": 1e300}"#,
        #"{"queries": null}"#,
        #"{"backbone": "resnet19"}"#, #"{"variant": 3}"#, #"{"image_std": [1, 0, 1]}"#, #"{"image_mean": [1, 2]}"#,
        #"{"image_mean": [1, "2", 3]}"#, #"{"canonical_margin": -0.1}"#, #"{"swin_window": 0}"#,
        #"{"keypoint_space": "image", "head_condition": "image"}"#, #"{"query_start": "proposals"}"#,
        #"{"joint_grid": 3}"#, #"{"joint_owner": 1}"#, #"{"tower": "hrnet"}"#, #"{"output_layers": 2}"#,
        #"{"proposal_nms": 0}"#, #"{"encoder_layers": -1}"#,
    ])
    func refusesImpossible(json: String) {
        let error = #expect(throws: EngineError.self) { try NetworkConfiguration(json: json) }
        guard case .wrongField = error else {
            Issue.record("\(json): \(String(describing: error))")
            return
        }
    }

    @Test(arguments: ["", "[]", "3", "{", #"{"queries": }"#, "\u{0}", String(repeating: "[", count: 100_000)])
    func refusesWhatIsNoObject(json: String) {
        let error = #expect(throws: EngineError.self) { try NetworkConfiguration(json: json) }
        guard case .notJSON = error else {
            Issue.record("\(json.prefix(9)): \(String(describing: error))")
            return
        }
    }

    @Test func configurationSurvivesJSON() throws {
        var configuration = NetworkConfiguration()
        (configuration.backbone, configuration.swinWindow) = (.swinB, 12)
        (configuration.variant, configuration.canonicalMargin) = (.beta, 0.25)
        let read = try NetworkConfiguration(json: configuration.json)
        #expect(read == configuration)
        let (base, tiny) = (#"{"backbone": "swin_b"}"#, #"{"backbone": "swin_t"}"#)
        let windows = [
            try NetworkConfiguration(json: base).swinWindow, try NetworkConfiguration(json: tiny).swinWindow,
        ]
        #expect(windows == [12, 7])
    }

    // MARK: files

    private func open(_ bytes: [UInt8]) throws(EngineError) -> SafetensorsFile {
        let path = temporaryPath("file.safetensors")
        defer { unlink(path) }
        _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
        return try SafetensorsFile(path: path)
    }

    private func file(header: String, data: Int = 0) -> [UInt8] {
        let text = Array(header.utf8)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
            + [UInt8](repeating: 0, count: data)
    }

    @Test(arguments: [
        "", "nonsense", "{}x", "[]", #"{"a": 3}"#, #"{"a": {}}"#, #"{"a": {"dtype": "F32", "shape": [1]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 12]}}"#,
        #"{"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}"#,
        #"{"a": {"dtype": "F32", "shape": [9223372036854775807, 4], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}}"#, #"{"__metadata__": {"a": 3}}"#,
        #"{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 8]}}"#,
    ])
    func refusesMalformedHeader(header: String) {
        let error = #expect(throws: EngineError.self) { try open(file(header: header, data: 8)) }
        guard case .malformed = error else {
            Issue.record("\(header): \(String(describing: error))")
            return
        }
    }

    @Test func refusesTruncatedFilesAtEveryLength() throws {
        let path = temporaryPath("whole.safetensors")
        defer { unlink(path) }
        try SafetensorsFile.write([NamedTensor("a", [2], [1, 2])], metadata: ["k": "v\"\\\n"], to: path)
        let whole = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let read = try open(whole)
        let values = try read.values("a")
        #expect(read.metadata == ["k": "v\"\\\n"])
        #expect(values == [1, 2])
        for length in 0..<whole.count { #expect(throws: EngineError.self) { try open(Array(whole[..<length])) } }
    }

    /// Whatever bytes a header holds, the answer is a file or an error.
    @Test func survivesDamagedHeaders() throws {
        let header = #"{"__metadata__":{"format":"x"},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}"#
        var noise = Noise(seed: 5)
        for _ in 0..<300 {
            var bytes = file(header: header, data: 4)
            for _ in 0...noise.bits() % 3 { bytes[Int(noise.bits() % UInt64(bytes.count))] = UInt8(noise.bits() % 256) }
            if let file = try? open(bytes) { for name in file.entries.keys { _ = try? file.values(name) } }
        }
    }

    @Test func refusesMissingFileAndDirectory() {
        #expect(throws: EngineError.unreadable(path: "/nowhere/x", reason: "No such file or directory")) {
            try HCQNet(contentsOf: "/nowhere/x")
        }
        #expect(throws: EngineError.self) { try HCQNet(contentsOf: "/tmp") }
    }

    @Test func readsHalfPrecision() throws {
        let header =
            #"{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},"i":{"dtype":"I64","shape":[1],"data_offsets":[6,14]}}"#
        var bytes = file(header: header)
        bytes += [0x00, 0x3e, 0x00, 0xc0, 0x40, 0xc0] + [UInt8](repeating: 0, count: 8)
        let read = try open(bytes)
        let (halves, brains, none) = (try read.values("h"), try read.values("b"), try read.values("none"))
        #expect(halves == [1.5, -2])
        #expect(brains == [-3])
        #expect(none == nil)
        #expect(throws: EngineError.wrongType(name: "i", found: "I64")) { try read.values("i") }
    }
}

import Foundation
import Scene
import Testing

@testable import Engine

/// The int8 form of layers and of a whole network.
@Suite struct QuantizationTests {
    @Test(arguments: [(Float(-1), Float(3)), (0, 5), (-2, 0), (0.5, 2), (-3, -1)])
    func scaleCoversItsRangeAndZero(low: Float, high: Float) {
        let scale = ByteScale(covering: low, high)
        for value in [low, high, 0] {
            let byte = (value / scale.step + Float(scale.zero)).rounded()
            #expect((-0.01...255.01).contains(byte))
            #expect(abs((byte - Float(scale.zero)) * scale.step - value) <= scale.step)
        }
    }

    @Test func weightsSurviveTheirOwnSteps() {
        var random = Noise(seed: 11)
        let weight = random.floats(6 * 40) + [Float](repeating: 0, count: 40)
        let (integers, steps) = IntegerWeights.quantize(weight, outputs: 7)
        let restored = integers.indices.map { Float(integers[$0]) * steps[$0 / 40] }
        let (again, _) = IntegerWeights.quantize(restored, outputs: 7)
        #expect(integers == again, "quantising what was quantised changes nothing")
        #expect(integers[240...].allSatisfy { $0 == 0 } && steps[6] == 0)
        for i in weight.indices { #expect(abs(restored[i] - weight[i]) <= steps[i / 40] * 0.501) }
    }

    @Test(arguments: [Activation.none, .relu, .gelu])
    func integerLayerIsWithinItsSteps(activation: Activation) {
        var random = Noise(seed: 12)
        let (rows, inputs, outputs) = (33, 70, 40)
        let weight = random.floats(outputs * inputs), bias = random.floats(outputs)
        var x = random.floats(rows * inputs)
        let memory = WeightMemory()
        let scale = ByteScale(covering: -1, 1)
        let layers = [nil, scale].map { Linear(weight, bias: bias, inputs: inputs, keptIn: memory, input: $0) }
        #expect(!layers[0].isInteger && layers[1].isInteger)
        var results: [[Float]] = []
        x.withUnsafeMutableBufferPointer { x in
            for layer in layers {
                var y = [Float](repeating: 0, count: rows * outputs)
                y.withUnsafeMutableBufferPointer {
                    layer.apply(
                        Tensor(x.baseAddress!, rows: rows, columns: inputs),
                        into: Tensor($0.baseAddress!, rows: rows, columns: outputs), activation)
                }
                results.append(y)
            }
        }
        // Half a step of every input times its weight and the other way round, all to one side.
        let bound = Float(inputs) * (0.5 * scale.step + 0.5 / 127) * 1.2
        var differs = false
        for i in results[0].indices {
            #expect(abs(results[0][i] - results[1][i]) <= bound)
            differs = differs || results[0][i] != results[1][i]
        }
        #expect(differs, "the layer did not multiply integers")
    }

    @Test func networkKeepsItsAnswers() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "hcqd-int8-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (float, int8) = (folder.appending(path: "f.safetensors").path, folder.appending(path: "i.safetensors").path)
        let configuration = try NetworkConfiguration(
            json: #"{"backbone":"resnet18","hidden_dim":64,"queries":10,"encoder_layers":1,"decoder_layers":2}"#)
        try HCQNet.writeNew(configuration, seed: 3, to: float)
        let size = PixelSize(width: 96, height: 64)
        let calibration = try Calibration(contentsOf: float, keeping: ["decoder.layers.1."])
        let workspace = calibration.network.makeWorkspace(for: size)
        for seed in 0..<3 { calibration.observe(frame(size, seed: UInt64(seed)), using: workspace) }
        let (layers, _) = try calibration.write(to: int8)
        let everything = try Calibration(contentsOf: float)
        everything.observe(frame(size, seed: 0), using: everything.network.makeWorkspace(for: size))
        #expect(try everything.write(to: int8 + "2").layers > layers, "layers that are kept stay in float32")

        var random = Noise(seed: 13)
        let image = random.floats(3 * size.width * size.height).map { 2 * $0 }
        let (exact, integer) = (try HCQNet(contentsOf: float), try HCQNet(contentsOf: int8))
        #expect(!exact.isInteger && integer.isInteger)
        let expected = try exact.outputs(image, using: exact.makeWorkspace(for: size))
        let found = try integer.outputs(image, using: integer.makeWorkspace(for: size, threads: 1))
        let again = try integer.outputs(image, using: integer.makeWorkspace(for: size, threads: 3))
        for (i, tensor) in found.enumerated() {
            #expect(tensor.values == again[i].values, "\(tensor.name) depends on the number of threads")
            var (difference, magnitude) = (0.0, 0.0)
            for (a, b) in zip(tensor.values, expected[i].values) {
                difference += Double((a - b) * (a - b))
                magnitude += Double(b * b)
            }
            #expect(difference > 0, "\(tensor.name) is that of the float network")
            #expect((difference / magnitude).squareRoot() < 0.2, "\(tensor.name) is far from the float network's")
        }
        #expect(throws: EngineError.self) { _ = try Calibration(contentsOf: int8) }
    }

    private func frame(_ size: PixelSize, seed: UInt64) -> Frame {
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: 3 * size.width * size.height)
        var random = Noise(seed: seed)
        for i in 0..<3 * size.width * size.height { pixels[i] = UInt8(truncatingIfNeeded: random.bits()) }
        return Frame(
            camera: CameraID("noise"), time: StreamTime(microseconds: 0, utcMicroseconds: 0), index: 0, size: size,
            input: NetworkPicture(size: size, content: size, pixels: pixels) { $0.deallocate() }, picture: nil)
    }
}

import Foundation
import Scene
import Testing

@testable import Engine

/// Every block against what the twin computed in float64 (`Tests/Fixtures/tiny.safetensors`, made by `hcqnet.export`).
@Suite struct FixtureTests {
    private let file: SafetensorsFile
    private let configuration: NetworkConfiguration
    /// Of the picture that the fixture's maps stand for.
    private let size = PixelSize(width: 96, height: 32)

    init() throws {
        file = try SafetensorsFile(path: fixtures.appending(path: "tiny.safetensors").path)
        configuration = try NetworkConfiguration(json: try #require(file.metadata["config"]))
    }

    private func values(_ name: String) throws -> [Float] { try #require(try file.values(name), "\(name)") }

    private func shape(_ name: String) throws -> [Int] { try #require(file.entries[name]?.shape, "\(name)") }

    /// A block of a backbone: its weights, and its input as a map of channels.
    private func block(_ kind: String, isChannelsLast: Bool) throws -> (Weights, FeatureMap, expected: [Float]) {
        let weights = Weights(source: FileTensors(file), memory: lastingMemory(), path: "block.\(kind).weight")
        let shape = try shape("block.\(kind).input")
        let outputShape = try self.shape("block.\(kind).output")
        var (input, output) = (try values("block.\(kind).input"), try values("block.\(kind).output"))
        let sides = isChannelsLast ? (shape[1], shape[2], shape[3]) : (shape[2], shape[3], shape[1])
        if !isChannelsLast {
            input = channelsLast(input, shape[1])
            output = channelsLast(output, outputShape[1])
        }
        let tensor = weights.memory.keep(input, rows: sides.0 * sides.1, columns: sides.2)
        return (weights, FeatureMap(tensor, height: sides.0, width: sides.1), output)
    }

    @Test func basicBlock() throws {
        let (weights, x, expected) = try block("basic", isChannelsLast: false)
        let block = try ResidualBlock(weights, inputs: 8, width: 8, stride: 1, isBottleneck: false)
        let found = result(x.tokens.rows, 8) { pass, y in
            pass.run(1) { _, _ in y.data.update(from: x.tokens.data, count: x.tokens.count) }
            let map = FeatureMap(y, height: x.height, width: x.width)
            block(map, into: map, using: pass)
        }
        expectAll(found, near: expected)
    }

    @Test func bottleneck() throws {
        let (weights, x, expected) = try block("bottleneck", isChannelsLast: false)
        let block = try ResidualBlock(weights, inputs: 12, width: 4, stride: 2, isBottleneck: true)
        let found = result(x.tokens.rows / 4, 16) { pass, y in
            block(x, into: FeatureMap(y, height: x.height / 2, width: x.width / 2), using: pass)
        }
        expectAll(found, near: expected)
    }

    @Test func swinBlock() throws {
        let (weights, x, expected) = try block("swin", isChannelsLast: true)
        let block = try SwinBlock(weights, channels: 8, heads: 2, window: 4, shift: 2)
        let found = result(x.tokens.rows, 8) { pass, y in
            pass.run(1) { _, _ in y.data.update(from: x.tokens.data, count: x.tokens.count) }
            block(FeatureMap(y, height: x.height, width: x.width), using: pass)
        }
        expectAll(found, near: expected)
    }

    @Test func patchMerging() throws {
        let (weights, x, expected) = try block("merging", isChannelsLast: true)
        let merging = try PatchMerging(weights, channels: 8)
        let found = result(x.tokens.rows / 4, 16) { pass, y in
            merging(x, into: FeatureMap(y, height: x.height / 2, width: x.width / 2), using: pass)
        }
        expectAll(found, near: expected)
    }

    // MARK: pixel decoder

    private func pixelDecoder() throws -> (PixelDecoder, Weights) {
        let weights = Weights(source: FileTensors(file), memory: lastingMemory(), path: "pixel_decoder")
        return (try PixelDecoder(weights, configuration, channels: [64, 128, 256, 512]), weights)
    }

    private func maps(_ memory: WeightMemory) throws -> Pyramid {
        let maps = try (0..<4).map { i in
            let shape = try shape("input.map.\(i)")
            let values = channelsLast(try values("input.map.\(i)"), shape[1])
            return FeatureMap(
                memory.keep(values, rows: shape[2] * shape[3], columns: shape[1]), height: shape[2], width: shape[3])
        }
        return Pyramid(stride4: maps[0], stride8: maps[1], stride16: maps[2], stride32: maps[3], stride64: nil)
    }

    @Test(arguments: 0..<3) func inputProjection(level: Int) throws {
        let (decoder, weights) = try pixelDecoder()
        let map = try maps(weights.memory)[3 - level]
        let found = result(map.tokens.rows, configuration.hiddenDim) { pass, y in
            decoder.inputs[level].projection(
                map, into: FeatureMap(y, height: map.height, width: map.width), using: pass)
            decoder.inputs[level].norm(y, into: y, using: pass)
        }
        let name = "activation.pixel_decoder.input_proj.\(level)"
        expectAll(found, near: channelsLast(try values(name), configuration.hiddenDim))
    }

    @Test(arguments: 0..<2) func encoderLayer(index: Int) throws {
        let (decoder, weights) = try pixelDecoder()
        let dim = configuration.hiddenDim
        var input: [Float] = []
        if index == 0 {
            for level in 0..<3 {
                input += channelsLast(try values("activation.pixel_decoder.input_proj.\(level)"), dim)
            }
        } else {
            input = try values("activation.pixel_decoder.layers.\(index - 1).norm2")
        }
        let rows = input.count / dim
        let x = weights.memory.keep(input, rows: rows, columns: dim)
        let tables = EncoderTables(decoder, size: size)
        let found = result(rows, dim) { pass, y in
            pass.run(1) { _, _ in y.data.update(from: x.data, count: x.count) }
            let values = pass.tensor(rows, dim)
            decoder.layers[index].value(y, into: values, using: pass)
            decoder.layers[index](y, values: values, next: nil, tables, index: index, using: pass)
        }
        expectAll(found, near: try values("activation.pixel_decoder.layers.\(index).norm2"))
    }

    @Test func fineMap() throws {
        let (decoder, weights) = try pixelDecoder()
        let maps = try maps(weights.memory)
        let tables = EncoderTables(decoder, size: size)
        let found = result(maps[0].tokens.rows, configuration.hiddenDim) { pass, y in
            let features = decoder(maps, tables, using: pass)
            pass.run(1) { _, _ in y.data.update(from: features.fine.tokens.data, count: y.count) }
        }
        let output = channelsLast(try values("activation.pixel_decoder.output"), configuration.hiddenDim)
        expectAll(found, near: output.map { max($0, 0) })
    }

    // MARK: decoder

    @Test func structuralEmbedding() throws {
        let weights = Weights(source: FileTensors(file), memory: lastingMemory(), path: "decoder.pos_mlp")
        let position = try StructuralEmbedding(weights, configuration)
        for layer in 0...2 {
            let keys = weights.memory.keep(try values("decoder.\(layer).keys"), rows: 6, columns: configuration.keyDim)
            let found = result(6, configuration.hiddenDim) { pass, y in position(keys, into: y, using: pass) }
            expectAll(found, near: try values("decoder.\(layer).position"), "layer \(layer)")
        }
    }

    @Test(arguments: 0..<2) func decoderLayer(index: Int) throws {
        let weights = Weights(source: FileTensors(file), memory: lastingMemory(), path: "decoder")
        let layer = try DecoderLayer(weights["layers"][index], configuration)
        let dim = configuration.hiddenDim
        let memory = weights.memory
        let embedding = try values(index == 0 ? "decoder.query_feat" : "activation.decoder.layers.\(index - 1).norm3")
        let keys = try values("decoder.\(index).keys")
        let position = try values("decoder.\(index).position")
        let tokenValues = try values("activation.pixel_decoder.layers.1.norm2")
        let tokens = memory.keep(tokenValues, rows: tokenValues.count / dim, columns: dim)
        let features = Features(tokens: tokens, fine: FeatureMap(tokens, height: 1, width: tokens.rows))
        let geometry = SamplingGeometry(
            size: size, heads: configuration.heads, points: configuration.points, channels: dim / configuration.heads)
        let found = result(6, dim) { pass, y in
            let queries = Queries(configuration, using: pass)
            pass.run(1) { _, _ in
                queries.embedding.data.update(from: embedding, count: embedding.count)
                queries.keys.data.update(from: keys, count: keys.count)
                queries.position.data.update(from: position, count: position.count)
            }
            JointSpace(configuration).place(queries.keys, into: queries.joints, using: pass)
            layer(queries, features, geometry, using: pass)
            pass.run(1) { _, _ in y.data.update(from: queries.embedding.data, count: y.count) }
        }
        expectAll(found, near: try values("activation.decoder.layers.\(index).norm3"))
    }

    @Test func outputs() throws {
        let source = FileTensors(file)
        let root = Weights(source: source, memory: lastingMemory())
        let pixelDecoder = try PixelDecoder(root["pixel_decoder"], configuration, channels: [64, 128, 256, 512])
        let decoder = try Decoder(root["decoder"], configuration)
        let heads = try Heads(root["heads"], configuration)
        let maps = try maps(root.memory)
        let tables = EncoderTables(pixelDecoder, size: size)
        let geometry = SamplingGeometry(
            size: size, heads: configuration.heads, points: configuration.points,
            channels: configuration.hiddenDim / configuration.heads)
        guard case .learned(let start) = decoder.start else {
            Issue.record("the fixture's network has learned queries")
            return
        }
        func output(_ width: Int, _ pick: @escaping (Pass, Regression, HeadInput, Tensor) -> Void) -> [Float] {
            result(6, width) { pass, y in
                let queries = Queries(configuration, using: pass)
                let input = HeadInput(configuration, using: pass)
                let regression = Regression(configuration, heads, using: pass)
                start(into: queries, using: pass)
                let features = pixelDecoder(maps, tables, using: pass)
                decoder(features, heads, geometry, queries, input, into: regression, using: pass)
                pick(pass, regression, input, y)
            }
        }
        func copy(_ pass: Pass, _ x: Tensor, _ y: Tensor) {
            pass.run(1) { _, _ in for r in 0..<x.rows { y.row(r).update(from: x.row(r), count: x.columns) } }
        }
        expectAll(output(14) { copy($0, $1.keypoints, $3) }, near: try values("output.keypoints"), "keypoints")
        expectAll(output(10) { copy($0, $1.joints, $3) }, near: try values("output.joints"), "joints")
        expectAll(output(4) { copy($0, $1.boxSigma!, $3) }, near: try values("output.box_sigma"), "box_sigma")
        expectAll(output(10) { copy($0, $1.poseSigma!, $3) }, near: try values("output.pose_sigma"), "pose_sigma")
        expectAll(
            output(configuration.hiddenDim) { copy($0, $2.embedding, $3) }, near: try values("output.embeddings"),
            "embeddings")
        expectAll(
            output(2) { heads.classifier($2.embedding, into: $3, using: $0) }, near: try values("output.class_logits"),
            "class_logits")
    }
}

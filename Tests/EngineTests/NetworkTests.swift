import CAllocations
import Foundation
import Scene
import Testing

@testable import Engine

/// Whole networks: the same bits for any number of threads, no allocation, costs, people.
@Suite struct NetworkTests {
    static func network(_ json: String = LoadingTests.small, seed: UInt64 = 7) throws -> HCQNet {
        try HCQNet(try NetworkConfiguration(json: json), SeededTensors(seed: seed))
    }

    static let compact = """
        {"backbone": "esnet_pan", "hidden_dim": 32, "queries": 9, "encoder_layers": 0, "decoder_layers": 1, "decoder_ffn": 40, \
        "query_start": "proposals", "joint_grid": 3, "output_conv": "separable", "canonical_margin": 0.25}
        """

    private static let tower = compact.replacing(
        "\"joint_grid\"", with: "\"tower\": \"lite_hrnet\", \"joint_owner\": 1, \"joint_grid\"")

    /// Enough queries that some have a box.
    private static let crowd = LoadingTests.small.replacing("\"queries\": 3", with: "\"queries\": 20")

    private static let resnet = LoadingTests.small.replacing("esnet_pan", with: "resnet18")

    private static let swin = """
        {"backbone": "swin_t", "hidden_dim": 32, "queries": 4, "heads": 8, "encoder_layers": 1, "encoder_ffn": 16, \
        "decoder_layers": 1, "decoder_ffn": 8}
        """

    private static var isOptimised: Bool {
        #if DEBUG
            false
        #else
            true
        #endif
    }

    private func picture(_ size: PixelSize) -> [Float] {
        var noise = Noise(seed: 9)
        return noise.normal(3 * size.width * size.height)
    }

    @Test(arguments: [resnet, compact, tower, swin])
    func outputsDoNotDependOnThreads(json: String) throws {
        let network = try Self.network(json)
        let size = PixelSize(width: 160, height: 96)
        let image = picture(size)
        let one = try network.outputs(image, using: network.makeWorkspace(for: size, threads: 1))
        for threads in [2, 3, 7] {
            let workspace = network.makeWorkspace(for: size, threads: threads)
            for _ in 0..<2 {
                let many = try network.outputs(image, using: workspace)
                for (a, b) in zip(one, many) {
                    #expect(a.name == b.name && a.shape == b.shape)
                    let isEqual = a.values.map(\.bitPattern) == b.values.map(\.bitPattern)
                    let isFinite = a.values.allSatisfy { $0.isFinite }
                    #expect(isEqual && isFinite, "\(a.name), \(threads) threads")
                }
            }
        }
    }

    /// Optimised only: code that is not optimised allocates for every loop over an array.
    @Test(.enabled(if: isOptimised), arguments: [resnet, compact, tower, swin], [1, 2, 4])
    func runningAllocatesNothingButTheResult(json: String, threads: Int) throws {
        let network = try Self.network(json)
        let frame = Self.frame(PixelSize(width: 64, height: 64), content: PixelSize(width: 64, height: 50))
        let workspace = network.makeWorkspace(for: frame.input.size, threads: threads)
        workspace.people.scoreThreshold = 2  // nobody: the result is empty
        for _ in 0..<3 { _ = network(frame, using: workspace) }
        let before = workspace.pass.allocations()
        let people = network(frame, using: workspace)
        let allocations = workspace.pass.allocations() - before
        #expect(allocations == 0)
        #expect(people.isEmpty)
    }

    /// The counter itself counts.
    @Test(.enabled(if: hcq_counts_allocations() != 0)) func allocationsAreSeen() {
        let before = hcq_allocations()
        let array = [Int](repeating: 1, count: 1000)
        #expect(hcq_allocations() > before && array.count == 1000)
    }

    @Test func macsMatchTable5() throws {
        // Swin-B at 1024x1024, in units of a multiply-accumulate.
        let network = try HCQNet(try NetworkConfiguration(json: #"{"backbone": "swin_b"}"#), ZeroTensors())
        let plan = Pass(threads: 1)
        let size = PixelSize(width: 1024, height: 1024)
        let constants = Constants(network, size: size)
        network.forward(size, constants, using: plan) { _ in
        } _: { _ in
        }
        func expect(_ module: Module, _ table: Double) {
            let found = Double(plan.books.macs[module.rawValue])
            #expect(abs(found / table - 1) < 0.02, "\(module): found \(found), table 5 has \(table)")
        }
        expect(.backbone, 363e9)
        expect(.pixelDecoder, 143e9)
        expect(.decoder, 12.60e9)
        expect(.classHead, 51_200)
        expect(.maskHead, 20.634e6)
        expect(.boxHead, 0.128e9)
        expect(.poseHead, 0.135e9)
        expect(.maskProduct, 1.678e9)
    }

    /// The tower at 640x384 and what it adds to the pixel decoder and the joint maps: the twin's count (`hcqnet.macs`).
    @Test func towerCostsWhatTheTwinCounts() throws {
        func macs(_ json: String) throws -> [Int] {
            let network = try HCQNet(try NetworkConfiguration(json: json), ZeroTensors())
            let plan = Pass(threads: 1)
            let size = PixelSize(width: 640, height: 384)
            network.forward(size, Constants(network, size: size), using: plan) { _ in
            } _: { _ in
            }
            return plan.books.macs
        }
        let (with, without) = (try macs(Self.tower), try macs(Self.compact))
        #expect(with[Module.tower.rawValue] == 1_501_213_440)
        // The joint maps read the tower's 40 channels, too, and four of their 21 tell the owner's box.
        let maps = 15_360 * ((40 + 32) * 21 - 32 * 17)
        let added = (40 * 15_360 + 80 * 3_840 + 160 * 960 + 320 * 240) * 32 + maps
        #expect(with.reduce(0, +) - without.reduce(0, +) == 1_501_213_440 + added)
    }

    @Test func seedsMakeEqualFiles() throws {
        let configuration = try NetworkConfiguration(json: LoadingTests.small)
        let paths = (0..<3).map { temporaryPath("\($0).safetensors") }
        defer { for path in paths { unlink(path) } }
        try HCQNet.writeNew(configuration, seed: 1, to: paths[0])
        try HCQNet.writeNew(configuration, seed: 1, to: paths[1])
        try HCQNet.writeNew(configuration, seed: 2, to: paths[2])
        let files = try paths.map { try Data(contentsOf: URL(filePath: $0)) }
        #expect(files[0] == files[1] && files[0] != files[2])
    }

    // MARK: people

    /// A frame whose picture is seeded noise.
    static func frame(_ input: PixelSize, content: PixelSize, size: PixelSize? = nil) -> Frame {
        let count = input.width * input.height * 3
        let pixels = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        var noise = Noise(seed: 4)
        for i in 0..<count { pixels[i] = UInt8(noise.bits() % 256) }
        let picture = NetworkPicture(size: input, content: content, pixels: pixels) { $0.deallocate() }
        return Frame(
            camera: CameraID("test"), time: StreamTime(microseconds: 0, utcMicroseconds: 0), index: 0,
            size: size ?? content, input: picture, picture: nil)
    }

    @Test func peopleAreTheOutputsInTheFrame() throws {
        let network = try Self.network(Self.crowd)
        let input = PixelSize(width: 96, height: 64)
        let (content, size) = (PixelSize(width: 96, height: 54), PixelSize(width: 200, height: 113))
        let frame = Self.frame(input, content: content, size: size)
        let workspace = network.makeWorkspace(for: input, threads: 2)
        workspace.people.scoreThreshold = 0
        let people = network(frame, using: workspace)
        let outputs = try network.outputs(normalised(frame, network.configuration), using: workspace)
        func output(_ name: String) -> [Float] { outputs.first { $0.name == name }!.values }
        let (logits, keypoints, joints) = (output("class_logits"), output("keypoints"), output("joints"))
        let (sigma, masks) = (output("pose_sigma"), output("mask_logits"))
        let queries = network.configuration.queries
        let scores: [Double] = (0..<queries).map { q in
            let difference = Double(logits[2 * q + 1]) - Double(logits[2 * q])
            return 1 / (1 + exp(difference))
        }
        let width = network.configuration.outputKeyDim
        func key(_ query: Int) -> [Double] { keypoints[query * width..<query * width + 4].map { Double($0) } }
        let real = (0..<queries).filter { key($0)[2] > key($0)[0] && key($0)[3] > key($0)[1] }
        let expected = real.sorted { scores[$0] > scores[$1] }
        #expect(people.count == expected.count && !people.isEmpty)
        let stretch = 64.0 / 54
        for (person, query) in zip(people, expected) {
            #expect(abs(Double(person.score) - scores[query]) < 1e-5)
            let corners = key(query)
            let box = [person.box.x0, person.box.y0, person.box.x1, person.box.y1]
            expectAll(box, near: [corners[0], corners[1] * stretch, corners[2], corners[3] * stretch])
            for (i, keypoint) in person.keypoints.enumerated() {
                let at = query * 10 + 2 * i
                let place = [Double(joints[at]), Double(joints[at + 1]) * stretch]
                expectAll([keypoint.position.x, keypoint.position.y], near: place)
                let confidence = 1 - (sigma[at] + sigma[at + 1]) / 2
                #expect(abs(keypoint.confidence - confidence) < 1e-5)
            }
            let embeddings = output("embeddings")
            expectAll(person.embedding, near: Array(embeddings[query * 32..<(query + 1) * 32]))
            let maskLogits = Array(masks[query * 24 * 16..<(query + 1) * 24 * 16])
            let mask = try #require(person.mask)
            #expect(mask.size == size)
            expectMask(mask, Self.resampled(maskLogits, input, content, size))
            let positive: [Double] = maskLogits.filter { $0 > 0 }.map { Double($0) }
            let inside: [Double] = positive.map { 1 / (1 + exp(-$0)) }
            let certainty = inside.isEmpty ? 0 : inside.reduce(0, +) / Double(inside.count)
            #expect(abs(Double(person.maskScore) - scores[query] * certainty) < 1e-4)
        }
    }

    /// A frame much larger than any plan could know.
    @Test func masksFitFramesOfAnySize() throws {
        let network = try Self.network(Self.crowd)
        let (input, size) = (PixelSize(width: 32, height: 64), PixelSize(width: 3, height: 9001))
        let workspace = network.makeWorkspace(for: input, threads: 2)
        workspace.people.scoreThreshold = 0
        let frame = Self.frame(input, content: PixelSize(width: 1, height: 64), size: size)
        let people = network(frame, using: workspace)
        #expect(!people.isEmpty)
        for person in people { #expect(person.mask?.size == size) }
    }

    @Test func thresholdAndMasksAreSettings() throws {
        let network = try Self.network(Self.crowd)
        let frame = Self.frame(PixelSize(width: 64, height: 64), content: PixelSize(width: 64, height: 64))
        let workspace = network.makeWorkspace(for: frame.input.size)
        workspace.people.scoreThreshold = 0
        let all = network(frame, using: workspace)
        let bar = try #require(all.first?.score)
        workspace.people.scoreThreshold = bar
        workspace.people.masks = false
        let best = network(frame, using: workspace)
        #expect(best.count == all.filter { $0.score >= bar }.count)
        #expect(best.allSatisfy { $0.mask == nil && $0.maskScore == 0 })
    }

    private func normalised(_ frame: Frame, _ configuration: NetworkConfiguration) -> [Float] {
        let (size, content) = (frame.input.size, frame.input.content)
        let area = size.width * size.height
        return (0..<3 * area).map { (i: Int) -> Float in
            let (c, place) = (i / area, i % area)
            guard place / size.width < content.height, place % size.width < content.width else { return 0 }
            let value = Float(frame.input.pixels[3 * place + c]) / 255
            return (value - configuration.imageMean[c]) / configuration.imageStd[c]
        }
    }

    /// Bilinear to the input, crop, bilinear to the frame: the definition, `[height][width]`.
    static func resampled(_ logits: [Float], _ input: PixelSize, _ content: PixelSize, _ size: PixelSize) -> [Double] {
        func bilinear(
            _ x: [Double], _ from: PixelSize, _ to: PixelSize
        ) -> [Double] {
            func source(_ o: Int, _ target: Int, _ source: Int) -> (Int, Int, Double) {
                let position = max(0, (Double(o) + 0.5) * Double(source) / Double(target) - 0.5)
                let low = min(Int(position), source - 1)
                return (low, min(low + 1, source - 1), position - Double(low))
            }
            var y: [Double] = []
            for row in 0..<to.height {
                let (y0, y1, fy) = source(row, to.height, from.height)
                for column in 0..<to.width {
                    let (x0, x1, fx) = source(column, to.width, from.width)
                    let upper = (1 - fx) * x[y0 * from.width + x0] + fx * x[y0 * from.width + x1]
                    let lower = (1 - fx) * x[y1 * from.width + x0] + fx * x[y1 * from.width + x1]
                    y.append((1 - fy) * upper + fy * lower)
                }
            }
            return y
        }
        let coarse = PixelSize(width: input.width / 4, height: input.height / 4)
        let large = bilinear(logits.map(Double.init), coarse, input)
        var cropped: [Double] = []
        for row in 0..<content.height { cropped += large[row * input.width..<row * input.width + content.width] }
        return bilinear(cropped, content, size)
    }

    /// Person exactly where the logit is above 0, but for those that are 0 to rounding.
    private func expectMask(_ mask: Mask, _ logits: [Double]) {
        let scale = logits.reduce(0) { max($0, abs($1)) }
        for (i, pixel) in mask.bitmap().enumerated()
        where abs(logits[i]) > 1e-5 * scale && (pixel == 1) != (logits[i] > 0) {
            Issue.record("pixel \(i): \(pixel), logit \(logits[i])")
            return
        }
    }
}

/// All zeros: for what follows from shapes alone.
private final class ZeroTensors: TensorSource {
    func has(_ name: String) -> Bool { true }

    func values(_ name: String, shape: [Int], start: Start) -> [Float] {
        [Float](repeating: 0, count: shape.reduce(1, *))
    }
}

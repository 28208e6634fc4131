import Foundation
import Testing

@testable import Engine

/// What `body` writes into `[rows, columns]`, run first as a plan and then in the memory that the plan asked for.
func result(
    _ rows: Int, _ columns: Int, threads: Int = 2, _ body: (Pass, Tensor) -> Void
) -> [Float] {
    let plan = Pass(threads: threads)
    plan.scope { body(plan, plan.tensor(rows, columns)) }
    let pass = Pass(threads: threads, plan: plan)
    return pass.scope {
        let y = pass.tensor(rows, columns)
        // What is not written must show.
        for i in 0..<y.count { y.data[i] = .nan }
        body(pass, y)
        return Array(UnsafeBufferPointer(start: y.data, count: y.count))
    }
}

/// Memory that lasts as long as the tests: layers and tensors hold bare addresses.
func lastingMemory() -> WeightMemory { Unmanaged.passRetained(WeightMemory()).takeUnretainedValue() }

/// Memory of a test's inputs.
final class Inputs {
    private let memory = lastingMemory()

    func tensor(_ values: [Float], _ rows: Int, _ columns: Int) -> Tensor {
        memory.keep(values, rows: rows, columns: columns)
    }

    func map(_ values: [Float], _ height: Int, _ width: Int, _ channels: Int) -> FeatureMap {
        FeatureMap(tensor(values, height * width, channels), height: height, width: width)
    }
}

/// Layers with given tensors.
final class GivenTensors: TensorSource {
    private let tensors: [String: [Float]]

    init(_ tensors: [String: [Float]]) { self.tensors = tensors }

    func has(_ name: String) -> Bool { tensors[name] != nil }

    func values(_ name: String, shape: [Int], start: Start) throws(EngineError) -> [Float] {
        guard let values = tensors[name] else { throw .missingTensor(name: name, shape: shape) }
        guard values.count == shape.reduce(1, *) else {
            throw .wrongShape(name: name, found: [values.count], expected: shape)
        }
        return values
    }
}

/// A scope over given tensors.
func weights(_ tensors: [String: [Float]]) -> Weights {
    Weights(source: GivenTensors(tensors), memory: lastingMemory())
}

/// Every element within `relative` of its expected value and `absolute` of the largest one; tells the first that is not.
func expectAll(
    _ found: [Float], near expected: [Double], relative: Double = 1e-4, absolute: Double = 1e-5, _ name: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == expected.count, "\(name)", sourceLocation: sourceLocation)
    let largest = expected.reduce(0) { max($0, abs($1)) }
    for (i, (a, b)) in zip(found, expected).enumerated()
    where !(abs(Double(a) - b) <= relative * abs(b) + absolute * largest + 1e-12) {
        Issue.record("\(name)[\(i)]: found \(a), expected \(b)", sourceLocation: sourceLocation)
        return
    }
}

func expectAll(
    _ found: [Float], near expected: [Float], relative: Double = 1e-4, absolute: Double = 1e-5, _ name: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    expectAll(
        found, near: expected.map(Double.init), relative: relative, absolute: absolute, name,
        sourceLocation: sourceLocation)
}

extension Noise {
    /// Roughly normal.
    mutating func normal(_ count: Int, _ scale: Float = 1) -> [Float] {
        (0..<count).map { _ in scale * (float() + float() + float()) }
    }
}

/// `[channels][height][width]` as `[height][width][channels]`.
func channelsLast(_ x: [Float], _ channels: Int) -> [Float] {
    let positions = x.count / channels
    return (0..<x.count).map { x[$0 % channels * positions + $0 / channels] }
}

/// A path that nobody else uses, removed by the caller or by the system.
func temporaryPath(_ name: String) -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("hcqd-\(UUID().uuidString)-\(name)").path
}

/// `Tests/Fixtures`.
let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
    path: "Fixtures")

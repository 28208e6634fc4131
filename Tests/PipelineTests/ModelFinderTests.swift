import Foundation
import Testing

import Pipeline

@Suite struct ModelFinderTests {
    /// What is found with these files in `Models/` beside the program.
    private func found(_ names: [String]) throws -> String? {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent("Models"), withIntermediateDirectories: true)
        for name in names { try Data().write(to: folder.appendingPathComponent("Models/\(name)")) }
        let path = ModelFinder.find(environment: [:], executable: folder.appendingPathComponent("hcqd").path)
        return path.map { URL(fileURLWithPath: $0).lastPathComponent }
    }

    @Test func theExactFormComesFirst() throws {
        #expect(try found(["net-int8.safetensors", "net.safetensors", "net.md"]) == "net.safetensors")
        #expect(try found(["a-int8.safetensors", "b.safetensors"]) == "b.safetensors")
        #expect(try found(["net-int8.safetensors"]) == "net-int8.safetensors")
    }

    @Test func theEnvironmentNamesAnother() {
        #expect(ModelFinder.find(environment: ["HCQD_MODEL": "/x.safetensors"], executable: nil) == "/x.safetensors")
    }
}

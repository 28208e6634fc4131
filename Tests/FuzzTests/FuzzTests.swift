import Foundation
import Glibc
import Testing

@testable import Pipeline

/// Damaged inputs for every parser, the same in every run; `make fuzz` has other ones.
@Suite(.serialized) struct FuzzTests {
    /// No input may take longer, seconds; sanitizers and busy machines are slow.
    private static let patience = 20.0
    /// Nor may the process grow by more over all inputs, bytes; AddressSanitizer keeps a quarter of it.
    private static let largestGrowth = 1 << 30

    @Test(arguments: FuzzedParser.all)
    func damagedInputsAreReadOrRefused(_ parser: FuzzedParser) throws {
        let folder = try FuzzFolder()
        for input in parser.corpus {
            #expect(!input.isEmpty)
            try? parser.read(input, folder)
        }
        var mutator = Mutator(seed: 1, words: parser.words)
        let before = Self.residentBytes()
        var accepted = 0
        for number in 0..<parser.count {
            let input = mutator.input(from: parser.corpus)
            let start = ContinuousClock.now
            do {
                try parser.read(input, folder)
                accepted += 1
            } catch let violation as Violation {
                Issue.record("input \(number): not so: \(violation.promise)")
            } catch {}
            #expect(start.duration(to: .now) < .seconds(Self.patience), "input \(number)")
        }
        let growth = Self.residentBytes() - before
        #expect(growth < Self.largestGrowth, "\(growth >> 20) MB more")
        print("fuzz \(parser.name): \(parser.count) inputs, \(accepted) accepted, \(growth >> 20) MB more")
    }

    @Test func aliasesCannotFillTheMemory() throws {
        // A billion laughs.
        var yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...9 {
            yaml +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        let start = Date()
        #expect(throws: ConfigurationError.self) {
            _ = try ConfigurationFile.read(yaml, file: "x.yaml", defaults: Configuration())
        }
        #expect(Date().timeIntervalSince(start) < 5)
    }

    @Test(arguments: ["recipe", "safetensors", "coco", "people", "log-line"])
    func refusesJSONWhoseLastByteOpensALevelTooMany(name: String) throws {
        let parser = try #require(FuzzedParser.all.first { $0.name == name })
        let folder = try FuzzFolder()
        for levels in 511...515 {
            let length = name == "safetensors" ? [UInt8(levels & 255), UInt8(levels >> 8), 0, 0, 0, 0, 0, 0] : []
            #expect(throws: (any Error).self, "\(levels)") {
                try parser.read(length + [UInt8](repeating: UInt8(ascii: "["), count: levels), folder)
            }
        }
    }

    private static func residentBytes() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}

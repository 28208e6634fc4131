import Foundation
import Glibc

// The program that `make fuzz` builds around libFuzzer. The environment says what to do:
// HCQD_FUZZ_SEEDS=FOLDER writes every parser's inputs to a folder of its name in FOLDER, and ends;
// HCQD_FUZZ_PARSER=NAME feeds that parser.

private let environment = ProcessInfo.processInfo.environment
private let parser = FuzzedParser.all.first { $0.name == environment["HCQD_FUZZ_PARSER"] }
private let folder = try? FuzzFolder()

/// What SwiftPM makes of `main`.
@_cdecl("hcqd_fuzz_main")
public func fuzzerMain(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32 {
    if let seeds = environment["HCQD_FUZZ_SEEDS"] {
        do { try writeSeeds(to: seeds) } catch { stop("\(seeds): \(error)") }
        return 0
    }
    if parser == nil { stop("HCQD_FUZZ_PARSER is none of " + FuzzedParser.all.map(\.name).joined(separator: ", ")) }
    if folder == nil { stop("there is no folder for temporary files") }
    atexit { if let folder { try? FileManager.default.removeItem(atPath: folder.path) } }
    var (count, arguments) = (count, arguments)
    return libFuzzerRun(&count, &arguments, fuzzerTestOneInput)
}

private func writeSeeds(to path: String) throws {
    for parser in FuzzedParser.all {
        let folder = path + "/" + parser.name
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (number, input) in parser.corpus.enumerated() {
            try Data(input).write(to: URL(fileURLWithPath: folder + "/seed-\(number)"))
        }
    }
}

private func stop(_ why: String) -> Never {
    FileHandle.standardError.write(Data((why + "\n").utf8))
    exit(1)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzerTestOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    guard let parser, let folder else { return 0 }
    do {
        try parser.read(Array(UnsafeBufferPointer(start: bytes, count: count)), folder)
    } catch let violation as Violation {
        // libFuzzer keeps the input of a program that aborts.
        FileHandle.standardError.write(Data("not so: \(violation.promise)\n".utf8))
        abort()
    } catch {}
    return 0
}

/// libFuzzer's own damage, half of the time ours, which knows the formats.
@_cdecl("LLVMFuzzerCustomMutator")
public func fuzzerCustomMutator(
    _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int, _ seed: UInt32
) -> Int {
    guard seed % 2 == 0, let parser else { return libFuzzerMutate(bytes, count, most) }
    var mutator = Mutator(seed: UInt64(seed), words: parser.words)
    let input = mutator.input(from: [Array(UnsafeBufferPointer(start: bytes, count: count))]).prefix(most)
    for (i, byte) in input.enumerated() { bytes[i] = byte }
    return input.count
}

@_silgen_name("LLVMFuzzerRunDriver")
private func libFuzzerRun(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ read: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

@_silgen_name("LLVMFuzzerMutate")
private func libFuzzerMutate(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ most: Int) -> Int

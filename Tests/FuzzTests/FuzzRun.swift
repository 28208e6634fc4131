import Foundation
import Glibc
import Testing

/// Feeds a parser with damaged inputs and watches time and memory.
///
/// By default a fixed number of inputs from a fixed seed. With `HCQD_FUZZ_SECONDS` each parser is fed for so long, from a
/// seed that is printed, or from `HCQD_FUZZ_SEED`. The input that is being read lies in `HCQD_FUZZ_FOLDER` (by default
/// the temporary folder) as `hcqd-fuzz-NAME`, and stays there after a crash.
struct FuzzRun {
    let name: String
    let words: [String]
    let corpus: [[UInt8]]
    /// No input may take longer, seconds; sanitizers and busy machines are slow.
    static let patience = 20.0
    /// Nor may the process grow by more over all inputs, bytes; AddressSanitizer keeps a quarter of it.
    static let largestGrowth = 1 << 30

    init(_ name: String, words: [String] = [], corpus: [[UInt8]]) {
        (self.name, self.words, self.corpus) = (name, words, corpus)
    }

    /// - Parameter count: inputs when no time is asked for.
    func callAsFunction(count: Int, _ parse: ([UInt8]) throws -> Void) throws {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["HCQD_FUZZ_SECONDS"].flatMap(Double.init)
        let seed =
            environment["HCQD_FUZZ_SEED"].flatMap(UInt64.init)
            ?? (seconds == nil ? 1 : UInt64.random(in: 1...(1 << 32)))
        let current = try CurrentInput(environment["HCQD_FUZZ_FOLDER"] ?? NSTemporaryDirectory(), name)
        var mutator = Mutator(seed: seed, words: words)
        for input in corpus { try? parse(input) }
        let (began, before) = (Self.seconds(), Self.residentBytes())
        var (done, accepted, longest) = (0, 0, 0.0)
        while seconds.map({ Self.seconds() - began < $0 }) ?? (done < count) {
            let input = mutator.input(from: corpus)
            current.note(input)
            let start = Self.seconds()
            if (try? parse(input)) != nil { accepted += 1 }
            let took = Self.seconds() - start
            if took > longest {
                longest = took
                #expect(took < Self.patience, "\(name): an input took \(took) s: \(current.keep())")
            }
            done += 1
        }
        let growth = Self.residentBytes() - before
        #expect(growth < Self.largestGrowth, "\(name): \(growth >> 20) MB more after \(done) inputs")
        print(
            "fuzz \(name): \(done) inputs, \(accepted) accepted, seed \(seed), longest \(Int(longest * 1e6)) us, "
                + "\(growth >> 20) MB more")
        current.remove()
    }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func residentBytes() -> Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}

/// An input was not what it should be, and that was noticed.
struct Refused: Error {}

/// The input that is being read, in memory that outlives the process.
private final class CurrentInput {
    private let path: String
    private let memory: UnsafeMutableRawPointer
    private static let size = Mutator.longest + 8

    init(_ folder: String, _ name: String) throws {
        path = folder + "/hcqd-fuzz-" + name
        let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
        try #require(descriptor >= 0 && ftruncate(descriptor, off_t(Self.size)) == 0, "\(path) cannot be written")
        defer { close(descriptor) }
        let mapping = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        memory = try #require(mapping == MAP_FAILED ? nil : mapping)
    }

    deinit { munmap(memory, Self.size) }

    /// Its length in 8 bytes, then the input.
    func note(_ input: [UInt8]) {
        memory.storeBytes(of: UInt64(input.count), as: UInt64.self)
        input.withUnsafeBytes {
            memory.advanced(by: 8).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
    }

    /// Copies the input to a file that stays, and names it.
    func keep() -> String {
        let count = Int(memory.load(as: UInt64.self))
        let kept = path + "-slow"
        try? Data(bytes: memory + 8, count: count).write(to: URL(fileURLWithPath: kept))
        return kept
    }

    func remove() { unlink(path) }
}

/// A folder in memory where there is one.
final class FuzzFolder {
    let path: String

    init() throws {
        let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm/" : NSTemporaryDirectory()
        path = parent + "hcqd-fuzz-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, whose path it gives.
    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let path = path + "/" + name
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        try #require(written == bytes.count)
        return path
    }

    func removeAll() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            try? FileManager.default.removeItem(atPath: path + "/" + name)
        }
    }
}

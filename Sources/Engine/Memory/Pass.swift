internal import Glibc

/// One forward pass: where its memory comes from, who does its work, and what it costs.
///
/// The same code runs first as a plan, in which memory is only measured and work only counted, and then for real in the
/// memory that the plan found necessary. Memory is a stack: what a scope takes is given back at its end. All work goes
/// through `run`, cut into tiles whose number follows from shapes alone, so that results are equal for any number of threads.
final class Pass: @unchecked Sendable {
    let threads: Int
    /// Measures and counts; executes nothing.
    let isPlan: Bool
    var books = Books()
    private let base: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    private let scratchStride: Int
    private var used = 0
    /// In floats: what a pass needs at most.
    private(set) var peak = 0
    private(set) var peakScratch = 0
    private let capacity: Int
    /// nil where one thread does everything.
    private let team: Team?

    /// A plan.
    init(threads: Int) {
        self.threads = threads
        isPlan = true
        // An address that nobody reads: tensors of a plan have shapes only.
        base = UnsafeMutablePointer(bitPattern: 1 << 20)!
        scratch = base
        (scratchStride, capacity, team) = (0, Int.max, nil)
    }

    /// A pass in memory as large as the plan found necessary.
    init(threads: Int, plan: Pass) {
        self.threads = threads
        isPlan = false
        scratchStride = Self.rounded(plan.peakScratch)
        capacity = plan.peak
        team = Team(threads: threads)
        let bytes = (capacity + threads * scratchStride) * MemoryLayout<Float>.stride
        base = Self.allocate(bytes: max(bytes, 64))
        scratch = base + capacity
    }

    deinit {
        if !isPlan { free(base) }
    }

    /// Bytes of the pass's memory.
    var bytes: Int { (peak + threads * Self.rounded(peakScratch)) * MemoryLayout<Float>.stride }

    private static func allocate(bytes: Int) -> UnsafeMutablePointer<Float> {
        let page = 1 << 21
        let whole = (bytes + page - 1) / page * page
        guard let memory = aligned_alloc(page, whole) else { preconditionFailure("no memory for \(bytes) bytes") }
        madvise(memory, whole, MADV_HUGEPAGE)
        memset(memory, 0, whole)
        return memory.bindMemory(to: Float.self, capacity: whole / MemoryLayout<Float>.stride)
    }

    /// Whole cache lines.
    private static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    // MARK: memory

    /// Uninitialised memory until the end of the scope.
    func tensor(_ rows: Int, _ columns: Int) -> Tensor {
        let start = used
        used += Self.rounded(rows * columns)
        precondition(used <= capacity, "a pass takes what its plan took")
        peak = max(peak, used)
        return Tensor(base + start, rows: rows, columns: columns)
    }

    /// As `tensor`, for a picture of channels.
    func map(_ height: Int, _ width: Int, _ channels: Int) -> FeatureMap {
        FeatureMap(tensor(height * width, channels), height: height, width: width)
    }

    /// Gives back at the end what `body` took.
    func scope<Result>(_ body: () -> Result) -> Result {
        let start = used
        defer { used = start }
        return body()
    }

    /// What `body` does is counted elsewhere, or not at all.
    func uncounted(_ body: () -> Void) {
        books.isPaused = true
        body()
        books.isPaused = false
    }

    // MARK: work

    /// Calls `body` for every tile, in any order and on any thread, with `scratch` floats of its own.
    func run(
        _ tiles: Int, scratch count: Int = 0,
        _ body: @Sendable (_ tile: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) {
        peakScratch = max(peakScratch, count)
        if isPlan { return }
        precondition(count <= scratchStride, "a pass takes what its plan took")
        guard let team, tiles > 1 else {
            for tile in 0..<tiles { body(tile, scratch) }
            return
        }
        team.run(tiles) { tile, worker in body(tile, scratch + worker * scratchStride) }
    }

    /// As `run`, over `count` things cut into tiles of `size`.
    func run(
        _ count: Int, by size: Int, scratch: Int = 0,
        _ body: @Sendable (_ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) {
        run((count + size - 1) / size, scratch: scratch) { tile, own in
            body(tile * size..<min(count, (tile + 1) * size), own)
        }
    }
}

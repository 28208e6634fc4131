internal import CMalloc

/// The C library's heap, set up for a process that lives for months.
enum Heap {
    /// To be called before threads are many.
    static func prepare() {
        // By default every thread may get a heap of its own, and each keeps the most that it ever held. Per frame next to
        // nothing is allocated, so that one is enough.
        mallopt(M_ARENA_MAX, 1)
        // Fixed, these do not rise with the largest piece ever given back: pictures go straight back to the system.
        mallopt(M_MMAP_THRESHOLD, 256 << 10)
        mallopt(M_TRIM_THRESHOLD, 256 << 10)
    }

    /// What was asked for and not given back yet.
    static var bytesInUse: Int {
        let facts = mallinfo2()
        return Int(facts.uordblks + facts.hblkhd)
    }

    /// Gives free pages back to the system.
    static func trim() { malloc_trim(0) }
}

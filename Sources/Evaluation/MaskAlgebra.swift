public import Scene

extension Mask {
    /// The pixels of either mask.
    /// - Precondition: both have the same size.
    public func union(_ other: Mask) -> Mask { combined(with: other) { $0 || $1 } }

    /// The pixels of this mask that are not in `other`.
    /// - Precondition: both have the same size.
    public func subtracting(_ other: Mask) -> Mask { combined(with: other) { $0 && !$1 } }

    /// - Parameter keep: whether a pixel is kept, from whether it is person here and in `other`.
    private func combined(with other: Mask, keep: (Bool, Bool) -> Bool) -> Mask {
        precondition(size == other.size, "masks of one picture have one size")
        var merged: [UInt32] = []
        var (inside, length): (Bool, UInt32) = (false, 0)
        var (i, j) = (0, 0)
        var (a, b) = (runs.first ?? 0, other.runs.first ?? 0)
        while i < runs.count && j < other.runs.count {
            let step = min(a, b)
            let isKept = keep(i % 2 == 1, j % 2 == 1)
            if step > 0 {
                if isKept != inside {
                    merged.append(length)
                    (inside, length) = (isKept, 0)
                }
                length += step
            }
            (a, b) = (a - step, b - step)
            if a == 0 {
                i += 1
                if i < runs.count { a = runs[i] }
            }
            if b == 0 {
                j += 1
                if j < other.runs.count { b = other.runs[j] }
            }
        }
        merged.append(length)
        return Mask(size: size, runs: merged)
    }
}

internal import CKernels

/// A matrix product or convolution with its addresses and sizes, to be computed in parts by whoever has time.
enum Product: @unchecked Sendable {
    case float(hcq_product)
    case int8(hcq_product8)

    /// - Parameter columns: begin at a multiple of 32.
    func compute(rows: Range<Int>, columns: Range<Int>) {
        switch self {
        case .float(let facts):
            withUnsafePointer(to: facts) {
                hcq_gemm($0, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound)
            }
        case .int8(let facts):
            withUnsafePointer(to: facts) {
                hcq_product8_run($0, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound)
            }
        }
    }

    /// The same product over patches of a map: a convolution.
    func gathering(_ x: FeatureMap, kernel: Int, stride: Int, padding: Int, outWidth: Int) -> Product {
        switch self {
        case .float(var facts):
            (facts.kernel, facts.stride, facts.padding, facts.out_width) = (kernel, stride, padding, outWidth)
            (facts.height, facts.width, facts.channels) = (x.height, x.width, x.channels)
            return .float(facts)
        case .int8(var facts):
            (facts.kernel, facts.stride, facts.padding, facts.out_width) = (kernel, stride, padding, outWidth)
            (facts.height, facts.width, facts.channels) = (x.height, x.width, x.channels)
            return .int8(facts)
        }
    }
}

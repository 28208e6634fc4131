internal import CKernels
internal import COpenBLAS
internal import Glibc

/// Matrix products. The only file that imports OpenBLAS.
enum BLAS {
    /// The kernels that OpenBLAS uses.
    static var coreName: String {
        _ = prepared
        return String(cString: openblas_get_corename())
    }

    /// Makes OpenBLAS single-threaded, and tells it which CPU this is, since a version older than the CPU falls back to
    /// SSE3 ("Prescott") at a quarter of the speed. Every product asks for it first: one that runs while the kernels
    /// change is packed for the old ones and multiplied by the new.
    private static let prepared: Void = {
        if getenv("OPENBLAS_CORETYPE") == nil, let wanted = coreType(for: hcq_level()) {
            setenv("OPENBLAS_CORETYPE", wanted, 1)
            // Exported but not declared: they choose the kernels anew, as at start.
            typealias Action = @convention(c) () -> Void
            let everywhere = UnsafeMutableRawPointer(bitPattern: 0)  // RTLD_DEFAULT
            if let quit = dlsym(everywhere, "gotoblas_dynamic_quit"),
                let start = dlsym(everywhere, "gotoblas_dynamic_init")
            {
                unsafeBitCast(quit, to: Action.self)()
                unsafeBitCast(start, to: Action.self)()
            }
        }
        openblas_set_num_threads(1)
    }()

    private static func coreType(for level: Int32) -> String? {
        switch level {
        case 2: "SkylakeX"
        case 1: "Haswell"
        default: nil
        }
    }

    /// c <- a bᵀ, or c + a bᵀ when `accumulating`. a: `[rows, depth]`, b: `[columns, depth]`, c: `[rows, columns]`.
    static func multiply(
        rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, _ lda: Int, transposed b: UnsafePointer<Float>,
        _ ldb: Int, into c: UnsafeMutablePointer<Float>, _ ldc: Int, accumulating: Bool = false
    ) {
        _ = prepared
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(columns), blasint(depth), 1, a,
            blasint(lda),
            b, blasint(ldb), accumulating ? 1 : 0, c, blasint(ldc))
    }

    /// c <- a b. a: `[rows, depth]`, b: `[depth, columns]`, c: `[rows, columns]`.
    static func multiply(
        rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>,
        _ ldb: Int,
        into c: UnsafeMutablePointer<Float>, _ ldc: Int
    ) {
        _ = prepared
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns), blasint(depth), 1, a,
            blasint(lda), b, blasint(ldb), 0, c, blasint(ldc))
    }
}

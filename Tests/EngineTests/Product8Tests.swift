import CKernels
import Testing

/// int8 products against whole-number definitions, on the set in use (`HCQD_CPU` and `HCQD_VNNI` choose it).
@Suite struct Product8Tests {
    struct Case: Sendable, CustomTestStringConvertible {
        let rows, columns, depth: Int
        var kernel = 0
        var floatInput = false, byteOutput = false
        var residual: Int32 = 0, activation: Int32 = 0
        var testDescription: String {
            "\(rows)x\(columns)x\(depth) kernel \(kernel) residual \(residual) activation \(activation)"
                + (floatInput ? " from floats" : "") + (byteOutput ? " to bytes" : "")
        }
    }

    @Test(arguments: [
        Case(rows: 1, columns: 1, depth: 1), Case(rows: 15, columns: 32, depth: 64, activation: 1),
        Case(rows: 57, columns: 70, depth: 99, floatInput: true, residual: 1, activation: 2),
        Case(rows: 30, columns: 64, depth: 1030, byteOutput: true, residual: 2, activation: 1),
        Case(rows: 14, columns: 96, depth: 4608, byteOutput: true, residual: 1),
        Case(rows: 7, columns: 34, depth: 2050, floatInput: true, byteOutput: true, residual: 2, activation: 3),
        Case(rows: 20, columns: 32, depth: 27, kernel: 3, activation: 1),
        Case(rows: 20, columns: 64, depth: 9 * 20, kernel: 3, floatInput: true, byteOutput: true),
    ])
    func matchesDefinition(c: Case) {
        var random = Noise(seed: 5)
        let channels = c.kernel > 0 ? c.depth / 9 : c.depth
        let elements = c.rows * channels
        let step: Float = 0.05, zero: Int32 = 117, outStep: Float = 2.5, outZero: Int32 = 9
        let bytes = (0..<elements).map { _ in UInt8(truncatingIfNeeded: random.bits()) }
        // Between two steps there is no doubt where a number belongs.
        let floats = bytes.map { (Float($0) - Float(zero) + random.float() * 0.3) * step }
        // -128 too: saturating multiply-add would get it wrong.
        let w = (0..<c.columns * c.depth).map { _ in Int8(truncatingIfNeeded: random.bits()) }
        let scale = (0..<c.columns).map { 0.0001 * Float($0 % 7 + 1) }, bias = random.floats(c.columns)
        let floatResidual = random.floats(c.rows * c.columns)
        let byteResidual = (0..<c.rows * c.columns).map { _ in UInt8(truncatingIfNeeded: random.bits()) }
        var packed = [UInt8](repeating: 0xAA, count: hcq_product8_size(c.columns, c.depth))
        hcq_product8_pack(w, c.columns, c.depth, &packed)
        var y = [Float](repeating: .nan, count: c.rows * c.columns)
        var yBytes = [UInt8](repeating: 0, count: c.rows * c.columns)

        var p = hcq_product8()
        (p.x_bytes, p.x_zero, p.x_inverse, p.ldx) = (c.floatInput ? 0 : 1, zero, 1 / step, channels)
        (p.columns, p.depth, p.activation) = (c.columns, c.depth, c.activation)
        (p.residual_kind, p.residual_zero, p.residual_scale, p.ldr) = (c.residual, 3, 0.5, c.columns)
        (p.y_bytes, p.y_zero, p.y_inverse, p.ldy) = (c.byteOutput ? 1 : 0, outZero, 1 / outStep, c.columns)
        if c.kernel > 0 {
            (p.kernel, p.stride, p.padding, p.channels) = (3, 1, 1, channels)
            (p.height, p.width, p.out_width) = (4, 5, 5)
        }
        packed.withUnsafeBytes { packed in
            withAddresses(scale, bias, floats, floatResidual) { scale, bias, floats, floatResidual in
                bytes.withUnsafeBufferPointer { bytes in
                    byteResidual.withUnsafeBufferPointer { byteResidual in
                        (p.packed, p.scale, p.bias) = (packed.baseAddress, scale, bias)
                        p.x = c.floatInput ? UnsafeRawPointer(floats) : UnsafeRawPointer(bytes.baseAddress)
                        p.residual =
                            c.residual == 1
                            ? UnsafeRawPointer(floatResidual) : UnsafeRawPointer(byteResidual.baseAddress)
                        y.withUnsafeMutableBytes { y in
                            yBytes.withUnsafeMutableBytes { yBytes in
                                p.y = c.byteOutput ? yBytes.baseAddress : y.baseAddress
                                hcq_product8_run(&p, 0, c.rows / 2, 0, c.columns)
                                hcq_product8_run(&p, c.rows / 2, c.rows, 0, c.columns)
                            }
                        }
                    }
                }
            }
        }
        for row in 0..<c.rows {
            for column in 0..<c.columns {
                let at = row * c.columns + column
                var real =
                    Double(sum(row, column, c, bytes, w, zero, channels)) * Double(scale[column]) + Double(bias[column])
                if c.residual == 1 { real += Double(floatResidual[at]) }
                if c.residual == 2 { real += (Double(byteResidual[at]) - 3) * 0.5 }
                real = activated(real, c.activation)
                if c.byteOutput {
                    let expected = min(max(real / Double(outStep) + Double(outZero), 0), 255)
                    // Half a step is what rounding may take; a little more where float32 falls on the other side.
                    #expect(abs(expected - Double(yBytes[at])) < 0.502, "at \(row), \(column)")
                } else {
                    expect(y[at], isNear: real, within: 1e-4, "at \(row), \(column)")
                }
            }
        }
    }

    /// The exact sum of products for one result.
    private func sum(
        _ row: Int, _ column: Int, _ c: Case, _ x: [UInt8], _ w: [Int8], _ zero: Int32, _ channels: Int
    ) -> Int {
        var total = 0
        for k in 0..<c.depth {
            var value = Int(zero)
            if c.kernel == 0 {
                value = Int(x[row * c.depth + k])
            } else {
                let sy = row / 5 + k / channels / 3 - 1, sx = row % 5 + k / channels % 3 - 1
                if 0..<4 ~= sy, 0..<5 ~= sx { value = Int(x[(sy * 5 + sx) * channels + k % channels]) }
            }
            total += value * Int(w[column * c.depth + k])
        }
        return total
    }

    private func withAddresses(
        _ a: [Float], _ b: [Float], _ c: [Float], _ d: [Float],
        _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>) -> Void
    ) {
        body(a, b, c, d)
    }
}

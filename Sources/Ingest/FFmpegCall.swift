internal import CFFmpeg
internal import Glibc

/// A C call of FFmpeg that said no.
struct FFmpegFailure: Error, Equatable {
    let call: String
    let code: Int32

    /// FFmpeg's own words.
    var reason: String {
        var text = [CChar](repeating: 0, count: 128)
        guard hcq_strerror(code, &text, text.count) == 0 else { return "error \(code)" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Turns a negative return code into an error on the line of the call.
@discardableResult
func check(_ call: String, _ code: Int32) throws(FFmpegFailure) -> Int32 {
    if code < 0 { throw FFmpegFailure(call: call, code: code) }
    return code
}

/// Silences FFmpeg's own log once: it writes to standard error and shows URLs with their passwords. Everything that a
/// user should know comes as `IngestError` or `IngestWarning`.
func silenceFFmpeg() { _ = silenced }

private let silenced: Void = av_log_set_callback { context, level, format, _ in
    FFmpegComplaints.hear(context, level: level, format: format)
}

extension FFmpegFailure {
    /// The error of a source for this failure.
    func ingestError(at location: Location, _ stage: IngestError.Stage, limit: Double, _ interruption: Interruption)
        -> IngestError
    {
        if interruption.isInterrupted { return .interrupted }
        let shown = location.shown
        // Whatever FFmpeg makes of it: the call ended because its time was up.
        if location.mayKeepSilent && interruption.isPastDeadline {
            return .timedOut(location: shown, stage: stage, seconds: limit)
        }
        switch code {
        case hcq_averror_exit(), hcq_averror(ETIMEDOUT):
            return .timedOut(location: shown, stage: stage, seconds: limit)
        case hcq_averror_http_unauthorized(), hcq_averror_http_forbidden(): return .unauthorized(location: shown)
        case hcq_averror_http_not_found(): return .noSuchStream(location: shown)
        case hcq_averror_protocol_not_found():
            if case .url(let scheme) = location.kind { return .unknownScheme(location: shown, scheme: scheme) }
        case hcq_averror(EIO) where stage == .connect:
            return .cannotConnect(location: shown, reason: "no such host, or the connection broke")
        case hcq_averror_eof() where location.kind == .pipe: return .emptyFile(location: shown)
        case hcq_averror(EACCES): return .accessDenied(location: shown)
        case hcq_averror_invaliddata() where stage != .read:
            if case .url(let scheme) = location.kind, !scheme.hasPrefix("http") {
                return .cannotConnect(location: shown, reason: "the server gave no proper answer")
            }
            return .unknownFormat(location: shown)
        default: break
        }
        if !location.isRemote { return .failed(location: shown, call: call, reason: reason) }
        return stage == .read
            ? .connectionLost(location: shown, reason: reason) : .cannotConnect(location: shown, reason: reason)
    }
}

/// A dictionary of options for FFmpeg.
struct FFmpegOptions {
    var raw: OpaquePointer?

    mutating func set(_ key: String, _ value: String) { av_dict_set(&raw, key, value, 0) }
    mutating func free() { av_dict_free(&raw) }
}

/// The name of a C string, or `unknown`.
func name(_ text: UnsafePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "unknown" }

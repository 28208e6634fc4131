internal import CFFmpeg
internal import Glibc

/// FFmpeg's own words for a return code.
func reason(_ code: Int32) -> String {
    var text = [CChar](repeating: 0, count: 128)
    guard hcq_strerror(code, &text, text.count) == 0 else { return "error \(code)" }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Turns a negative return code into an error on the line of the call.
@discardableResult
func check(_ call: String, _ code: Int32) throws(RenderingError) -> Int32 {
    if code < 0 { throw .failed(call: call, reason: reason(code)) }
    return code
}

/// The pointer of an allocation that fails only when memory is gone.
func allocated<Value>(_ call: String, _ pointer: UnsafeMutablePointer<Value>?) throws(RenderingError)
    -> UnsafeMutablePointer<Value>
{
    guard let pointer else { throw .failed(call: call, reason: "out of memory") }
    return pointer
}

/// Silences FFmpeg's own log once: everything that a user should know comes as `RenderingError`.
func silenceFFmpeg() { _ = silenced }

private let silenced: Void = av_log_set_level(AV_LOG_QUIET)

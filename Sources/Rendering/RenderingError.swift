/// Why a picture or a video could not be written.
public enum RenderingError: Error, Equatable {
    /// libavcodec was built without an encoder for this codec.
    case noEncoder(codec: String)
    /// The file or its folder refuses: missing, read-only, full.
    case cannotWrite(path: String, reason: String)
    /// FFmpeg failed in a way that has no case of its own.
    case failed(call: String, reason: String)
    /// The picture shows people, and nothing but redacted pictures may be written.
    case notRedacted
    /// A picture's format is beyond libswscale.
    case unreadablePicture(format: Int32)
}

extension RenderingError: CustomStringConvertible {
    /// What happened and what to do about it, in one line.
    public var description: String {
        switch self {
        case .noEncoder(let codec): "this libavcodec cannot write \(codec); install Debian's libavcodec59 with libx264"
        case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason); check folder, rights and space"
        case .failed(let call, let reason): "\(reason) (\(call))"
        case .notRedacted: "a picture that is not redacted was held back: the configuration says `redact: always`"
        case .unreadablePicture(let format): "pictures in pixel format \(format) cannot be drawn on"
        }
    }
}

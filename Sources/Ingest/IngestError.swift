/// Why a source could not be opened, or why it stopped. `location` never holds credentials.
public enum IngestError: Error, Equatable {
    /// No such file or folder.
    case notFound(location: String)
    /// The file exists and may not be read by this user.
    case accessDenied(location: String)
    /// The file has no bytes.
    case emptyFile(location: String)
    /// The bytes are those of a text.
    case isText(location: String)
    /// libavformat recognises nothing in the bytes.
    case unknownFormat(location: String)
    /// The index that an MP4 or MOV file needs was never written: the recording was cut off.
    case missingIndex(location: String)
    /// The index of an MP4 or MOV file comes after its pictures, where a pipe or a server gives every byte once.
    case indexAtEnd(location: String)
    /// There are streams, but no video among them.
    case noVideo(location: String, streams: [String])
    /// The folder or the pattern names no picture.
    case noPictures(location: String)
    /// libavcodec was built without a decoder for this codec.
    case noDecoder(location: String, codec: String)
    /// There is a video stream, and not one picture of it could be decoded.
    case nothingDecoded(location: String, errors: Int)
    /// The URL's scheme is not one that this libavformat speaks.
    case unknownScheme(location: String, scheme: String)
    /// A V4L2 device was asked for and libavdevice is not installed.
    case noDeviceSupport(location: String, library: String)
    /// The server or device could not be reached.
    case cannotConnect(location: String, reason: String)
    /// User name or password are wrong, or this user may not see the stream.
    case unauthorized(location: String)
    /// The server is there and knows no such stream.
    case noSuchStream(location: String)
    /// Nothing came within the time given for this stage; `picture`: data came, but no picture of it.
    case timedOut(location: String, stage: Stage, seconds: Double)
    /// The connection broke while it was read.
    case connectionLost(location: String, reason: String)
    /// The picture cannot be scaled: its size or format is beyond libswscale.
    case cannotScale(location: String, format: String, width: Int, height: Int)
    /// FFmpeg failed in a way that has no case of its own.
    case failed(location: String, call: String, reason: String)
    /// `interrupt()` was called.
    case interrupted

    /// What a source was doing.
    public enum Stage: String, Equatable, Sendable {
        case connect, probe, read, picture
    }
}

extension IngestError: CustomStringConvertible {
    /// What happened and what to do about it, in one line.
    public var description: String {
        switch self {
        case .notFound(let location): "\(location): no such file or folder; check the path"
        case .accessDenied(let location):
            "\(location): permission denied; make it readable for the user that runs hcqd"
        case .emptyFile(let location): "\(location): the file is empty; record or copy it again"
        case .isText(let location): "\(location): this is a text file; name a video, a folder of pictures or a URL"
        case .unknownFormat(let location):
            "\(location): not a video or picture that FFmpeg knows; `ffprobe` tells what it sees in the file"
        case .missingIndex(let location):
            "\(location): the recording was cut off before its index (moov) was written; "
                + "copy the whole file, or record to Matroska or fragmented MP4"
        case .indexAtEnd(let location):
            "\(location): the file's index (moov) comes after its pictures, "
                + "which a pipe or this server gives only once; rewrite it (ffmpeg -i FILE -c copy -movflags +faststart NEW.mp4), name the file itself "
                + "or use a server that answers range requests"
        case .noVideo(let location, let streams):
            "\(location): has no video\(streams.isEmpty ? "" : ", only " + streams.joined(separator: ", ")); "
                + "name a source with a video stream"
        case .noPictures(let location):
            "\(location): no pictures found (\(PictureList.extensions.joined(separator: ", "))); "
                + "check the folder or pattern"
        case .noDecoder(let location, let codec):
            "\(location): no decoder for \(codec) in this libavcodec; set the camera to H.264 or convert the file"
        case .nothingDecoded(let location, 0): "\(location): there is not one picture in it; record or copy it again"
        case .nothingDecoded(let location, let errors):
            "\(location): not one picture could be decoded "
                + "(\(errors) error\(errors == 1 ? "" : "s")); the file is damaged"
        case .unknownScheme(let location, let scheme):
            "\(location): '\(scheme)' is not a protocol of this libavformat; use rtsp, rtmp, http, https or a path"
        case .noDeviceSupport(let location, let library):
            "\(location): V4L2 devices need \(library); install Debian's package libavdevice59"
        case .cannotConnect(let location, let reason):
            location.hasPrefix("/dev/")
                ? "\(location): cannot be opened: \(reason); check that it is a camera and that no one else uses it"
                : "\(location): cannot connect: \(reason); check address, port and network"
        case .unauthorized(let location): "\(location): refused: check user name and password"
        case .noSuchStream(let location): "\(location): the server knows no such stream; check the path of the URL"
        case .timedOut(let location, .picture, let seconds):
            "\(location): no picture for \(decimal(seconds)) s although data came; does the camera send the codec that it announces?"
        case .timedOut(let location, let stage, let seconds):
            "\(location): nothing came for \(decimal(seconds)) s (\(stage.rawValue)); check the camera and the network"
        case .connectionLost(let location, let reason): "\(location): connection lost: \(reason)"
        case .cannotScale(let location, let format, let width, let height):
            "\(location): cannot scale pictures of \(width)x\(height) in format \(format)"
        case .failed(let location, let call, let reason): "\(location): \(reason) (\(call))"
        case .interrupted: "interrupted"
        }
    }
}

/// One digit after the point, none for whole numbers.
func decimal(_ value: Double) -> String {
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() && abs(tenths) < 1e15 ? String(Int64(tenths)) : String(tenths)
}

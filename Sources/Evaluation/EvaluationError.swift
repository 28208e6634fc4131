public import Scene

/// Why truth or results could not be read or compared.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
    /// A file could not be opened or read.
    case unreadable(path: String)
    /// A line of a text file is not what its format says; lines count from 1.
    case badLine(path: String, line: Int, expected: String)
    /// A file or folder has none of what is needed.
    case empty(path: String, expected: String)
    /// One id stands twice in a frame.
    case duplicateID(path: String, frame: Int, id: Int)
    /// A frame lies outside the sequence.
    case frameOutside(path: String, frame: Int, frames: Int)
    /// Truth and results do not belong together.
    case noResults(sequence: String, path: String)
    /// A JSON file is not of COCO's form.
    case badJSON(path: String, reason: String)
    /// A result names an image that the annotations do not have.
    case unknownImage(path: String, id: Int)
    /// Pictures that the annotations name are not in their folder; path and id are the first one's.
    case missingImages(path: String, id: Int, count: Int, of: Int)
    /// A picture is not of the size that the annotations state.
    case wrongSize(path: String, found: PixelSize, expected: PixelSize)
    /// A mask is not of its picture's size; `place` is such as `annotation 3`.
    case badMask(path: String, place: String, size: PixelSize)

    public var description: String {
        switch self {
        case .unreadable(let path):
            "\(path): cannot be read; check the path and its permissions"
        case .badLine(let path, let line, let expected):
            "\(path): line \(line) is not \(expected)"
        case .empty(let path, let expected):
            "\(path): found no \(expected)"
        case .duplicateID(let path, let frame, let id):
            "\(path): id \(id) stands twice in frame \(frame); ids must be unique within a frame"
        case .frameOutside(let path, let frame, let frames):
            "\(path): frame \(frame) lies outside the sequence, which has frames 1 to \(frames)"
        case .noResults(let sequence, let path):
            "\(path): no results for sequence \(sequence); expected \(sequence).txt there"
        case .badJSON(let path, let reason):
            "\(path): \(reason)"
        case .unknownImage(let path, let id):
            "\(path): image_id \(id) is not in the annotations; results and annotations must be of the same pictures"
        case .missingImages(let path, let id, let count, let all):
            "\(path): there is no such picture (image \(id)); \(count) of \(all) pictures are missing; "
                + "check --images and the annotations' file_name"
        case .wrongSize(let path, let found, let expected):
            "\(path): is \(found.width)x\(found.height) pixels, the annotations say \(expected.width)x\(expected.height)"
        case .badMask(let path, let place, let size):
            "\(path): \(place): segmentation does not fit its picture of \(size.width)x\(size.height)"
        }
    }
}

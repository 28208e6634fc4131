internal import Glibc

/// A file that is written from the beginning, in place: what is there may be a link or a device.
public final class OutputFile: Sendable {
    private let path: String
    private let descriptor: Int32

    /// - Parameter truncating: whether what the file holds is thrown away.
    /// - Throws: `ReplayError.cannotWrite`.
    public init(_ path: String, truncating: Bool = true) throws(ReplayError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (truncating ? O_TRUNC : 0), 0o666)
        if descriptor < 0 { throw failure() }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// - Throws: `ReplayError.cannotWrite`.
    public func write(_ text: String) throws(ReplayError) {
        guard writeAll(text, to: descriptor) else { throw failure() }
    }

    private func failure() -> ReplayError { .cannotWrite(path: path, reason: String(cString: strerror(errno))) }
}

/// - Returns: false when it could not be written; `errno` tells why.
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
    }
    return true
}

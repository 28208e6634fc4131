internal import Glibc

/// Standard output and standard error. They may be closed, lie on a full disk or be a pipe that nobody reads: then what is
/// said there is lost, and nothing else.
public enum StandardStream: Int32 {
    case output = 1
    case error = 2

    /// - Returns: false when it could not be written.
    @discardableResult
    public func write(_ text: String) -> Bool { writeAll(text, to: rawValue) }

    /// Writes what `print` still holds.
    /// - Returns: why that failed; nil when it did not.
    public static func flush() -> String? { fflush(nil) == 0 ? nil : String(cString: strerror(errno)) }

    /// Takes those of the descriptors 0 to 2 that are closed: else a log could get such a number, and what is said would
    /// be written into it.
    public static func takeClosed() {
        while true {
            let descriptor = open("/dev/null", O_RDWR)
            guard (0...2).contains(descriptor) else {
                if descriptor > 2 { close(descriptor) }
                return
            }
        }
    }
}

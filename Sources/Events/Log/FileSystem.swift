internal import Glibc

/// A call to the operating system that failed, with what it was asked to do.
public struct SystemFailure: Error, Equatable, CustomStringConvertible {
    public let call: String
    public let path: String
    /// `errno`.
    public let code: Int32

    public init(call: String, path: String, code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    public var description: String { "\(call) \(path): \(errorText(code))" }

    /// What to do about it.
    var advice: String {
        switch code {
        case EROFS: "; a service can write only where its unit says ReadWritePaths=, see systemctl edit hcqd"
        case ENOSPC, EDQUOT: "; make room, or have old logs removed in time: log.keep_free_bytes, log.keep_days"
        case EACCES: "; the user that hcqd runs as must be able to write there"
        default: ""
        }
    }
}

/// What one file is and how large, to notice that a path now leads elsewhere.
struct FileFacts: Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    /// Microseconds since 1970.
    var modified: Int64
    var isDirectory = false
}

/// The system calls that the event log makes, so that tests can put a failing disk under it.
///
/// Descriptors are plain numbers; `EINTR` never comes through.
protocol FileSystem: Sendable {
    /// `flags` as for open(2); `O_CLOEXEC` is added and a new file has mode 0640.
    func open(_ path: String, flags: Int32) throws(SystemFailure) -> Int32
    func close(_ descriptor: Int32)
    /// One write(2): maybe less than all, never nothing.
    func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>, path: String) throws(SystemFailure) -> Int
    /// Writes at an offset of a file that was not opened for appending.
    func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>, at offset: Int64, path: String) throws(SystemFailure)
    /// Fewer bytes than `count` only at the end of the file.
    func read(_ descriptor: Int32, at offset: Int64, count: Int, path: String) throws(SystemFailure) -> [UInt8]
    func truncate(_ descriptor: Int32, to size: Int64, path: String) throws(SystemFailure)
    /// fdatasync(2).
    func synchronize(_ descriptor: Int32, path: String) throws(SystemFailure)
    /// fsync(2) of a directory: names created, renamed and removed in it are durable.
    func synchronizeDirectory(_ path: String) throws(SystemFailure)
    func facts(_ descriptor: Int32, path: String) throws(SystemFailure) -> FileFacts
    /// nil when there is nothing at `path`.
    func facts(_ path: String) throws(SystemFailure) -> FileFacts?
    func rename(_ path: String, to newPath: String) throws(SystemFailure)
    func remove(_ path: String) throws(SystemFailure)
    /// Creates a directory (mode 0750) with those above it; fine when it is there.
    func makeDirectory(_ path: String) throws(SystemFailure)
    /// Names in a directory, sorted.
    func list(_ path: String) throws(SystemFailure) -> [String]
    /// Bytes that may still be written to the file system of `path`.
    func freeBytes(_ path: String) throws(SystemFailure) -> Int64
    /// Microseconds since 1970, by the clock that `FileFacts.modified` is told by.
    func utcNow() -> Int64
    /// false when another process holds the lock; the lock goes with the descriptor.
    func lock(_ descriptor: Int32, path: String) throws(SystemFailure) -> Bool
}

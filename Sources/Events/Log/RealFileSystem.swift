internal import Glibc

/// The operating system's own file system.
struct RealFileSystem: FileSystem {
    func open(_ path: String, flags: Int32) throws(SystemFailure) -> Int32 {
        let descriptor = try check("open", path) { Glibc.open(path, flags | O_CLOEXEC, 0o640) }
        // The log's mode is 0640 whatever the umask takes away from others; nobody else may gain by it.
        if flags & O_CREAT != 0, flags & O_EXCL != 0 { _ = fchmod(descriptor, 0o640) }
        return descriptor
    }

    /// Also gives a lock free: closing alone leaves it with the copy that a program has which is just being started.
    func close(_ descriptor: Int32) {
        _ = flock(descriptor, LOCK_UN)
        _ = Glibc.close(descriptor)
    }

    func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>, path: String) throws(SystemFailure) -> Int {
        try check("write", path) { bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } }
    }

    func write(
        _ descriptor: Int32, _ bytes: ArraySlice<UInt8>, at offset: Int64, path: String
    ) throws(SystemFailure) {
        var rest = bytes
        var position = offset
        while !rest.isEmpty {
            let count = try check("pwrite", path) {
                rest.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(position)) }
            }
            rest = rest.dropFirst(count)
            position += Int64(count)
        }
    }

    func read(_ descriptor: Int32, at offset: Int64, count: Int, path: String) throws(SystemFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = try check("read", path) {
                bytes.withUnsafeMutableBytes {
                    pread(descriptor, $0.baseAddress! + filled, count - filled, off_t(offset) + off_t(filled))
                }
            }
            if got == 0 { break }
            filled += got
        }
        return Array(bytes.prefix(filled))
    }

    /// What comes next from a file or a pipe; empty at the end.
    func readNext(_ descriptor: Int32, count: Int, path: String) throws(SystemFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try check("read", path) {
            bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, count) }
        }
        return Array(bytes.prefix(got))
    }

    func truncate(_ descriptor: Int32, to size: Int64, path: String) throws(SystemFailure) {
        _ = try check("ftruncate", path) { ftruncate(descriptor, off_t(size)) }
    }

    func synchronize(_ descriptor: Int32, path: String) throws(SystemFailure) {
        _ = try check("fdatasync", path) { fdatasync(descriptor) }
    }

    func synchronizeDirectory(_ path: String) throws(SystemFailure) {
        let descriptor = try check("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(descriptor) }
        _ = try check("fsync", path) { fsync(descriptor) }
    }

    func facts(_ descriptor: Int32, path: String) throws(SystemFailure) -> FileFacts {
        var status = stat()
        _ = try check("fstat", path) { fstat(descriptor, &status) }
        return FileFacts(status)
    }

    func facts(_ path: String) throws(SystemFailure) -> FileFacts? {
        var status = stat()
        do {
            _ = try check("stat", path) { stat(path, &status) }
        } catch  where error.code == ENOENT {
            return nil
        }
        return FileFacts(status)
    }

    func rename(_ path: String, to newPath: String) throws(SystemFailure) {
        _ = try check("rename", path) { Glibc.rename(path, newPath) }
    }

    func remove(_ path: String) throws(SystemFailure) { _ = try check("unlink", path) { unlink(path) } }

    func makeDirectory(_ path: String) throws(SystemFailure) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(part) : "/" + part
            if try facts(prefix)?.isDirectory == true { continue }
            do {
                _ = try check("mkdir", prefix) { mkdir(prefix, 0o750) }
            } catch  where error.code == EEXIST {
                if try facts(prefix)?.isDirectory != true {
                    throw SystemFailure(call: "mkdir", path: prefix, code: ENOTDIR)
                }
            }
        }
    }

    func list(_ path: String) throws(SystemFailure) -> [String] {
        guard let directory = opendir(path) else { throw SystemFailure(call: "opendir", path: path, code: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func freeBytes(_ path: String) throws(SystemFailure) -> Int64 {
        var status = statvfs()
        _ = try check("statvfs", path) { statvfs(path, &status) }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }

    func utcNow() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    func lock(_ descriptor: Int32, path: String) throws(SystemFailure) -> Bool {
        do {
            _ = try check("flock", path) { flock(descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch  where error.code == EWOULDBLOCK {
            return false
        }
    }

    private func check<Count: SignedInteger>(
        _ call: String, _ path: String, _ body: () -> Count
    ) throws(SystemFailure) -> Count {
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemFailure(call: call, path: path, code: errno) }
        }
    }
}

extension FileFacts {
    fileprivate init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000,
            isDirectory: status.st_mode & S_IFMT == S_IFDIR)
    }
}

/// `strerror`, which names a code in words.
func errorText(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    _ = strerror_r(code, &buffer, buffer.count)
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}

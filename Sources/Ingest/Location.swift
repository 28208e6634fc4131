internal import Glibc

/// What a user named: a file, pictures, a device or a URL.
struct Location {
    enum Kind: Equatable {
        case file
        /// The files, in order.
        case pictures([String])
        case device
        /// Named or not: somebody else writes what is read.
        case pipe
        case url(scheme: String)
    }

    let text: String
    let kind: Kind
    /// For people and logs: never holds credentials.
    let shown: String

    /// Looks at the file system; a URL is not contacted.
    /// - Parameter shown: What people see of it; nil is `text` without credentials as far as they can be told apart.
    init(_ text: String, shown: String? = nil) throws(IngestError) {
        self.text = text
        let shown = shown ?? redactedURL(text)
        self.shown = shown
        if let scheme = urlScheme(of: text), scheme != "file" {
            kind = .url(scheme: scheme)
            return
        }
        let path = Self.path(text)
        var facts = stat()
        if stat(path, &facts) != 0 {
            if path.contains(where: { "*?[".contains($0) }) {
                kind = .pictures(try PictureList.matching(pattern: path))
                return
            }
            throw errno == EACCES ? .accessDenied(location: shown) : .notFound(location: shown)
        }
        switch facts.st_mode & S_IFMT {
        case S_IFDIR: kind = .pictures(try PictureList.folder(path))
        case S_IFCHR where Self.isCamera(facts.st_rdev): kind = .device
        case S_IFIFO:
            if access(path, R_OK) != 0 { throw .accessDenied(location: shown) }
            kind = .pipe
        default:
            if access(path, R_OK) != 0 { throw .accessDenied(location: shown) }
            if facts.st_mode & S_IFMT == S_IFREG && facts.st_size == 0 { throw .emptyFile(location: shown) }
            kind = .file
        }
    }

    /// Whether a character device is one of video4linux; others, such as /dev/null, are read as files.
    static func isCamera(_ device: dev_t) -> Bool { (device >> 8) & 0xfff == 81 }

    /// What libavformat is given: `file:` keeps a colon in a file's name from being read as a protocol.
    var url: String {
        switch kind {
        case .file: text.hasPrefix("file:") ? text : "file:" + text
        case .url(let scheme): scheme + text.dropFirst(scheme.count)
        default: text
        }
    }

    /// The path of a file without `file:`.
    private static func path(_ text: String) -> String {
        text.hasPrefix("file:") ? String(text.dropFirst(text.hasPrefix("file://") ? 7 : 5)) : text
    }

    /// The path of a file, folder, device or pipe.
    var path: String { Self.path(text) }

    /// Whether a network or a device is read, which can fail where a file ends.
    var isRemote: Bool {
        switch kind {
        case .file, .pictures, .pipe: false
        case .device, .url: true
        }
    }

    /// Whether it is reached over HTTP or HTTPS.
    var isWeb: Bool {
        if case .url(let scheme) = kind { scheme.hasPrefix("http") } else { false }
    }

    /// Whether reading may wait for ever and so needs deadlines.
    var mayKeepSilent: Bool { isRemote || kind == .pipe }

    /// Whether this kind of source runs in real time, as far as the name tells; HTTP is decided by the duration.
    var isRealTime: Bool {
        switch kind {
        case .device: true
        case .url(let scheme): ["rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "rtp", "udp", "tcp", "srt"].contains(scheme)
        default: false
        }
    }
}

/// What stands before `://`, in small letters; nil when the text is no URL.
public func urlScheme(of text: String) -> String? {
    guard let mark = text.firstRange(of: "://") else { return nil }
    let scheme = text[..<mark.lowerBound]
    guard let first = scheme.first, first.isLetter,
        scheme.allSatisfy({ $0.isLetter || $0.isNumber || "+-.".contains($0) })
    else { return nil }
    return scheme.lowercased()
}

/// The protocols by which cameras and servers are reached.
public let knownSchemes = ["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "rtp", "udp", "tcp", "file"]

/// A URL as it may be shown: user name and password, values of query keys that sound secret, and the stream key of RTMP
/// become `***`.
public func redactedURL(_ text: String) -> String {
    guard let mark = text.firstRange(of: "://") else {
        // A URL whose scheme was forgotten.
        return text.firstMatch(of: /^[^\/:@]+:.*@/).map { "***@" + text[$0.range.upperBound...] } ?? text
    }
    let scheme = text[..<mark.upperBound]
    var rest = text[mark.upperBound...]
    var query: Substring = ""
    // A password may hold anything, also a '?': what stands before the last '@' of the authority is never shown.
    let authorityEnd = rest.firstIndex(where: { "/?#".contains($0) }) ?? rest.endIndex
    let authority = rest[..<authorityEnd]
    let port = authority.lastIndex(of: ":").map { authority[authority.index(after: $0)...] }
    let portIsSound = port.map { $0.allSatisfy(\.isNumber) || authority.hasSuffix("]") } ?? true
    // Paths of web servers may well hold an @; those of cameras hardly ever.
    let isWeb = scheme.lowercased().hasPrefix("http")
    let searched = authority.contains("@") ? authority : portIsSound && isWeb ? "" : rest
    if let at = searched.lastIndex(of: "@") { rest = "***" + rest[at...] }
    if let mark = rest.firstIndex(of: "?") {
        query = rest[mark...].dropFirst()
        rest = rest[...mark]
    }
    if scheme.lowercased().hasPrefix("rtmp") { rest = withoutStreamKey(rest) }
    // Servers of SRT read user names and passwords from the stream's name.
    let secrets = ["pass", "pwd", "token", "key", "auth", "secret", "sig", "user", "login", "credential", "streamid"]
    let fields = query.split(separator: "&", omittingEmptySubsequences: false).map { field -> String in
        guard let equals = field.firstIndex(of: "=") else { return String(field) }
        let name = field[..<equals].lowercased()
        return secrets.contains(where: { name.contains($0) }) ? "\(field[..<equals])=***" : String(field)
    }
    return scheme + rest + fields.joined(separator: "&")
}

/// RTMP's `HOST/APPLICATION/KEY` as `HOST/APPLICATION/***`; a path of one part is a key.
private func withoutStreamKey(_ rest: Substring) -> Substring {
    guard let slash = rest.firstIndex(of: "/") else { return rest }
    let path = rest[rest.index(after: slash)...]
    let end = path.lastIndex(of: "?") ?? path.endIndex
    let key = path[..<end].firstIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    return key == end ? rest : rest[..<key] + "***" + rest[end...]
}

/// Pictures as a stream: the files of a folder or of a pattern, in natural order (`2.png` before `10.png`).
enum PictureList {
    static let extensions = ["jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "ppm", "pgm", "pnm", "gif"]

    /// The files of a folder whose names end like a picture's.
    static func folder(_ path: String) throws(IngestError) -> [String] {
        guard let directory = opendir(path) else {
            throw errno == EACCES ? .accessDenied(location: path) : .notFound(location: path)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard !name.hasPrefix("."), let dot = name.lastIndex(of: ".") else { continue }
            if extensions.contains(name[name.index(after: dot)...].lowercased()) { names.append(name) }
        }
        if names.isEmpty { throw .noPictures(location: path) }
        let prefix = path.hasSuffix("/") ? path : path + "/"
        return names.sorted(by: inNaturalOrder).map { prefix + $0 }
    }

    /// The regular files that a shell pattern names, whatever their names end in.
    static func matching(pattern: String) throws(IngestError) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, GLOB_TILDE, nil, &found) == 0 else { throw .noPictures(location: pattern) }
        var paths: [String] = []
        for i in 0..<Int(found.gl_pathc) {
            guard let path = found.gl_pathv[i] else { continue }
            var facts = stat()
            if stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG { paths.append(String(cString: path)) }
        }
        if paths.isEmpty { throw .noPictures(location: pattern) }
        return paths.sorted(by: inNaturalOrder)
    }

    /// Compares digits by value and everything else byte by byte.
    static func inNaturalOrder(_ a: String, _ b: String) -> Bool {
        var (x, y) = (Substring(a).utf8[...], Substring(b).utf8[...])
        func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
        while let p = x.first, let q = y.first {
            if isDigit(p) && isDigit(q) {
                let (m, n) = (x.prefix(while: isDigit), y.prefix(while: isDigit))
                let (i, j) = (m.drop { $0 == 48 }, n.drop { $0 == 48 })
                if i.count != j.count { return i.count < j.count }
                if !i.elementsEqual(j) { return i.lexicographicallyPrecedes(j) }
                (x, y) = (x.dropFirst(m.count), y.dropFirst(n.count))
            } else {
                if p != q { return p < q }
                (x, y) = (x.dropFirst(), y.dropFirst())
            }
        }
        return x.isEmpty && y.isEmpty ? a < b : x.isEmpty
    }
}

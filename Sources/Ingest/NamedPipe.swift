internal import Glibc

/// A pipe that somebody else writes into, opened without waiting for them: that could not be given up.
final class NamedPipe {
    private let descriptor: Int32

    init(_ location: Location) throws(IngestError) {
        descriptor = open(location.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 {
            throw errno == EACCES ? .accessDenied(location: location.shown) : .notFound(location: location.shown)
        }
    }

    deinit { close(descriptor) }

    /// What libavformat is given; where there are no bytes it asks again and again, and `Interruption` in between.
    var url: String { "pipe:\(descriptor)" }

    /// Before the first writer has come, a pipe looks as if it had ended.
    func waitForBytes(_ interruption: Interruption) {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while !interruption.isInterrupted, !interruption.isPastDeadline, poll(&wanted, 1, 50) <= 0 {}
    }
}

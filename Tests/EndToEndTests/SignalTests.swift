import Foundation
import TestTools
import Testing

/// Signals that come while the daemon starts.
@Suite struct SignalTests {
    /// The configuration comes through a pipe that keeps the daemon in its start until the signals were sent; the file that
    /// takes the pipe's place has a camera more.
    @Test func whatIsAskedForDuringStartUpIsDoneAfterIt() throws {
        let folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        for (file, cameras) in [
            ("first", "  door: {url: \"rtsp://127.0.0.1:9/\"}\n"),
            ("second", "  door: {url: \"rtsp://127.0.0.1:9/\"}\n  yard: {url: \"rtsp://127.0.0.1:9/\"}\n"),
        ] {
            try LiveDaemon.yaml(cameras: cameras, port: 0, folder: folder).write(
                toFile: folder.path(file), atomically: true, encoding: .utf8)
        }
        let script = """
            mkfifo c.yaml
            "$0" run --config c.yaml 2>journal &
            exec 3>c.yaml
            kill -HUP $!
            kill -USR1 $!
            cat first >&3
            mv second c.yaml
            exec 3>&-
            for i in $(seq 300); do
                grep -q "read again" journal && grep -q "opened anew" journal && break
                sleep 0.1
            done
            kill -TERM $!
            wait $!
            """
        let outcome = try Hcqd.run(
            "/usr/bin/timeout", ["-k", "1", "90", "/bin/sh", "-c", script, Hcqd.binary.path], in: folder)
        let journal = String(decoding: try folder.data("journal"), as: UTF8.self)
        #expect(outcome.status == 0, "\(journal)\(outcome.errors)")
        #expect(journal.contains("ready: 1 camera,"), "\(journal)")
        #expect(journal.contains("configuration read again: 2 cameras,"), "\(journal)")
        #expect(journal.contains("logs opened anew"), "\(journal)")
    }
}

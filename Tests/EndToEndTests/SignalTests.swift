import Foundation
import TestTools
import Testing

/// Signals at odd moments.
@Suite struct SignalTests {
    @Test func aReplayThatNohupStartedOutlivesItsTerminal() throws {
        let folder = try Scratch()
        _ = try Hcqd.model(in: folder)
        try folder.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=5:duration=4", "clip.avi")
        // It reads a pipe that is closed after the signal.
        let script = """
            mkfifo clip
            nohup "$0" --replay clip --camera door --model net.safetensors --output out 2>journal >/dev/null &
            exec 3>clip
            head -c 20000 clip.avi >&3
            sleep 1
            kill -HUP $!
            tail -c +20001 clip.avi >&3
            exec 3>&-
            wait $!
            """
        let outcome = try Hcqd.run(
            "/usr/bin/timeout", ["-k", "1", "60", "/bin/sh", "-c", script, Hcqd.binary.path], in: folder)
        let journal = String(decoding: try folder.data("journal"), as: UTF8.self)
        #expect(outcome.status == 0, "\(journal)\(outcome.errors)")
    }

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

import Testing

@testable import Ingest

@Suite struct LocationTests {
    @Test(arguments: [
        ("rtsp://ann:secret@cam.local:554/live", "rtsp://***@cam.local:554/live"),
        ("rtsp://ann@cam.local/live", "rtsp://***@cam.local/live"),
        ("rtsp://ann:p@ss@cam.local/live", "rtsp://***@cam.local/live"),
        ("rtsp://ann:pa/ss@cam.local/live", "rtsp://***@cam.local/live"),
        ("rtsp://ann:pa?ss@cam.local/live", "rtsp://***@cam.local/live"),
        ("rtsp://ann:12/3@cam.local/live", "rtsp://***@cam.local/live"),
        ("http://cam.local/v.cgi?user=ann&pwd=secret&res=1", "http://cam.local/v.cgi?user=***&pwd=***&res=1"),
        ("http://cam.local/a@2x.mp4", "http://cam.local/a@2x.mp4"),
        ("http://cam.local:8080/a@2x.mp4", "http://cam.local:8080/a@2x.mp4"),
        ("http://[::1]:80/x", "http://[::1]:80/x"), ("rtsp://cam/s?Access_Token=abc", "rtsp://cam/s?Access_Token=***"),
        ("rtmp://cam.local/app/KEY", "rtmp://cam.local/app/***"), ("RTMPS://cam:19/a/b/KEY", "RTMPS://cam:19/a/***"),
        ("rtmp://ann:pa/ss@cam/app/KEY?a=b&sig=c", "rtmp://***@cam/app/***?a=b&sig=***"),
        ("rtmp://cam.local/KEY", "rtmp://cam.local/***"), ("rtmp://cam.local/app/", "rtmp://cam.local/app/"),
        ("rtmp://cam.local", "rtmp://cam.local"), ("rtmp://cam.local/", "rtmp://cam.local/"),
        ("rtmp://[::1]:1935/app/KEY/", "rtmp://[::1]:1935/app/***"), ("rtmp://cam/a/K@Y", "rtmp://***@Y"),
        ("srt://cam.local:9?streamid=read:a:ann:secret&mode=caller", "srt://cam.local:9?streamid=***&mode=caller"),
        ("ann:secret@cam.local/live", "***@cam.local/live"), ("ann:p/a@ss@cam.local", "***@cam.local"),
        ("clip.mp4", "clip.mp4"), ("/a/b@c.mp4", "/a/b@c.mp4"),
    ])
    func credentialsAreNeverShown(url: String, shown: String) {
        #expect(redactedURL(url) == shown)
    }

    @Test func naturalOrderCountsDigits() {
        let names = ["10.png", "2.png", "a10b2.png", "a2b10.png", "a2b9.png", "002.png", "1.png", "b.png"]
        #expect(
            names.sorted(by: PictureList.inNaturalOrder) == [
                "1.png", "002.png", "2.png", "10.png", "a2b9.png", "a2b10.png", "a10b2.png", "b.png",
            ])
    }

    @Test func kindIsSeenFromTheName() throws {
        #expect(try Location("rtsp://cam/x").kind == .url(scheme: "rtsp"))
        #expect(try Location("rtmp://h/live/s3cret", shown: "rtmp://h/live/${KEY}").shown == "rtmp://h/live/${KEY}")
        #expect(throws: IngestError.notFound(location: "${FILE}")) { _ = try Location("/no/s3cret", shown: "${FILE}") }
        #expect(try Location("RTSP://Cam/X").kind == .url(scheme: "rtsp"))
        #expect(try Location("RTSP://Cam/X").url == "rtsp://Cam/X")
        #expect(try Location("/dev/null").kind == .file)
        #expect(Location.isCamera(81 << 8 | 3) && !Location.isCamera(1 << 8 | 81))
        #expect(try Location(#filePath).kind == .file)
        #expect(try Location("file://" + #filePath).kind == .file)
        #expect(throws: IngestError.notFound(location: "no:such file")) { _ = try Location("no:such file") }
    }
}

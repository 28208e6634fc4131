import Pipeline
import Testing

struct ReplayOptionsTests {
    @Test(arguments: [
        ("clips/door.mp4", "door"), ("door.2026-01-31.mp4", "door.2026-01-31"), ("clips/door", "door"),
        ("frames/", "frames"), ("clips/frames/*.jpg", "frames"), ("*.png", "clip"), ("./*.png", "clip"), ("/", "clip"),
        (".hidden", ".hidden"), ("file:door.mp4", "door"), ("http://192.0.2.1/door.mp4?x=1", "door"),
    ])
    func theCameraHasTheNameOfTheClip(clip: String, name: String) {
        #expect(ReplayOptions(clip: clip, output: .standardOutput).cameraName == name)
    }

    @Test func filesCanBeNamedAfterTheClipHoweverLongItsNameIs() {
        for letter in ["a", "\u{fc}", "\u{65e5}"] {
            var options = ReplayOptions(clip: String(repeating: letter, count: 250) + ".mp4", output: .directory("d"))
            options.snapshots = true
            let length = options.pictureDirectory?.dropFirst(2).utf8.count ?? 0
            #expect((180...200).contains(length))
        }
    }
}

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
}

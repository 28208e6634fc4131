import Foundation
import TestTools
import Testing

/// Pages in headless Chromium; `make check` has the live page too.
@Suite struct PageTests {
    @Test func zonesAreDrawnAndTheirYAMLIsAccepted() throws {
        guard let python = ProcessInfo.processInfo.environment["HCQD_PYTHON"],
            FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium")
        else {
            print(
                "left out: nothing is drawn in a browser, because HCQD_PYTHON names no interpreter or Chromium is not installed"
            )
            return
        }
        let folder = try Scratch()
        let tool = Hcqd.project.appendingPathComponent("Tests/Tools/zones_page.py").path
        let drawn = try Hcqd.run(python, [tool, Hcqd.binary.path, Hcqd.clip, folder.path("zones.png")], in: folder)
        #expect(drawn.status == 0, "\(drawn.text)\(drawn.errors)")
    }
}

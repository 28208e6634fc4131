internal import FlyingFox
internal import Foundation

/// The pages' own files, `Sources/Pipeline/Web`, which are part of the program.
enum WebFiles {
    /// nil when there is no such file.
    static func answer(_ name: String) -> HTTPResponse? {
        switch name {
        case "live.html": .content("text/html; charset=utf-8", Data(PackageResources.live_html))
        case "live.css": .content("text/css", Data(PackageResources.live_css))
        case "live.js": .content("text/javascript", Data(PackageResources.live_js))
        case "zones.html": .content("text/html; charset=utf-8", Data(PackageResources.zones_html))
        case "zones.css": .content("text/css", Data(PackageResources.zones_css))
        case "zones.js": .content("text/javascript", Data(PackageResources.zones_js))
        case "drawing.js": .content("text/javascript", Data(PackageResources.drawing_js))
        case "form.js": .content("text/javascript", Data(PackageResources.form_js))
        case "places.js": .content("text/javascript", Data(PackageResources.places_js))
        case "stills.js": .content("text/javascript", Data(PackageResources.stills_js))
        default: nil
        }
    }
}

internal import Foundation
internal import Scene

/// Where things stand on the broker; names as Frigate has them where the meaning is the same.
struct MQTTTopics {
    let prefix: String

    /// `online` or `offline`, retained; also the last will.
    var available: String { "\(prefix)/available" }
    /// Every line of every camera's log.
    var events: String { "\(prefix)/events" }
    /// Number of people being followed, retained.
    func people(_ camera: String) -> String { "\(prefix)/\(camera)/person" }
    /// Number of people in a zone, retained.
    func people(_ camera: String, zone: String) -> String { "\(prefix)/\(camera)/\(Self.level(zone))/person" }
    /// `online` or `offline`, retained.
    func status(_ camera: String) -> String { "\(prefix)/\(camera)/status" }

    /// Topics and what they hold while things are so.
    func presence(_ presence: PresenceBoard.Presence, of camera: MQTTService.Camera) -> [(topic: String, text: String)]
    {
        let zones = camera.zones.map { (people(camera.name, zone: $0), "\(presence.zones[$0] ?? 0)") }
        return [
            (status(camera.name), presence.isOnline ? "online" : "offline"),
            (people(camera.name), "\(presence.people.count)"),
        ] + zones
    }

    /// Every topic in which something is retained for these cameras.
    func retained(of cameras: [MQTTService.Camera], discovers: Bool) -> [String] {
        [available]
            + cameras.flatMap { camera in
                let found = discovers ? discovery(of: camera.name, zones: camera.zones).map(\.topic) : []
                return found + [people(camera.name), status(camera.name)]
                    + camera.zones.map { people(camera.name, zone: $0) }
            }
    }

    /// What Home Assistant reads to know a camera's sensors. Source: its documentation, MQTT discovery.
    func discovery(of camera: String, zones: [String]) -> [(topic: String, payload: [UInt8])] {
        let id = "hcqd_" + Self.identifier(camera)
        let device: [String: Any] = ["identifiers": [id], "name": camera, "manufacturer": "hcqd", "model": "camera"]
        var sensors: [(kind: String, key: String, config: [String: Any])] = [
            ("sensor", "people", ["name": "People", "state_topic": people(camera), "icon": "mdi:account-multiple"]),
            (
                "binary_sensor", "online",
                [
                    "name": "Online", "state_topic": status(camera), "payload_on": "online", "payload_off": "offline",
                    "device_class": "connectivity",
                ]
            ),
        ]
        for zone in zones {
            let key = "people_" + Self.identifier(zone)
            sensors.append(
                (
                    "sensor", key,
                    [
                        "name": "People in \(zone)", "state_topic": people(camera, zone: zone),
                        "icon": "mdi:account-group",
                    ]
                ))
        }
        return sensors.compactMap { sensor in
            var config = sensor.config
            config["unique_id"] = "\(id)_\(sensor.key)"
            config["object_id"] = "\(id)_\(sensor.key)"
            config["availability_topic"] = available
            config["device"] = device
            guard
                let json = try? JSONSerialization.data(
                    withJSONObject: config, options: [.sortedKeys, .withoutEscapingSlashes])
            else { return nil }
            return ("homeassistant/\(sensor.kind)/\(id)/\(sensor.key)/config", Array(json))
        }
    }

    /// A name in letters, digits and `_`, which is all that Home Assistant takes; names that differ stay different.
    private static func identifier(_ name: String) -> String {
        let plain = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        if plain == name { return name }
        // FNV-1a, 32 bits.
        let hash = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return "\(plain)_\(String(hash, radix: 36))"
    }

    /// A name as one level of a topic.
    private static func level(_ name: String) -> String { String(name.map { "/+#".contains($0) ? "_" : $0 }) }
}

internal import Events
internal import Foundation
internal import Scene

/// The text that Prometheus reads. Names carry their unit; source: Prometheus' exposition format 0.0.4.
struct Metrics {
    private var text = ""

    /// Everything that the daemon counts.
    /// - Parameters:
    ///   - hooks: nil while nothing is called.
    ///   - mqtt: nil while no broker is used.
    static func text(
        of cameras: [CameraPipeline], startedAt: Double, stuck: [String], hooks: HookTally.Counts?,
        mqtt: MQTTTally.Counts?
    ) -> String {
        var metrics = Metrics()
        metrics.process(startedAt: startedAt, stuck: stuck)
        let rows = cameras.map { (camera: $0, totals: $0.counters.totals, status: $0.log?.status) }
        func each(_ value: (CameraCounters.Totals) -> Double) -> [([(String, String)], Double)] {
            rows.map { ([("camera", $0.camera.id.name)], value($0.totals)) }
        }
        metrics.family(
            "hcqd_camera_online", "gauge", "Whether frames come from the camera.",
            rows.map {
                var isOnline = false
                if case .online = $0.camera.state { isOnline = true }
                return ([("camera", $0.camera.id.name)], isOnline ? 1 : 0)
            })
        metrics.family(
            "hcqd_frames_received_total", "counter", "Frames that came from the camera.", each { Double($0.framesIn) })
        metrics.family(
            "hcqd_frames_inferred_total", "counter", "Frames that went through the network.",
            each { Double($0.framesInferred) })
        metrics.family(
            "hcqd_frames_skipped_total", "counter", "Frames left out, by reason.",
            rows.flatMap { row in
                SkipReason.allCases.map {
                    ([("camera", row.camera.id.name), ("reason", $0.rawValue)], Double(row.totals.skipped[$0] ?? 0))
                }
            })
        metrics.family(
            "hcqd_decode_errors_total", "counter", "Packets that could not be decoded.",
            each { Double($0.decodeErrors) })
        metrics.family(
            "hcqd_reconnects_total", "counter", "Connections that were lost or failed.", each { Double($0.reconnects) })
        metrics.family("hcqd_people", "gauge", "People seen in the last frame.", each { Double($0.people) })
        metrics.family(
            "hcqd_inference_seconds_total", "counter", "Time spent in the network.", each { $0.inferenceSeconds })
        metrics.summary(
            "hcqd_latency_seconds", "Time from a frame's arrival to its events.", sums: each { $0.latencySum },
            counts: each { Double($0.latencyCount) })
        metrics.family(
            "hcqd_events_total", "counter", "Lines given to the event log, by type.",
            rows.flatMap { row in
                row.totals.events.sorted { $0.key < $1.key }.map {
                    ([("camera", row.camera.id.name), ("type", $0.key)], Double($0.value))
                }
            })
        metrics.family(
            "hcqd_log_waiting_lines", "gauge", "Lines that wait for the disk.",
            rows.map { ([("camera", $0.camera.id.name)], Double($0.status?.waitingLines ?? 0)) })
        metrics.family(
            "hcqd_log_lost_lines_total", "counter", "Lines that had no room in memory while the disk failed.",
            rows.map { ([("camera", $0.camera.id.name)], Double($0.status?.totalLost ?? 0)) })
        metrics.family(
            "hcqd_log_healthy", "gauge", "Whether the last write to the event log worked.",
            rows.map { ([("camera", $0.camera.id.name)], $0.status != nil && $0.status?.failure == nil ? 1 : 0) })
        if let hooks { metrics.calls(hooks) }
        if let mqtt { metrics.broker(mqtt, ends: rows.map { ($0.camera.id.name, $0.status?.nextSequence) }) }
        return metrics.text
    }

    private mutating func calls(_ hooks: HookTally.Counts) {
        family(
            "hcqd_hook_calls_total", "counter", "Calls of the hook for events, by what became of them.",
            [("delivered", hooks.done), ("failed", hooks.failed), ("dropped", hooks.dropped)].map {
                ([("result", $0.0)], Double($0.1))
            })
        family("hcqd_hook_waiting_events", "gauge", "Events that wait for the hook.", [([], Double(hooks.waiting))])
    }

    /// - Parameter ends: Each camera's name and the number of its log's next line.
    private mutating func broker(_ mqtt: MQTTTally.Counts, ends: [(camera: String, next: UInt64?)]) {
        family("hcqd_mqtt_connected", "gauge", "Whether the broker is connected.", [([], mqtt.isConnected ? 1 : 0)])
        family(
            "hcqd_mqtt_delivered_events_total", "counter", "Lines of event logs that the broker has taken.",
            [([], Double(mqtt.delivered))])
        family(
            "hcqd_mqtt_failures_total", "counter", "Connections to the broker that were lost or did not come about.",
            [([], Double(mqtt.failures))])
        family(
            "hcqd_mqtt_waiting_events", "gauge", "Lines of the event log that the broker has not taken yet.",
            ends.compactMap { camera, next in
                guard let next, let position = mqtt.positions[camera] else { return nil }
                return ([("camera", camera)], Double(next > position ? next - position : 0))
            })
    }

    private mutating func process(startedAt: Double, stuck: [String]) {
        family("hcqd_uptime_seconds", "gauge", "Time since the daemon started.", [([], monotonicSeconds() - startedAt)])
        family("hcqd_stuck_loops", "gauge", "Loops that are past their time.", [([], Double(stuck.count))])
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        if fields.count > 1, let pages = Double(fields[1]) {
            family(
                "hcqd_resident_memory_bytes", "gauge", "Memory that the system gives it.",
                [([], pages * Double(sysconf(Int32(_SC_PAGESIZE))))])
        }
        family("hcqd_heap_in_use_bytes", "gauge", "Memory that the program holds.", [([], Double(Heap.bytesInUse))])
        if let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            family("hcqd_open_descriptors", "gauge", "Open file descriptors.", [([], Double(descriptors.count))])
        }
    }

    private mutating func family(
        _ name: String, _ type: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]
    ) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        add(name, samples)
    }

    private mutating func summary(
        _ name: String, _ help: String, sums: [(labels: [(String, String)], value: Double)],
        counts: [(labels: [(String, String)], value: Double)]
    ) {
        guard !counts.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) summary\n"
        add(name + "_sum", sums)
        add(name + "_count", counts)
    }

    private mutating func add(_ name: String, _ samples: [(labels: [(String, String)], value: Double)]) {
        for sample in samples {
            let labels = sample.labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
            let isWhole = sample.value == sample.value.rounded() && abs(sample.value) < 1e15
            text +=
                "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(isWhole ? String(Int64(sample.value)) : String(sample.value))\n"
        }
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

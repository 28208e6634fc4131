internal import CMosquitto
internal import Foundation
internal import Synchronization

/// Why there is no connection to the broker.
struct MQTTError: Error, Equatable, CustomStringConvertible {
    let call: String
    let reason: String

    var description: String { "\(call): \(reason)" }

    init(_ call: String, _ code: Int32) {
        self.call = call
        reason =
            code == Int32(MOSQ_ERR_ERRNO.rawValue)
            ? String(cString: strerror(errno)) : String(cString: mosquitto_strerror(code))
    }
}

/// A client of a broker, over all its connections: what was on its way when one broke is sent again over the next.
/// Used from one thread.
final class MQTTSession {
    /// Values for `MQTTSession.run`'s callbacks, which come on the thread that calls it.
    private final class Notes {
        var isConnected = false
        var refusal: Int32?
        var acknowledged: [Int32] = []
        /// Errors that the library logged since the connection was begun: TLS says only there what is wrong.
        var complaints: [String] = []
    }

    private let client: OpaquePointer
    private let broker: (host: String, port: Int32)
    private var wasConnected = false
    private let notes = Notes()

    static let prepared: Void = { mosquitto_lib_init() }()

    /// Prepares a client; `connect` begins to connect.
    /// - Parameter will: Published by the broker, retained, when this connection is lost.
    init(_ settings: MQTTSettings, username: String, password: String, will: (topic: String, text: String))
        throws(MQTTError)
    {
        Self.prepared
        let name = settings.clientID.isEmpty ? "hcqd-\(ProcessInfo.processInfo.hostName)" : settings.clientID
        guard let client = mosquitto_new(name, true, Unmanaged.passUnretained(notes).toOpaque()) else {
            throw MQTTError("mosquitto_new", Int32(MOSQ_ERR_ERRNO.rawValue))
        }
        self.client = client
        broker = (settings.host, Int32(settings.port))
        mosquitto_connect_callback_set(client) { _, notes, code in
            guard let notes = MQTTSession.notes(notes) else { return }
            if code == 0 { notes.isConnected = true } else { notes.refusal = code }
        }
        mosquitto_disconnect_callback_set(client) { _, notes, _ in MQTTSession.notes(notes)?.isConnected = false }
        mosquitto_log_callback_set(client) { _, notes, level, text in
            guard level == MOSQ_LOG_ERR, let text else { return }
            MQTTSession.notes(notes)?.complaints.append(String(cString: text))
        }
        mosquitto_publish_callback_set(client) { _, notes, message in
            MQTTSession.notes(notes)?.acknowledged.append(message)
        }
        // From here on an error ends in `deinit`, which frees the client.
        if !username.isEmpty {
            try Self.check("username", mosquitto_username_pw_set(client, username, password))
        }
        if !settings.caFile.isEmpty {
            guard access(settings.caFile, R_OK) == 0 else {
                throw MQTTError(call: "mqtt.ca_file \(settings.caFile)", reason: String(cString: strerror(errno)))
            }
            try Self.check("ca_file", mosquitto_tls_set(client, settings.caFile, nil, nil, nil, nil))
        }
        let text = Array(will.text.utf8)
        try Self.check("will", mosquitto_will_set(client, will.topic, Int32(text.count), text, 1, true))
    }

    deinit { mosquitto_destroy(client) }

    var isConnected: Bool { notes.isConnected }

    /// Begins to connect, the first time or again.
    func connect() throws(MQTTError) {
        (notes.isConnected, notes.refusal, notes.complaints) = (false, nil, [])
        let code =
            wasConnected
            ? mosquitto_reconnect_async(client) : mosquitto_connect_async(client, broker.host, broker.port, 30)
        wasConnected = true
        try checkConnection("connect", code)
    }

    /// Sends and receives for at most `milliseconds`.
    /// - Returns: Numbers of messages that the broker has taken.
    func run(milliseconds: Int32) throws(MQTTError) -> [Int32] {
        let code = mosquitto_loop(client, milliseconds, 1)
        if let refusal = notes.refusal { throw MQTTError("connect", refusal, text: mosquitto_connack_string(refusal)) }
        try checkConnection("loop", code)
        defer { notes.acknowledged.removeAll() }
        return notes.acknowledged
    }

    /// Gives a message to the connection, quality of service 1.
    /// - Returns: Its number.
    @discardableResult
    func publish(_ topic: String, _ payload: [UInt8], retain: Bool = false) throws(MQTTError) -> Int32 {
        var number: Int32 = 0
        try Self.check("publish", mosquitto_publish(client, &number, topic, Int32(payload.count), payload, 1, retain))
        return number
    }

    /// Says goodbye, so that the broker does not publish the will.
    func disconnect() {
        mosquitto_disconnect(client)
        _ = mosquitto_loop(client, 200, 1)
    }

    private static func notes(_ pointer: UnsafeMutableRawPointer?) -> Notes? {
        pointer.map { Unmanaged<Notes>.fromOpaque($0).takeUnretainedValue() }
    }

    private func checkConnection(_ call: String, _ code: Int32) throws(MQTTError) {
        let isLost = code == MOSQ_ERR_TLS.rawValue || code == MOSQ_ERR_CONN_LOST.rawValue
        if isLost, !notes.complaints.isEmpty {
            throw MQTTError(call: "TLS", reason: Self.advice(notes.complaints.prefix(3).joined(separator: "; ")))
        }
        try Self.check(call, code)
    }

    /// What log lines of OpenSSL and of the library mean for who wrote the configuration.
    private static func advice(_ complaint: String) -> String {
        if complaint.contains("host name verification") {
            return "the broker's certificate is for another name than mqtt.host"
        }
        if complaint.contains("certificate verify failed") {
            return "the broker's certificate is not signed by mqtt.ca_file, or is out of date (\(complaint))"
        }
        if complaint.contains("wrong version number") {
            return "the broker does not speak TLS on mqtt.port (\(complaint))"
        }
        return complaint
    }

    private static func check(_ call: String, _ code: Int32) throws(MQTTError) {
        if code != Int32(MOSQ_ERR_SUCCESS.rawValue) { throw MQTTError(call, code) }
    }
}

extension MQTTError {
    fileprivate init(_ call: String, _ code: Int32, text: UnsafePointer<CChar>?) {
        self.call = call
        reason = text.map { String(cString: $0) } ?? "refused with code \(code)"
    }
}

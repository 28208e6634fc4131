import Glibc
import Scene

/// Position and velocity of one coordinate: a Kalman filter with a fading velocity.
///
/// The velocity follows an Ornstein-Uhlenbeck process: `dv = -v / persistence dt + noise`. For steps much shorter than
/// `persistence` this is the usual constant-velocity model, over long gaps the prediction comes to rest. Every step is
/// given in seconds, so that a camera that drops frames changes nothing.
struct CoordinateFilter: Sendable {
    var position: Double
    var velocity: Double
    /// Covariance of position and velocity, symmetric.
    private var varianceOfPosition: Double
    private var covariance: Double
    private var varianceOfVelocity: Double

    init(position: Double, deviation: Double, deviationOfVelocity: Double) {
        self.position = position
        velocity = 0
        varianceOfPosition = deviation * deviation
        covariance = 0
        varianceOfVelocity = deviationOfVelocity * deviationOfVelocity
    }

    /// Standard deviation of the position.
    var deviation: Double { varianceOfPosition.squareRoot() }

    /// - Parameters:
    ///   - acceleration: spectral density of the acceleration, units^2 / seconds^3.
    mutating func predict(seconds dt: Double, acceleration: Double, persistence: Double) {
        let decay = exp(-dt / persistence)
        let travel = persistence * (1 - decay)
        position += travel * velocity
        velocity *= decay
        let (p, c, v) = (varianceOfPosition, covariance, varianceOfVelocity)
        // The noise of a constant-velocity step over the time that the velocity is remembered.
        let t = travel
        varianceOfPosition = p + 2 * travel * c + travel * travel * v + acceleration * t * t * t / 3
        covariance = decay * (c + travel * v) + acceleration * t * t / 2
        varianceOfVelocity = decay * decay * v + acceleration * t
    }

    mutating func update(measured: Double, deviation: Double) {
        let innovation = varianceOfPosition + deviation * deviation
        let gain = varianceOfPosition / innovation
        let gainOfVelocity = covariance / innovation
        let residual = measured - position
        position += gain * residual
        velocity += gainOfVelocity * residual
        varianceOfVelocity -= gainOfVelocity * covariance
        covariance *= 1 - gain
        varianceOfPosition *= 1 - gain
    }
}

/// Where a person's box is and goes: filters of centre and size.
///
/// Noise is proportional to the person's height, so that near and far people are treated alike.
struct BoxMotion: Sendable {
    private(set) var x: CoordinateFilter
    private(set) var y: CoordinateFilter
    private(set) var width: CoordinateFilter
    private(set) var height: CoordinateFilter
    /// Width over height of the frame: a height of a person in units of x is `height / frameAspect`.
    private let frameAspect: Double
    private let settings: MotionSettings

    init(box: Box, frameAspect: Double, settings: MotionSettings) {
        self.frameAspect = frameAspect
        self.settings = settings
        let (w, h) = (Double(box.width), Double(box.height))
        let across = h / frameAspect
        // A walker makes about one height a second.
        x = CoordinateFilter(
            position: Double(box.center.x), deviation: settings.positionNoise * across, deviationOfVelocity: across)
        y = CoordinateFilter(
            position: Double(box.center.y), deviation: settings.positionNoise * h, deviationOfVelocity: 0.5 * h)
        width = CoordinateFilter(
            position: w, deviation: settings.sizeNoise * across, deviationOfVelocity: 0.2 * across)
        height = CoordinateFilter(position: h, deviation: settings.sizeNoise * h, deviationOfVelocity: 0.2 * h)
    }

    /// The filtered box; its sides are never negative.
    var box: Box {
        let (w, h) = (max(width.position, 1e-6), max(height.position, 1e-6))
        return Box(
            x0: Float(x.position - w / 2), y0: Float(y.position - h / 2), x1: Float(x.position + w / 2),
            y1: Float(y.position + h / 2))
    }

    /// Standard deviation of the centre, in heights of the person.
    var uncertainty: Double {
        let h = max(height.position, 1e-6)
        return max(x.deviation * frameAspect, y.deviation) / h
    }

    mutating func predict(seconds dt: Double) {
        guard dt > 0 else { return }
        let h = max(height.position, 1e-6)
        let across = h / frameAspect
        let (a, g, tau) = (settings.acceleration, settings.growth, settings.persistence)
        let rest = settings.growthPersistence
        x.predict(seconds: dt, acceleration: a * across * across, persistence: tau)
        y.predict(seconds: dt, acceleration: a * h * h, persistence: tau)
        width.predict(seconds: dt, acceleration: g * across * across, persistence: rest)
        height.predict(seconds: dt, acceleration: g * h * h, persistence: rest)
    }

    /// - Parameter trust: 0...1, how far the detected box is believed; its noise grows as this falls.
    mutating func update(with box: Box, trust: Double) {
        let h = max(Double(box.height), 1e-6)
        let across = h / frameAspect
        let factor = 2 - min(max(trust, 0), 1)
        let (p, s) = (settings.positionNoise * factor, settings.sizeNoise * factor)
        x.update(measured: Double(box.center.x), deviation: p * across)
        y.update(measured: Double(box.center.y), deviation: p * h)
        width.update(measured: Double(box.width), deviation: s * across)
        height.update(measured: Double(box.height), deviation: s * h)
    }
}

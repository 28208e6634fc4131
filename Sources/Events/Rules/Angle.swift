internal import Glibc

/// The angle of (dx, dy) from the x axis in degrees.
func degrees(dy: Float, dx: Float) -> Float { atan2f(dy, dx) * 180 / .pi }

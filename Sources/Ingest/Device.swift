internal import CFFmpeg
internal import Glibc

/// The input format of V4L2 devices.
///
/// It lives in libavdevice, which pulls in sound and window systems; so it is loaded only when a device is named.
func deviceFormat(_ location: Location) throws(IngestError) -> UnsafePointer<AVInputFormat>? {
    let library = "libavdevice.so.\(avformat_version() >> 16)"
    guard let handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL), let symbol = dlsym(handle, "avdevice_register_all")
    else {
        throw .noDeviceSupport(location: location.shown, library: library)
    }
    typealias Register = @convention(c) () -> Void
    unsafeBitCast(symbol, to: Register.self)()
    guard let format = av_find_input_format("video4linux2") else {
        throw .noDeviceSupport(location: location.shown, library: library)
    }
    return format
}

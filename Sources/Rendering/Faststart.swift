internal import CFFmpeg
internal import Glibc

/// Rewrites a fragmented MP4 so that its index stands in front, which lets players seek at once.
///
/// The file at `path`, or the one that a link there leads to, is replaced in one step or, when there is no room for the
/// copy, stays as it is: fragments play too. So does a device.
func moveIndexToFront(of path: String) {
    var facts = stat()
    guard let target = realpath(path, nil) else { return }
    defer { free(target) }
    guard stat(target, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return }
    let path = String(cString: target)
    let copy = path + ".tmp"
    do throws(RenderingError) {
        try remux(path, to: copy)
    } catch {
        unlink(copy)
        return
    }
    if rename(copy, path) != 0 { unlink(copy) }
}

private func remux(_ path: String, to copy: String) throws(RenderingError) {
    var input: UnsafeMutablePointer<AVFormatContext>?
    try check("avformat_open_input", avformat_open_input(&input, "file:" + path, nil, nil))
    defer { avformat_close_input(&input) }
    try check("avformat_find_stream_info", avformat_find_stream_info(input, nil))
    var opening: UnsafeMutablePointer<AVFormatContext>?
    try check("avformat_alloc_output_context2", avformat_alloc_output_context2(&opening, nil, "mp4", copy))
    let output = try allocated("avformat_alloc_output_context2", opening)
    defer { avformat_free_context(output) }
    guard let input, input.pointee.nb_streams == 1, let from = input.pointee.streams[0] else {
        throw .failed(call: "avformat_open_input", reason: "not one video stream")
    }
    let to = try allocated("avformat_new_stream", avformat_new_stream(output, nil))
    try check("avcodec_parameters_copy", avcodec_parameters_copy(to.pointee.codecpar, from.pointee.codecpar))
    to.pointee.time_base = from.pointee.time_base
    to.pointee.avg_frame_rate = from.pointee.avg_frame_rate
    try check("avio_open", avio_open(&output.pointee.pb, "file:" + copy, AVIO_FLAG_WRITE))
    defer { avio_closep(&output.pointee.pb) }
    var options: OpaquePointer?
    av_dict_set(&options, "movflags", "faststart", 0)
    defer { av_dict_free(&options) }
    try check("avformat_write_header", avformat_write_header(output, &options))
    var packet = av_packet_alloc()
    defer { av_packet_free(&packet) }
    while true {
        let code = av_read_frame(input, packet)
        if code == hcq_averror_eof() { break }
        try check("av_read_frame", code)
        av_packet_rescale_ts(packet, from.pointee.time_base, to.pointee.time_base)
        packet?.pointee.pos = -1
        try check("av_interleaved_write_frame", av_interleaved_write_frame(output, packet))
    }
    try check("av_write_trailer", av_write_trailer(output))
    try check("avio_flush", output.pointee.pb.pointee.error)
}

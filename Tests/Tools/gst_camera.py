#!/usr/bin/env python3
"""An RTSP camera that is not ours: GStreamer's server with its test picture.

    gst_camera.py [PORT]      prints `ready rtsp://127.0.0.1:PORT/cam`

At /resizing the picture has another size every three seconds.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1] if len(sys.argv) > 1 else "0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/cam", factory)

SIZES = ["320x240", "640x360", "176x144"]


def caps(size: str) -> Gst.Caps:
    width, height = size.split("x")
    return Gst.Caps.from_string(f"video/x-raw,width={width},height={height},framerate=10/1")


def keep_changing(_factory, media) -> None:
    """The next size every three seconds, for as long as somebody looks."""
    frame, turn = media.get_element().get_by_name("frame"), 0

    def change() -> bool:
        nonlocal turn
        turn += 1
        frame.set_property("caps", caps(SIZES[turn % len(SIZES)]))
        return media.get_status() != GstRtspServer.RTSPMediaStatus.UNPREPARED

    GLib.timeout_add_seconds(3, change)


resizing = GstRtspServer.RTSPMediaFactory()
resizing.set_launch(
    "( videotestsrc is-live=true pattern=ball ! capsfilter name=frame caps=video/x-raw,width=320,height=240,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
resizing.set_shared(True)
resizing.connect("media-configure", keep_changing)
server.get_mount_points().add_factory("/resizing", resizing)
if server.attach(None) == 0:
    sys.exit("cannot listen")
print(f"ready rtsp://127.0.0.1:{server.get_bound_port()}/cam", flush=True)
GLib.MainLoop().run()

#!/usr/bin/env python3
"""A network camera for tests: serves H.264 and H.265 files over RTSP and misbehaves on request.

    rtsp_camera.py day.h264 [night.h264 ...] [--port 0] [--fps 25]

prints `ready rtsp://127.0.0.1:PORT/` and serves until it is killed. A client chooses by the URL's query what it gets,
so that one server plays any number of cameras, good and bad:

    rtsp://127.0.0.1:PORT/cam                     the first file, over and over, in real time
    rtsp://127.0.0.1:PORT/cam?freeze_after=50     stops sending after 50 pictures, keeps the connection
    rtsp://127.0.0.1:PORT/cam?close_after=50      closes the connection

Query keys (times in seconds, counts in pictures of this connection):
    file=N             which file to serve, from 0
    fps=F              pictures a second
    refuse=1           accepts and closes at once
    mute=1             accepts and never answers
    status=CODE        answers DESCRIBE with this RTSP status
    user=U&password=P  asks for digest authentication; with basic=1 for basic
    codec=NAME         announces this codec (PCMU: audio only)
    drip=BYTES         sends so many bytes a second at most
    freeze_after=N     sends nothing more
    close_after=N      closes
    end_after=N        says RTCP BYE and closes
    pause_after=N, pause_for=S         a gap in sending, not in time-stamps
    garbage_after=N, garbage_for=M     random bytes in the packets of M pictures
    lose=N             leaves out every Nth packet
    skip=N             leaves out every Nth picture
    jump_after=N, jump=S               time-stamps jump by S, which may be negative
    back_and_forth=N   the time-stamps of every Nth pair of pictures change places
    first_timestamp=T  the first RTP time-stamp (4294000000 wraps after 11 s)
    sets_each=1        parameter sets before every slice of a key frame, as GStreamer's payloader does
    switch_after=N, switch_to=K        goes on with file K, parameter sets in band

TCP-interleaved and UDP transport. Python's standard library and, for files that are not Annex B, the ffmpeg tool.
"""

import argparse
import base64
import hashlib
import os
import random
import re
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

CLOCK = 90_000
LARGEST_PAYLOAD = 1400


class H264:
    """What of a NAL unit is where; RFC 6184 for RTP."""

    name, header_bytes, fragment_kind = "H264", 1, 28
    parameter_sets, delimiter, before_picture = (7, 8), 9, (6, 7, 8, 9)

    @staticmethod
    def kind(unit: bytes) -> int:
        return unit[0] & 31

    @staticmethod
    def is_slice(kind: int) -> bool:
        return kind in (1, 5)

    @staticmethod
    def with_kind(header: bytes, kind: int) -> bytes:
        return bytes([header[0] & 0xE0 | kind])

    @staticmethod
    def format(sets: list) -> str:
        return f"packetization-mode=1;sprop-parameter-sets={sets[0]},{sets[1]}"


class H265:
    """The same of HEVC; RFC 7798."""

    name, header_bytes, fragment_kind = "H265", 2, 49
    parameter_sets, delimiter, before_picture = (32, 33, 34), 35, (32, 33, 34, 35, 39)

    @staticmethod
    def kind(unit: bytes) -> int:
        return unit[0] >> 1 & 63

    @staticmethod
    def is_slice(kind: int) -> bool:
        return kind < 32

    @staticmethod
    def with_kind(header: bytes, kind: int) -> bytes:
        return bytes([header[0] & 0x81 | kind << 1, header[1]])

    @staticmethod
    def format(sets: list) -> str:
        return f"sprop-vps={sets[0]};sprop-sps={sets[1]};sprop-pps={sets[2]}"


class Clip:
    """The access units of an H.264 or, from a file named so, of an H.265 elementary stream."""

    def __init__(self, path: str) -> None:
        self.codec = H265 if path.endswith((".h265", ".hevc")) else H264
        stream = read_annex_b(path)
        units = [unit.rstrip(b"\0") for unit in re.split(rb"\0{2,3}\x01", stream)]
        units = [unit for unit in units if unit]
        kinds = [self.codec.kind(unit) for unit in units]
        missing = [kind for kind in self.codec.parameter_sets if kind not in kinds]
        if missing:
            raise SystemExit(f"{path}: no {self.codec.name} parameter sets of type {missing} found")
        self.sets = [units[kinds.index(kind)] for kind in self.codec.parameter_sets]
        self.pictures = list(group_pictures(units, self.codec))


def read_annex_b(path: str) -> bytes:
    with open(path, "rb") as file:
        head = file.read()
    if head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return head
    command = ["ffmpeg", "-loglevel", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "h264", "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def group_pictures(units, codec):
    """Yields lists of NAL units: everything that belongs to one coded picture."""
    picture, has_slice = [], False
    for unit in units:
        kind = codec.kind(unit)
        is_slice = codec.is_slice(kind)
        # The first bit of the slice header is set (H.264: first_mb_in_slice is 0): a new picture.
        starts_anew = kind in codec.before_picture or (is_slice and unit[codec.header_bytes] & 0x80)
        if has_slice and starts_anew:
            yield picture
            picture, has_slice = [], False
        if kind != codec.delimiter:
            picture.append(unit)
        has_slice |= is_slice
    if has_slice:
        yield picture


class Behaviour:
    """What the URL's query asks for."""

    def __init__(self, url: str, defaults: argparse.Namespace) -> None:
        self.values = {key: value[-1] for key, value in parse_qs(urlsplit(url).query).items()}
        self.fps = float(self.values.get("fps", defaults.fps))

    def text(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)

    def number(self, key: str, default: int = 0) -> int:
        return int(self.values.get(key, default))

    def seconds(self, key: str, default: float = 0.0) -> float:
        return float(self.values.get(key, default))

    def reached(self, key: str, count: int) -> bool:
        return key in self.values and count >= self.number(key)


class Gone(Exception):
    """The connection is over, for whatever reason."""


class Connection(socketserver.StreamRequestHandler):
    """One client: answers its requests and, from PLAY on, sends pictures from a thread of its own."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.Lock()
        self.playing = threading.Event()
        self.stopped = threading.Event()
        self.udp = None
        self.channel = 0
        self.behaviour = None

    def handle(self) -> None:
        try:
            while True:
                self.answer(*self.read_request())
        except (Gone, OSError, ValueError):
            pass
        finally:
            self.stopped.set()

    def read_request(self):
        while True:
            first = self.rfile.read(1)
            if not first:
                raise Gone
            if first == b"$":  # RTCP from the client
                _, length = struct.unpack(">BH", self.rfile.read(3))
                self.rfile.read(length)
                continue
            line = (first + self.rfile.readline()).decode("latin-1").split()
            headers = {}
            while header := self.rfile.readline().strip():
                key, _, value = header.decode("latin-1").partition(":")
                headers[key.strip().lower()] = value.strip()
            if len(line) >= 2:
                return line[0], line[1], headers

    def answer(self, method: str, url: str, headers: dict) -> None:
        if self.behaviour is None or method == "DESCRIBE":
            self.behaviour = Behaviour(url, self.server.options)
        if self.behaviour.number("refuse"):
            raise Gone
        if self.behaviour.number("mute"):
            self.stopped.wait()
        handler = getattr(self, "on_" + method.lower(), None)
        if handler is None:
            self.reply(headers, "Session: 1\r\n")
        else:
            handler(url, headers)

    def reply(self, headers: dict, extra: str = "", body: str = "", status: str = "200 OK") -> None:
        if body:
            extra += f"Content-Length: {len(body.encode())}\r\n"
        text = f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', '0')}\r\n{extra}\r\n{body}"
        with self.lock:
            self.wfile.write(text.encode())

    def on_options(self, url: str, headers: dict) -> None:
        self.reply(headers, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n")

    def on_describe(self, url: str, headers: dict) -> None:
        behaviour = self.behaviour
        if behaviour.text("status"):
            return self.reply(headers, status=f"{behaviour.text('status')} As Asked")
        if behaviour.text("user") and not self.is_authorized(url, headers):
            scheme = 'Basic realm="camera"' if behaviour.number("basic") else 'Digest realm="camera", nonce="4f1e"'
            return self.reply(headers, f"WWW-Authenticate: {scheme}\r\n", status="401 Unauthorized")
        base = url.split("?")[0].rstrip("/")
        content = f"Content-Base: {base}/\r\nContent-Type: application/sdp\r\n"
        self.reply(headers, content, self.description())

    def is_authorized(self, url: str, headers: dict) -> bool:
        user, password = self.behaviour.text("user"), self.behaviour.text("password")
        given = headers.get("authorization", "")
        if self.behaviour.number("basic"):
            return given == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="([^"]*)"', given))
        digest = lambda text: hashlib.md5(text.encode()).hexdigest()
        secret = digest(f"{user}:camera:{password}")
        expected = digest(f"{secret}:4f1e:{digest('DESCRIBE:' + fields.get('uri', ''))}")
        return fields.get("username") == user and fields.get("response") == expected

    def description(self) -> str:
        codec = self.behaviour.text("codec", self.clip.codec.name)
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        if codec == "PCMU":
            lines += ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=control:track1"]
        else:
            clip = self.clip
            sets = [base64.b64encode(unit).decode() for unit in clip.sets]
            lines += ["m=video 0 RTP/AVP 96", f"a=rtpmap:96 {codec}/{CLOCK}"]
            lines += [f"a=fmtp:96 {clip.codec.format(sets)}"] if codec == clip.codec.name else []
            lines += [f"a=framerate:{self.behaviour.fps:g}", "a=control:track1"]
        return "\r\n".join(lines) + "\r\n"

    @property
    def clip(self) -> Clip:
        return self.server.clips[self.behaviour.number("file") % len(self.server.clips)]

    def on_setup(self, url: str, headers: dict) -> None:
        transport = headers.get("transport", "")
        if "TCP" in transport:
            return self.reply(headers, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n")
        ports = re.search(r"client_port=(\d+)-(\d+)", transport)
        if ports is None:
            return self.reply(headers, status="461 Unsupported Transport")
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.connect((self.client_address[0], int(ports[1])))
        own = self.udp.getsockname()[1]
        reply = f"Transport: RTP/AVP;unicast;client_port={ports[1]}-{ports[2]};server_port={own}-{own + 1}\r\n"
        self.reply(headers, reply + "Session: 1;timeout=60\r\n")

    def on_play(self, url: str, headers: dict) -> None:
        self.reply(headers, "Session: 1\r\nRange: npt=0.000-\r\n")
        if not self.playing.is_set():
            self.playing.set()
            threading.Thread(target=self.send_pictures, daemon=True).start()

    def on_teardown(self, url: str, headers: dict) -> None:
        self.reply(headers, "Session: 1\r\n")
        raise Gone

    # Sending

    def send_pictures(self) -> None:
        sender = Sender(self)
        try:
            sender.run()
        except OSError:
            pass
        finally:
            self.stopped.set()
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def send(self, channel: int, packet: bytes) -> None:
        if self.udp is not None:
            if channel == 0:
                self.udp.send(packet)
            return
        framed = b"$" + struct.pack(">BH", channel, len(packet)) + packet
        drip = self.behaviour.number("drip")
        with self.lock:
            if not drip:
                self.wfile.write(framed)
                return
            for start in range(0, len(framed), max(1, drip // 10)):
                self.wfile.write(framed[start : start + max(1, drip // 10)])
                if self.stopped.wait(0.1):
                    raise OSError


class Sender:
    """Turns the pictures of a clip into RTP packets, in real time."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.behaviour = connection.behaviour
        self.random = random.Random(7)
        self.sequence = 0
        self.packets = 0
        self.count = 0

    def run(self) -> None:
        behaviour, clip, place = self.behaviour, self.connection.clip, 0
        started = time.monotonic()
        while not self.connection.stopped.is_set():
            if behaviour.reached("close_after", self.count):
                return
            if behaviour.reached("end_after", self.count):
                self.connection.send(1, struct.pack(">BBHI", 0x81, 203, 1, 0x4843))
                return
            if behaviour.reached("freeze_after", self.count):
                self.connection.stopped.wait()
                return
            if "pause_after" in behaviour.values and self.count == behaviour.number("pause_after"):
                self.connection.stopped.wait(behaviour.seconds("pause_for", 1))
            picture = clip.pictures[place]
            if "switch_after" in behaviour.values and self.count == behaviour.number("switch_after"):
                clips = self.connection.server.clips
                clip, place = clips[behaviour.number("switch_to", 1) % len(clips)], 0
                picture = clip.sets + clip.pictures[0]
            if behaviour.number("sets_each"):
                picture = [unit for one in picture for unit in (clip.sets + [one] if one[0] & 31 == 5 else [one])]
            skip = behaviour.number("skip")
            if not skip or (self.count + 1) % skip != 0:
                self.send_picture(picture, self.timestamp())
            self.count += 1
            place = (place + 1) % len(clip.pictures)
            ahead = started + self.count / behaviour.fps - time.monotonic()
            if ahead > 0:
                self.connection.stopped.wait(ahead)

    def timestamp(self) -> int:
        behaviour, count = self.behaviour, self.count
        swap = behaviour.number("back_and_forth")
        if swap and count % swap == 0:
            count += 1
        elif swap and count % swap == 1 and count > 1:
            count -= 1
        stamp = behaviour.number("first_timestamp") + round(count * CLOCK / behaviour.fps)
        if behaviour.reached("jump_after", self.count):
            stamp += round(behaviour.seconds("jump", 3600) * CLOCK)
        return stamp % 2**32

    def send_picture(self, picture: list, stamp: int) -> None:
        after, length = self.behaviour.number("garbage_after", -1), self.behaviour.number("garbage_for", 25)
        is_garbage = 0 <= after <= self.count < after + length
        for i, unit in enumerate(picture):
            is_last = i == len(picture) - 1
            for payload, ends_unit in fragments(unit, self.connection.clip.codec):
                if is_garbage:
                    payload = payload[:2] + self.random.randbytes(len(payload) - 2)
                self.send_packet(payload, is_last and ends_unit, stamp)

    def send_packet(self, payload: bytes, marker: bool, stamp: int) -> None:
        header = struct.pack(">BBHII", 0x80, 96 | (0x80 if marker else 0), self.sequence, stamp, 0x4843)
        self.sequence = (self.sequence + 1) % 2**16
        self.packets += 1
        lose = self.behaviour.number("lose")
        if not lose or self.packets % lose != 0:
            self.connection.send(0, header + payload)


def fragments(unit: bytes, codec):
    """A NAL unit as RTP payloads: whole or, when it is long, in fragments (FU-A, FU)."""
    if len(unit) <= LARGEST_PAYLOAD:
        yield unit, True
        return
    header, rest = unit[: codec.header_bytes], unit[codec.header_bytes :]
    step = LARGEST_PAYLOAD - codec.header_bytes - 1
    for start in range(0, len(rest), step):
        is_end = start + step >= len(rest)
        flags = (0x80 if start == 0 else 0) | (0x40 if is_end else 0)
        start_of_payload = codec.with_kind(header, codec.fragment_kind) + bytes([flags | codec.kind(unit)])
        yield start_of_payload + rest[start : start + step], is_end


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Connection)
        self.options = options
        self.clips = [Clip(path) for path in options.files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="H.264 or NAME.h265: Annex B, or anything that the ffmpeg tool can copy it from")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--while-stdin", action="store_true", help="end when standard input is closed")
    options = parser.parse_args()
    with Server(options) as server:
        if options.while_stdin:
            threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(f"ready rtsp://127.0.0.1:{server.server_address[1]}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs hcqd with four cameras and faults all along, and says whether it stayed well.

    soak.py HCQD CLIP.h264 MODEL.safetensors [--minutes 30] [--input 256x192]

Cameras freeze, close, send garbage and jump in time; the camera server dies and comes back; the configuration is read
again; logs are renamed; pages are asked for. Watched are memory, descriptors and the watchdog; at the end every log must
be whole: numbers without a hole, one end for every start. Prints one JSON object; exit status 0 when all is well.

Of memory, the least of every minute counts: what a leak leaves behind cannot hide under the pictures that are under way.
From ten minutes on its slope is told with a 95 % interval (Theil and Sen), and it fails when the whole interval lies above
1 MB an hour; a shorter run only shows leaks that a longer one would not survive.
"""

import argparse
import glob
import json
import math
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

WATCHDOG_SECONDS = 30.0
TOOLS = pathlib.Path(__file__).resolve().parent


class CameraServer:
    """The test camera, on a port that stays the same when it is started again."""

    def __init__(self, clip: str) -> None:
        self.clip = clip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(TOOLS / "rtsp_camera.py"), self.clip, "--port", str(self.port), "--fps", "10"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


class Daemon:
    def __init__(self, binary: str, folder: pathlib.Path, configuration: str) -> None:
        (folder / "hcqd.yaml").write_text(configuration)
        self.journal = open(folder / "journal.log", "wb")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.setblocking(False)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6)),
        }
        self.process = subprocess.Popen(
            [binary, "run", "--config", str(folder / "hcqd.yaml")], env=environment, stderr=self.journal
        )
        self.last_alive = time.monotonic()
        self.longest_silence = 0.0

    def listen(self) -> None:
        now = time.monotonic()
        try:
            while True:
                if b"WATCHDOG=1" in self.notify.recv(4096):
                    self.longest_silence = max(self.longest_silence, now - self.last_alive)
                    self.last_alive = now
        except BlockingIOError:
            self.longest_silence = max(self.longest_silence, now - self.last_alive)

    def memory(self) -> float:
        """Resident megabytes of its own: without files that are mapped."""
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith("Anonymous"):
                return int(line.split()[1]) / 1024
        return 0.0

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def configuration(folder: pathlib.Path, cameras: CameraServer, model: str, size: str, http: int) -> str:
    width, height = size.split("x")
    address = f"rtsp://127.0.0.1:{cameras.port}/cam"
    return f"""
model: {{path: "{model}", input_width: {width}, input_height: {height}}}
storage: {{directory: "{folder}/events"}}
log: {{rotate_bytes: 262144}}
tracking: {{birth_score: 0.3, confident_score: 0.3}}
http: {{enabled: true, port: {http}}}
cameras:
  steady: {{url: "{address}"}}
  freezing: {{url: "{address}?freeze_after=150", connection: {{read_timeout_s: 3}}}}
  closing: {{url: "{address}?close_after=200"}}
  noisy: {{url: "{address}?garbage_after=100&garbage_for=3&jump_after=250&jump=60"}}
"""


def floors(samples: list[tuple[float, float]], length: float) -> list[tuple[float, float]]:
    """The least value of every so many seconds."""
    found: dict[int, tuple[float, float]] = {}
    for moment, value in samples:
        period = int(moment // length)
        if period not in found or value < found[period][1]:
            found[period] = (moment, value)
    # The last one may be short.
    return [found[period] for period in sorted(found)][:-1]


def slope(samples: list[tuple[float, float]]) -> tuple[float, float, float]:
    """The median of all slopes between two samples, per hour, and its 95 % interval (Sen 1968)."""
    slopes = sorted(
        (y2 - y1) / (x2 - x1) * 3600
        for i, (x1, y1) in enumerate(samples)
        for x2, y2 in samples[i + 1 :]
    )
    if not slopes:
        return 0.0, float("-inf"), float("inf")
    n = len(samples)
    spread = 1.96 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, round((len(slopes) - spread) / 2) - 1)
    high = min(len(slopes) - 1, round((len(slopes) + spread) / 2))
    return statistics.median(slopes), slopes[low], slopes[high]


def judge_memory(name: str, samples: list[tuple[float, float]], minutes: float) -> tuple[dict[str, object], list[str]]:
    """What is told of one kind of memory, in MB, and what is wrong with it."""
    if len(samples) < 10:
        return {}, [f"{name}: not measured"]
    third = len(samples) // 3
    grown = min(value for _, value in samples[-third:]) - min(value for _, value in samples[:third])
    told: dict[str, object] = {"last_mb": round(samples[-1][1], 1), "grown_mb": round(grown, 2)}
    problems = [f"{name} grew by {grown:.1f} MB"] if grown > 15 else []
    if minutes >= 10:
        middle, low, high = slope(floors(samples, 60))
        told["mb_per_hour"] = round(middle, 2)
        told["interval"] = [round(low, 2), round(high, 2)]
        if low > 1:
            problems.append(f"{name} grows by {low:.1f} to {high:.1f} MB an hour")
    return told, problems


def check_logs(folder: pathlib.Path) -> tuple[dict[str, int], list[str]]:
    """Lines by camera, and what is wrong with them."""
    counts, problems = {}, []
    for camera in ("steady", "freezing", "closing", "noisy"):
        lines = []
        for path in glob.glob(f"{folder}/events/{camera}.jsonl*"):
            for raw in open(path, "rb"):
                try:
                    lines.append(json.loads(raw))
                except ValueError:
                    problems.append(f"{camera}: torn line in {os.path.basename(path)}")
        lines.sort(key=lambda line: line["seq"])
        counts[camera] = len(lines)
        if [line["seq"] for line in lines] != list(range(1, len(lines) + 1)):
            problems.append(f"{camera}: numbers have holes or come twice")
        starts = sorted(line["id"] for line in lines if line["type"] == "start")
        ends = sorted(line["id"] for line in lines if line["type"] == "end")
        if starts != ends:
            problems.append(f"{camera}: {len(starts)} starts, {len(ends)} ends")
        if not lines:
            problems.append(f"{camera}: no line")
    return counts, problems


def disturb(turn: int, daemon: Daemon, cameras: CameraServer, folder: pathlib.Path) -> str:
    """One fault from outside, in turns."""
    kind = ["reload", "rename", "cameras_die", "bad_configuration"][turn % 4]
    if kind == "reload":
        daemon.process.send_signal(signal.SIGHUP)
    elif kind == "rename":
        active = folder / "events" / "steady.jsonl"
        if active.exists():
            active.rename(f"{active}.soak{turn}")
        daemon.process.send_signal(signal.SIGUSR1)
    elif kind == "cameras_die":
        cameras.stop()
        time.sleep(2)
        cameras.start()
    else:
        good = (folder / "hcqd.yaml").read_text()
        (folder / "hcqd.yaml").write_text("cameras: {steady: {ulr: x}}\n")
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        (folder / "hcqd.yaml").write_text(good)
    return kind


def ask(http: int) -> float | None:
    """Asks for every page; the megabytes of the heap that are in use, or None when a page does not come."""
    heap = None
    try:
        for page in ("healthz", "metrics", "cameras", "cameras/steady/picture.jpg"):
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/{page}", timeout=10) as answer:
                text = answer.read()
            if page == "metrics":
                line = next(line for line in text.splitlines() if line.startswith(b"hcqd_heap_in_use_bytes "))
                heap = float(line.split()[1]) / 2**20
        return heap
    except OSError:
        return None


def soak(arguments: argparse.Namespace, folder: pathlib.Path) -> dict[str, object]:
    cameras = CameraServer(arguments.clip)
    http = random.randint(20_000, 32_000)
    daemon = Daemon(
        arguments.hcqd, folder, configuration(folder, cameras, os.path.abspath(arguments.model), arguments.input, http)
    )
    memory, heap, descriptors, faults = [], [], [], {}
    began, turn, unanswered = time.monotonic(), 0, 0
    seconds = arguments.minutes * 60
    pause = max(15.0, min(45.0, seconds / 12))
    next_fault = began + pause
    try:
        while (passed := time.monotonic() - began) < seconds and daemon.process.poll() is None:
            daemon.listen()
            in_use = ask(http) if passed > 10 else None
            unanswered += passed > 10 and in_use is None
            # First it warms up: pools fill, every camera has failed once.
            if passed > min(seconds / 3, 300):
                memory.append((passed, daemon.memory()))
                descriptors.append(daemon.descriptors())
                if in_use is not None:
                    heap.append((passed, in_use))
            if time.monotonic() > next_fault:
                kind = disturb(turn, daemon, cameras, folder)
                faults[kind] = faults.get(kind, 0) + 1
                turn += 1
                next_fault = time.monotonic() + pause
            time.sleep(1)
        died = daemon.process.poll()
        stopping = time.monotonic()
        if died is None:
            daemon.process.terminate()
            status = daemon.process.wait(30)
        else:
            status = died
        stop_seconds = time.monotonic() - stopping
    finally:
        cameras.stop()
        if daemon.process.poll() is None:
            daemon.process.kill()
    lines, problems = check_logs(folder)
    half = len(descriptors) // 2
    growth = max(descriptors[half:], default=0) - max(descriptors[:half], default=0)
    memory_told, memory_problems = judge_memory("memory", memory, arguments.minutes)
    heap_told, heap_problems = judge_memory("heap", heap, arguments.minutes)
    problems += memory_problems + heap_problems
    if died is not None:
        problems.append(f"the daemon ended by itself with status {died}")
    if status != 0:
        problems.append(f"exit status {status}")
    if stop_seconds > 5:
        problems.append(f"stopping took {stop_seconds:.1f} s")
    if growth > 3:
        problems.append(f"descriptors grew by {growth}")
    if daemon.longest_silence > WATCHDOG_SECONDS:
        problems.append(f"the watchdog heard nothing for {daemon.longest_silence:.0f} s")
    return {
        "minutes": arguments.minutes,
        "faults_from_outside": faults,
        "camera_failures": sum(
            open(path, "rb").read().count(kind)
            for path in glob.glob(f"{folder}/events/*.jsonl*")
            for kind in (b'"camera_offline"', b'"camera_stalled"', b'"discontinuity"')
        ),
        "lines": lines,
        "memory": memory_told,
        "heap_in_use": heap_told,
        "descriptors": descriptors[-1] if descriptors else None,
        "descriptor_growth": growth,
        "longest_watchdog_silence_s": round(daemon.longest_silence, 1),
        "pages_unanswered": unanswered,
        "stop_s": round(stop_seconds, 2),
        "problems": problems,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--input", default="256x192")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hcqd-soak-") as folder:
        result = soak(arguments, pathlib.Path(folder))
        print(json.dumps(result, indent=2))
        if result["problems"]:
            print(open(pathlib.Path(folder) / "journal.log").read()[-4000:], file=sys.stderr)
        return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())

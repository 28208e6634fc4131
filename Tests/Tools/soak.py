#!/usr/bin/env python3
"""Runs hcqd as the systemd unit does, with four cameras and faults all along, and says whether it stayed well.

    soak.py HCQD CLIP.h264 MODEL.safetensors [--minutes 50] [--input 256x192] [--readings FILE.csv] [--sanitized]

Cameras freeze, close, send garbage and jump in time; the server of all but one dies and comes back; the configuration
changes and is read again; logs are renamed; pages are asked for. Watched are memory, descriptors and the watchdog; at the
end every log must be whole: numbers without a hole, one end for every start. Prints one JSON object; exit status 0 when
all is well.

Most of memory's noise is how many decoders are open (2 to 3 MB each), so readings are compared with those of the same
cameras online. `quiet` are the readings while the server is dead and one camera alone goes on. What is left of noise is
what threads keep for themselves (libdispatch's and malloc's caches), a few hundred kilobytes with their number, which rises
on a busy machine. Slopes are in MB an hour with a 95 % interval (growth.py). From ten minutes on the soak fails when a whole
interval lies above 1 MB an hour; `shown_under_1_mb_per_hour` says whether that of all readings of the heap lies below: where
it does not, nothing is shown either way. A shorter run only shows leaks that a longer one would not survive.

With `--sanitized` HCQD was built with a sanitizer: what that reports in the journal is a problem, and memory, most of which
is then the sanitizer's, is not looked at.
"""

import argparse
import glob
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import growth

WATCHDOG_SECONDS = 30.0
MB_AN_HOUR = 1.0
CAMERAS = ("steady", "freezing", "closing", "noisy")
QUIET = "steady"
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


def unit_environment() -> dict[str, str]:
    """What the systemd unit sets."""
    unit = TOOLS.parents[1] / "systemd" / "hcqd.service"
    lines = (line for line in unit.read_text().splitlines() if line.startswith("Environment="))
    return dict(line.removeprefix("Environment=").split("=", 1) for line in lines)


class Daemon:
    def __init__(self, binary: str, folder: pathlib.Path, configuration: str) -> None:
        (folder / "hcqd.yaml").write_text(configuration)
        self.journal = open(folder / "journal.log", "wb")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.setblocking(False)
        environment = {
            **os.environ,
            **unit_environment(),
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

    def facts(self) -> dict[str, float]:
        """Megabytes that the system gives it, of which its own (not mapped from files); descriptors and threads."""
        found = {}
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith(("Rss:", "Anonymous:")):
                found[{"R": "resident", "A": "anonymous"}[line[0]]] = int(line.split()[1]) / 1024
        for name, folder in (("descriptors", "fd"), ("threads", "task")):
            found[name] = float(len(os.listdir(f"/proc/{self.process.pid}/{folder}")))
        return found


def configuration(
    folder: pathlib.Path, steady: CameraServer, cameras: CameraServer, model: str, size: str, http: int
) -> str:
    width, height = size.split("x")
    address = f"rtsp://127.0.0.1:{cameras.port}/cam"
    return f"""
model: {{path: "{model}", input_width: {width}, input_height: {height}}}
storage: {{directory: "{folder}/events"}}
log: {{rotate_bytes: 262144}}
tracking: {{birth_score: 0.3, confident_score: 0.3}}
http: {{enabled: true, port: {http}}}
cameras:
  steady: {{url: "rtsp://127.0.0.1:{steady.port}/cam"}}
  freezing: {{url: "{address}?freeze_after=150", connection: {{read_timeout_s: 3}}}}
  closing: {{url: "{address}?close_after=200"}}
  noisy: {{url: "{address}?garbage_after=100&garbage_for=3&jump_after=250&jump=60"}}
"""


Readings = dict[str, list[growth.Reading]]
MEMORY = ("heap", "resident", "anonymous")


def judge(readings: Readings, minutes: float) -> tuple[dict[str, object], list[str]]:
    """What is told of memory and descriptors, and what is wrong with them."""
    told: dict[str, object] = {}
    problems = []
    for name, all_readings in readings.items():
        quiet = [reading for reading in all_readings if reading.state == QUIET]
        if minutes < 10 and not quiet:
            # On a busy machine two minutes may have no such moment.
            quiet = all_readings
        third = len(all_readings) // 3
        if third < 3 or not quiet:
            problems.append(f"{name}: not measured")
            continue
        values = [reading.value for reading in sorted(all_readings)]
        grown = min(values[-third:]) - min(values[:third])
        last = round(min(reading.value for reading in growth.floors(quiet)[-2:]), 2)
        if name in ("descriptors", "threads"):
            first = min(reading.value for reading in growth.floors(quiet)[:2])
            told[name] = {"quiet_first": first, "quiet_last": last, "most": max(values)}
            # Threads come and go with the machine's load; one left behind by every lost connection would be a hundred.
            if last > first + (10 if name == "threads" else 1):
                problems.append(f"{name} grew from {first:.0f} to {last:.0f}")
            continue
        told[name] = entry = {"quiet_last_mb": last, "grown_mb": round(grown, 2)}
        if grown > 15:
            problems.append(f"{name} grew by {grown:.1f} MB")
        if minutes < 10:
            continue
        for kind, chosen in (("quiet", quiet), ("all", all_readings)):
            slope = growth.slope(growth.floors(chosen))
            entry[kind] = {"mb_per_hour": slope.middle, "interval": [slope.low, slope.high], "readings": slope.readings}
            if slope.low > MB_AN_HOUR:
                problems.append(f"{name} ({kind}) grows by {slope.low:.1f} to {slope.high:.1f} MB an hour")
            if (name, kind) == ("heap", "all"):
                told["shown_under_1_mb_per_hour"] = slope.high < MB_AN_HOUR
    return told, problems


def check_logs(folder: pathlib.Path) -> tuple[dict[str, int], list[str]]:
    """Lines by camera, and what is wrong with them."""
    counts, problems = {}, []
    for camera in CAMERAS:
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


class Soak:
    """One run: the daemon, its cameras, what is done to them and what is read of them."""

    def __init__(self, arguments: argparse.Namespace, folder: pathlib.Path) -> None:
        self.folder = folder
        self.sanitized = arguments.sanitized
        self.seconds = arguments.minutes * 60
        # Pools and what every thread keeps of freed memory fill for twenty minutes: that is no leak.
        self.warm_up = min(0.4 * self.seconds, 1200.0)
        self.pause = max(15.0, min(30.0, self.seconds / 12))
        self.steady, self.cameras = CameraServer(arguments.clip), CameraServer(arguments.clip)
        self.http = random.randint(20_000, 32_000)
        model = os.path.abspath(arguments.model)
        self.daemon = Daemon(
            arguments.hcqd,
            folder,
            configuration(folder, self.steady, self.cameras, model, arguments.input, self.http),
        )
        self.began = time.monotonic()
        self.readings: Readings = {}
        self.faults: dict[str, int] = {}
        self.unanswered = 0
        self.csv = open(arguments.readings, "w", buffering=1) if arguments.readings else None

    @property
    def passed(self) -> float:
        return time.monotonic() - self.began

    def read(self) -> None:
        """Asks for every page and notes what the daemon and the system say of it."""
        self.daemon.listen()
        if self.passed < 10:
            return
        try:
            pages = {}
            for page in ("healthz", "metrics", "cameras", "cameras/steady/picture.jpg"):
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{page}", timeout=10) as answer:
                    pages[page] = answer.read()
        except OSError:
            self.unanswered += 1
            return
        metrics = dict(line.rsplit(" ", 1) for line in pages["metrics"].decode().splitlines() if line[0] != "#")
        online = [name for name in CAMERAS if metrics[f'hcqd_camera_online{{camera="{name}"}}'] == "1"]
        facts = {"heap": float(metrics["hcqd_heap_in_use_bytes"]) / 2**20, **self.daemon.facts()}
        if self.sanitized:
            facts = {name: value for name, value in facts.items() if name not in MEMORY}
        if self.csv:
            print(f"{self.passed:.2f}", "+".join(online), *facts.values(), sep=",", file=self.csv)
        if self.passed > self.warm_up:
            for name, value in facts.items():
                self.readings.setdefault(name, []).append(growth.Reading(self.passed, "+".join(online), value))

    def disturb(self, turn: int) -> None:
        """One fault from outside, in turns."""
        kind = ["cameras_die", "reload", "cameras_die", "rename", "cameras_die", "bad_configuration"][turn % 6]
        file = self.folder / "hcqd.yaml"
        if kind == "reload":
            # One camera starts anew.
            old, new = ("garbage_for=3", "garbage_for=4") if turn % 12 < 6 else ("garbage_for=4", "garbage_for=3")
            file.write_text(file.read_text().replace(old, new))
            self.daemon.process.send_signal(signal.SIGHUP)
        elif kind == "rename":
            active = self.folder / "events" / "steady.jsonl"
            if active.exists():
                active.rename(f"{active}.soak{turn}")
            self.daemon.process.send_signal(signal.SIGUSR1)
        elif kind == "cameras_die":
            self.cameras.stop()
            # What was under way comes to its end.
            time.sleep(2)
            for _ in range(8):
                self.read()
                time.sleep(0.4)
            self.cameras.start()
        else:
            good = file.read_text()
            file.write_text("cameras: {steady: {ulr: x}}\n")
            self.daemon.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            file.write_text(good)
        self.faults[kind] = self.faults.get(kind, 0) + 1

    def run(self) -> dict[str, object]:
        """What became of it; `problems` is empty when all is well."""
        process = self.daemon.process
        next_fault = self.began + self.pause
        try:
            while self.passed < self.seconds and process.poll() is None:
                self.read()
                if time.monotonic() > next_fault:
                    self.disturb(sum(self.faults.values()))
                    next_fault = time.monotonic() + self.pause
                time.sleep(1)
            died = process.poll()
            stopping = time.monotonic()
            if died is None:
                process.terminate()
            status = process.wait(30)
            stop_seconds = time.monotonic() - stopping
        finally:
            self.cameras.stop()
            self.steady.stop()
            if process.poll() is None:
                process.kill()
        return self.report(died, status, stop_seconds)

    def report(self, died: int | None, status: int, stop_seconds: float) -> dict[str, object]:
        lines, problems = check_logs(self.folder)
        told, growing = judge(self.readings, self.seconds / 60)
        problems += growing
        if died is not None:
            problems.append(f"the daemon ended by itself with status {died}")
        if status != 0:
            problems.append(f"exit status {status}")
        if stop_seconds > 5:
            problems.append(f"stopping took {stop_seconds:.1f} s")
        reports = (self.folder / "journal.log").read_text(errors="replace").count("SUMMARY: ") if self.sanitized else 0
        if reports:
            problems.append(f"{reports} reports of the sanitizer")
        if self.daemon.longest_silence > WATCHDOG_SECONDS:
            problems.append(f"the watchdog heard nothing for {self.daemon.longest_silence:.0f} s")
        return {
            "minutes": self.seconds / 60,
            "faults_from_outside": self.faults,
            "camera_failures": sum(
                open(path, "rb").read().count(kind)
                for path in glob.glob(f"{self.folder}/events/*.jsonl*")
                for kind in (b'"camera_offline"', b'"camera_stalled"', b'"discontinuity"')
            ),
            "lines": lines,
            **told,
            "longest_watchdog_silence_s": round(self.daemon.longest_silence, 1),
            "pages_unanswered": self.unanswered,
            "stop_s": round(stop_seconds, 2),
            "problems": problems,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--input", default="256x192")
    parser.add_argument("--sanitized", action="store_true", help="HCQD was built with a sanitizer")
    parser.add_argument("--readings", help="all readings: seconds, cameras online, heap, resident and own MB, descriptors, threads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hcqd-soak-") as folder:
        result = Soak(arguments, pathlib.Path(folder)).run()
        print(json.dumps(result, indent=2))
        if result["problems"]:
            journal = (pathlib.Path(folder) / "journal.log").read_text(errors="replace")
            first = journal.find("Sanitizer: ")
            print(journal[-4000:] if first < 0 else journal[max(0, first - 100) : first + 8000], file=sys.stderr)
        return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())

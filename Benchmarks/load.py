#!/usr/bin/env python3
"""Where one machine ends: hcqd with more and more cameras, until frames are left out.

    load.py HCQD CLIP [--fps 5] [--seconds 20] [--model M.safetensors] [--input 640x384] [--most 64]

CLIP is served over RTSP by a test camera on this machine, as often as there are cameras. For every number of cameras hcqd
starts anew, runs until all are online, and is watched through its own /metrics. A number is carried when every camera gets
at least 95 % of --fps. The search doubles until that fails, then halves the interval. A table goes to standard output, and
with --json the same as a JSON line.

What other programs do on the machine is told (`others`, in cores): a run with more than a few tenths says less about the
machine than about them.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
PROJECT = pathlib.Path(__file__).resolve().parent.parent


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_busy_seconds() -> float:
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS


class Daemon:
    """hcqd with a number of cameras."""

    def __init__(self, options: argparse.Namespace, address: str, count: int, folder: pathlib.Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        width, height = options.input.split("x")
        cameras = "".join(f"  c{i:03}: {{url: '{address}cam', fps: {options.fps}}}\n" for i in range(count))
        (folder / "load.yaml").write_text(
            f"model: {{path: '{options.model or ''}', input_width: {width}, input_height: {height}}}\n"
            f"storage: {{directory: '{folder}/events'}}\nhttp: {{enabled: true, port: {self.port}}}\ncameras:\n{cameras}"
        )
        self.journal = open(folder / "load.log", "w")
        command = [options.hcqd, "run", "--config", folder / "load.yaml"]
        self.process = subprocess.Popen(command, stderr=self.journal, stdout=self.journal)

    def metrics(self) -> dict[str, list[tuple[str, float]]]:
        """Samples by family: (labels, value)."""
        found: dict[str, list[tuple[str, float]]] = {}
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            if self.process.poll() is not None:
                sys.exit(f"hcqd ended with status {self.process.returncode}: {pathlib.Path(self.journal.name).read_text()}")
            return found
        for name, labels, value in re.findall(r"(?m)^(\w+)(\{[^}]*\})? (\S+)$", text):
            found.setdefault(name, []).append((labels, float(value)))
        return found

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(options: argparse.Namespace, address: str, camera_pid: int, count: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(options, address, count, pathlib.Path(folder))
        try:
            deadline = time.monotonic() + 60 + count
            while sum(value for _, value in daemon.metrics().get("hcqd_camera_online", [])) < count:
                if time.monotonic() > deadline:
                    return {"cameras": count, "note": "not every camera came online", "least_fps": 0.0}
                time.sleep(0.5)
            time.sleep(5)
            before, began = daemon.metrics(), time.monotonic()
            cpu = [cpu_seconds(daemon.process.pid), cpu_seconds(camera_pid), machine_busy_seconds()]
            time.sleep(options.seconds)
            after, seconds = daemon.metrics(), time.monotonic() - began
            used = [cpu_seconds(daemon.process.pid), cpu_seconds(camera_pid), machine_busy_seconds()]
            daemon_cores, camera_cores, all_cores = [(new - old) / seconds for new, old in zip(used, cpu)]
        finally:
            daemon.stop()

    def change(name: str, labelled: str = "") -> list[float]:
        old = dict(before[name])
        return [value - old.get(labels, 0) for labels, value in after[name] if labelled in labels]

    fps = [frames / seconds for frames in change("hcqd_frames_inferred_total")]
    told = sum(change("hcqd_latency_seconds_count"))
    return {
        "cameras": count,
        "wanted_fps": options.fps,
        "mean_fps": round(sum(fps) / count, 2),
        "least_fps": round(min(fps), 2),
        "left_out_share": round(sum(change("hcqd_frames_skipped_total", "busy")) / max(1, sum(change("hcqd_frames_received_total"))), 3),
        "latency_ms": round(1000 * sum(change("hcqd_latency_seconds_sum")) / max(1, told)),
        "inference_ms": round(1000 * sum(change("hcqd_inference_seconds_total")) / max(1, sum(fps) * seconds), 1),
        "hcqd_cores": round(daemon_cores, 2),
        "camera_cores": round(camera_cores, 2),
        "others_cores": round(max(0, all_cores - daemon_cores - camera_cores), 2),
        "memory_mb": round(after["hcqd_resident_memory_bytes"][0][1] / 1e6),
    }


def show(row: dict) -> None:
    columns = ["cameras", "mean_fps", "least_fps", "left_out_share", "latency_ms", "inference_ms", "hcqd_cores", "camera_cores", "others_cores", "memory_mb"]
    print("| " + " | ".join(str(row.get(column, row.get("note", ""))) for column in columns) + " |", flush=True)


def search(options: argparse.Namespace, address: str, camera_pid: int) -> tuple[int, list[dict]]:
    """The most cameras that are carried, and all rows in the order in which they were measured."""
    rows: list[dict] = []

    def carries(count: int) -> bool:
        rows.append(measure(options, address, camera_pid, count))
        show(rows[-1])
        return rows[-1]["least_fps"] >= 0.95 * options.fps

    good, bad = 0, 1
    while bad <= options.most and carries(bad):
        good, bad = bad, 2 * bad
    while bad - good > 1:
        middle = (good + bad) // 2
        if middle <= options.most and carries(middle):
            good = middle
        else:
            bad = middle
    return good, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip", help="a video whose H.264 the test camera sends; it is converted when it is none")
    parser.add_argument("--model", help="the one that comes with hcqd, when none is named")
    parser.add_argument("--input", default="640x384")
    parser.add_argument("--fps", type=float, default=5, help="frames a second that each camera shall get")
    parser.add_argument("--seconds", type=float, default=20, help="how long each number of cameras is watched")
    parser.add_argument("--most", type=int, default=64, help="no more cameras than these")
    parser.add_argument("--json", type=pathlib.Path, help="append the result to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = pathlib.Path(folder) / "clip.h264"
        convert = ["ffmpeg", "-v", "error", "-i", options.clip, "-t", "60", "-an", "-c:v", "libx264", "-preset", "veryfast", "-g", "20"]
        subprocess.run([*convert, "-bf", "0", "-pix_fmt", "yuv420p", "-f", "h264", clip], check=True)
        camera = subprocess.Popen(
            [sys.executable, PROJECT / "Tests/Tools/rtsp_camera.py", clip, "--fps", str(max(10, options.fps)), "--while-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            address = camera.stdout.readline().split()[1]
            print("| cameras | mean fps | least fps | left out | latency ms | inference ms | hcqd cores | camera cores | other cores | MB |")
            print("|---" * 10 + "|")
            good, rows = search(options, address, camera.pid)
        finally:
            camera.stdin.close()
            camera.wait()
    print(f"\n{good} cameras at {options.fps:g} frames a second, input {options.input}, {os.cpu_count()} cores")
    if options.json:
        with options.json.open("a") as file:
            file.write(json.dumps({"carried": good, "input": options.input, "cores": os.cpu_count(), "rows": rows}) + "\n")


if __name__ == "__main__":
    main()

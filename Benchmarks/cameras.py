"""Memory and frames a second of the daemon with many cameras of 1920x1080.

    python cameras.py [--cameras 8] [--seconds 60] [--fps 10] [--model M.safetensors]

The cameras are one H.264 clip (vtest.avi enlarged, three reference frames), looped by Tests/Tools/rtsp_camera.py over RTSP.
The cameras' own processor time is not counted. Prints one JSON object: the resident set at its highest and at the end (10^6 bytes), frames a second by camera as they came and
as the engine took them, processor time a second. Exit status 1 beyond --limit. Standard library and ffmpeg only.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "demo-output" / "vtest.avi"
SIZE = "1920x1080"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def encode(clip: Path, seconds: int, fps: int, to: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-i", clip, "-t", seconds, "-vf", f"fps={fps},scale={SIZE.replace('x', ':')}",
               "-c:v", "libx264", "-preset", "veryfast", "-refs", 3, "-bf", 0, "-g", 2 * fps, "-pix_fmt", "yuv420p",
               "-bsf:v", "h264_mp4toannexb", to]
    subprocess.run([str(part) for part in command], check=True)


def status(process: subprocess.Popen, key: str) -> float:
    """Megabytes, 10^6 bytes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def processor_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counters(port: int) -> dict[str, float]:
    """Every counter of /metrics, added up over cameras."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for name, labels, value in re.findall(r"^(hcqd_\w+)(\{.*?\})? ([\d.e+]+)$", text, re.MULTILINE):
        reason = re.search(r'reason="(\w+)"', labels)
        key = f"{name}:{reason[1]}" if reason else name
        found[key] = found.get(key, 0.0) + float(value)
    return found


def measure(arguments: argparse.Namespace, folder: Path) -> dict:
    encode(arguments.clip, 20, arguments.fps, folder / "clip.h264")
    rtsp, http = free_port(), free_port()
    cameras = "".join(f"  camera{i}: {{url: \"rtsp://127.0.0.1:{rtsp}/cam\"}}\n" for i in range(arguments.cameras))
    (folder / "hcqd.yaml").write_text(
        f"model: {{path: \"{arguments.model.resolve()}\"}}\nstorage: {{directory: \"{folder}/events\"}}\n"
        f"http: {{enabled: true, port: {http}}}\ncameras:\n{cameras}")
    server = subprocess.Popen([sys.executable, ROOT / "Tests" / "Tools" / "rtsp_camera.py", folder / "clip.h264", "--port",
                               str(rtsp), "--fps", str(arguments.fps)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    daemon = subprocess.Popen([arguments.hcqd, "run", "--config", folder / "hcqd.yaml"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(arguments.seconds // 4)  # all connected
        before, began, used = counters(http), time.monotonic(), processor_seconds(daemon)
        time.sleep(arguments.seconds)
        after, passed = counters(http), time.monotonic() - began
        rates = {name: round((after[name] - before.get(name, 0)) / passed, 2) for name in after
                 if name.startswith("hcqd_frames")}
        return {"cameras": arguments.cameras, "size": SIZE, "fps": arguments.fps, "seconds": round(passed),
                "peak_mb": round(status(daemon, "VmHWM"), 1), "resident_mb": round(status(daemon, "VmRSS"), 1),
                "frames_per_second": rates, "cores_used": round((processor_seconds(daemon) - used) / passed, 2),
                "threads": len(os.listdir(f"/proc/{daemon.pid}/task"))}
    finally:
        for process in (daemon, server):
            process.terminate()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--model", type=Path, default=ROOT / "Models" / "hcqnet-compact.safetensors")
    parser.add_argument("--hcqd", type=Path, default=ROOT / ".build" / "release" / "hcqd")
    parser.add_argument("--limit", type=float, default=1000, help="megabytes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments, Path(folder))
    print(json.dumps(found))
    return 0 if found["peak_mb"] <= arguments.limit else 1


if __name__ == "__main__":
    sys.exit(main())

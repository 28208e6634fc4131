#!/usr/bin/env python3
"""Opens hcqd's live page in headless Chromium and checks what it shows.

    page.py HCQD CLIP.h264 SCREENSHOT.png [--model M.safetensors]

The page runs for some seconds with a camera that works and one that does not; then its document is read (camera cards,
states, events, a picture that has loaded) and a screenshot is left to be looked at. Exit status 0 when all is there.
"""

import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from soak import CameraServer


def browse(*arguments: str) -> str:
    command = ["chromium", "--headless=old", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,900"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("screenshot")
    parser.add_argument("--model", default="", help="the shipped one by default")
    arguments = parser.parse_args()
    cameras, port = CameraServer(arguments.clip), random.randint(20_000, 32_000)
    with tempfile.TemporaryDirectory(prefix="hcqd-page-") as folder:
        configuration = pathlib.Path(folder) / "hcqd.yaml"
        configuration.write_text(
            f"""
model: {{path: "{arguments.model and pathlib.Path(arguments.model).resolve()}", input_width: 384, input_height: 288}}
storage: {{directory: "{folder}/events"}}
http: {{enabled: true, port: {port}}}
cameras:
  campus:
    url: "rtsp://127.0.0.1:{cameras.port}/cam"
    events:
      zones: [{{name: lawn, polygon: [[0.1, 0.5], [0.6, 0.5], [0.6, 1.0], [0.1, 1.0]]}}]
      lines: [{{name: path, a: [0.2, 0.3], b: [0.8, 0.3]}}]
  gone: {{url: "rtsp://127.0.0.1:9/cam"}}
"""
        )
        daemon = subprocess.Popen([arguments.hcqd, "run", "--config", str(configuration)], stderr=subprocess.DEVNULL)
        page = f"http://127.0.0.1:{port}/"
        try:
            for _ in range(300):
                time.sleep(0.2)
                try:
                    urllib.request.urlopen(page + "cameras/campus/picture.jpg", timeout=10).read()
                    break
                except OSError:
                    continue
            time.sleep(8)
            document = browse("--timeout=8000", "--dump-dom", page)
            browse("--timeout=8000", f"--screenshot={arguments.screenshot}", page)
        finally:
            daemon.terminate()
            daemon.wait(20)
            cameras.stop()
    wanted = {
        "both cameras": document.count("<article>") == 2,
        "the state of the good one": 'class="online"' in document,
        "the state of the bad one": 'class="offline"' in document,
        "a picture that has loaded": re.search(r'<img[^>]*campus[^>]*visibility: visible', document) is not None,
        "events": document.count("<li>") > 0 and "camera online" in document,
        "the summary": "1 of 2 cameras online" in document,
    }
    for what, found in wanted.items():
        print(f"{'found' if found else 'MISSING'}: {what}")
    print(f"look at {arguments.screenshot}")
    return 0 if all(wanted.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

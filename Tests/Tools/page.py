#!/usr/bin/env python3
"""Opens hcqd's live page in headless Chromium and checks what it shows.

    page.py HCQD CLIP SCREENSHOT.png [--model M.safetensors]

Several cameras, one of which cannot be reached; then one with a token whose people must be covered. What is checked:
pictures that are there and move, states, events newest first, `/events` from a number on, the width of a telephone, zones
drawn on the running camera, the token, and every pixel inside a person's silhouette. Screenshots are left to be looked at:
SCREENSHOT.png, -phone.png, -zones.png and -redacted.png. Exit status 0 when all is as it must be.
"""

import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from browser import Browser
from soak import CameraServer
from zones_page import Desk

SLATE = (52, 58, 68)


def make_clips(clip: str, folder: pathlib.Path) -> tuple[str, str]:
    """A camera's clip, and one in which nothing moves, so that it is known where people are."""
    h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0", "-pix_fmt", "yuv420p", "-bsf:v", "h264_mp4toannexb"]
    day, still, picture = str(folder / "day.h264"), str(folder / "still.h264"), str(folder / "still.png")
    ffmpeg = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*ffmpeg, "-i", clip, "-t", "20", *h264, day], check=True)
    subprocess.run([*ffmpeg, "-ss", "30", "-i", clip, "-frames:v", "1", picture], check=True)
    subprocess.run([*ffmpeg, "-loop", "1", "-r", "10", "-i", picture, "-t", "10", *h264, still], check=True)
    return day, still


class Daemon:
    def __init__(self, hcqd: str, folder: pathlib.Path, yaml: str, token: str = "") -> None:
        self.port, self.token = random.randint(20_000, 32_000), token
        self.address = f"http://127.0.0.1:{self.port}/"
        self.events = folder / "events"
        folder.mkdir()
        file = folder / "hcqd.yaml"
        file.write_text(f"storage: {{directory: \"{self.events}\"}}\n"
                        f"http: {{enabled: true, port: {self.port}, token: \"{token}\"}}\n{yaml}")
        self.process = subprocess.Popen([hcqd, "run", "--config", str(file)], stderr=subprocess.DEVNULL)

    def get(self, page: str, **headers: str) -> bytes:
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(self.address + page, headers={k.replace("_", "-"): v for k, v in headers.items()})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def wait(self, page: str) -> bytes:
        deadline = time.monotonic() + 90
        while True:
            try:
                return self.get(page)
            except OSError:
                assert self.process.poll() is None, f"hcqd ended with {self.process.returncode}"
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def feed(self, query: str, lines: int, **headers: str) -> list[tuple[str, dict]]:
        """The first events of the feed: their ids and lines."""
        found, last = [], ""
        request = urllib.request.Request(f"{self.address}events?{query}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        with urllib.request.urlopen(request, timeout=30) as answer:
            for raw in answer:
                text = raw.decode().rstrip("\n")
                if text.startswith("id: "):
                    last = text[4:]
                elif text.startswith("data: "):
                    found.append((last, json.loads(text[6:])))
                    if len(found) == lines:
                        break
        return found

    def lines(self, camera: str) -> list[dict]:
        return [json.loads(line) for line in (self.events / f"{camera}.jsonl").read_text().splitlines()]


@contextlib.contextmanager
def running(*arguments: str, **options: str) -> Iterator[Daemon]:
    daemon = Daemon(*arguments, **options)
    try:
        yield daemon
    finally:
        daemon.process.terminate()
        daemon.process.wait(20)


# A picture's brightness: mean and standard deviation, and a sum that changes with it.
LOOK = """(() => {
  const images = [...document.querySelectorAll('article img')].filter(i => i.naturalWidth && !i.hidden);
  return images.map(image => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0, squares = 0, mark = 0;
    for (let i = 1; i < data.length; i += 4) { sum += data[i]; squares += data[i] ** 2; mark = (mark * 31 + data[i]) % 1000003; }
    const n = data.length / 4, mean = sum / n;
    return { name: image.alt, width: canvas.width, mean, spread: Math.sqrt(squares / n - mean * mean), mark };
  });
})()"""


def look_at_cameras(browser: Browser, daemon: Daemon, screenshot: str) -> None:
    browser.open(daemon.address)
    browser.wait("document.querySelectorAll('article').length === 3")
    browser.wait(LOOK.replace("return images.map", "return images.length < 2 ? null : images.map"), 60)
    before = browser.evaluate(LOOK)
    assert all(picture["width"] == 768 and picture["spread"] > 20 for picture in before), before
    marks = {picture["name"]: picture["mark"] for picture in before}
    for name, mark in marks.items():
        browser.wait(f"({LOOK}).some(p => p.name === {json.dumps(name)} && p.mark !== {mark})", 60)
    states = browser.evaluate("[...document.querySelectorAll('article')].map(a => a.querySelector('.online, .offline')?.className)")
    assert sorted(states) == ["offline", "online", "online"], states
    browser.wait("document.getElementById('summary').textContent === '2 of 3 cameras online'")
    browser.wait("document.querySelectorAll('#events li').length > 12", 90)
    times = browser.evaluate("[...document.querySelectorAll('#events time')].map(t => t.dateTime)")
    assert times == sorted(times, reverse=True), f"newest first: {times}"
    cameras = browser.evaluate("new Set([...document.querySelectorAll('#events li')].map(l => /campus|yard/.exec(l.textContent)?.[0])).size")
    assert cameras >= 2, "events of both cameras"
    browser.screenshot(screenshot)
    browser.resize(390, 844, scale=2)
    browser.wait("document.documentElement.scrollWidth <= 390", 5)
    browser.screenshot(screenshot.replace(".png", "-phone.png"))
    browser.resize(1400, 900)


def resumes(daemon: Daemon) -> None:
    first = daemon.feed("camera=campus&from=1", 6)
    assert [line["seq"] for _, line in first] == [1, 2, 3, 4, 5, 6], first
    assert [line["seq"] for _, line in daemon.feed("camera=campus&from=4", 3)] == [4, 5, 6]
    mark, line = daemon.feed("from=1", 5)[-1]
    again = daemon.feed("", 3, Last_Event_ID=mark)
    seen = [part.split(":") for part in mark.split(",")]
    for _, line in again:
        last = int(dict(seen)[line["camera"]])
        assert line["seq"] > last, f"{line['camera']} {line['seq']} came already: {mark}"
    assert again[0][1]["seq"] == int(dict(seen)[again[0][1]["camera"]]) + 1


def draw_on_running_camera(browser: Browser, daemon: Daemon, screenshot: str, check: list[str]) -> None:
    browser.press("article a[href='cameras/campus/zones']")
    browser.wait("document.readyState === 'complete' && document.body.dataset.ready === 'yes'", 90)
    page = Desk.__new__(Desk)
    page.browser = browser
    names = browser.evaluate("[...document.querySelectorAll('#places button')].map(b => b.firstChild.textContent)")
    assert names == ["lawn", "path"], names
    browser.press("#new-zone")
    for corner in [(0.7, 0.5), (0.9, 0.5), (0.9, 0.7)]:
        page.click(*corner)
    browser.key("Enter")
    browser.type("gate")
    browser.evaluate("(() => { const e = document.getElementById('extent'); e.value = 'whole'; e.dispatchEvent(new Event('change')); })()")
    file = daemon.events.parent / "drawn.yaml"
    file.write_text(page.yaml)
    checked = subprocess.run([*check, str(file)], capture_output=True, text=True)
    assert checked.returncode == 0 and "name: gate" in page.yaml, checked.stderr + page.yaml
    browser.screenshot(screenshot.replace(".png", "-zones.png"))


def is_covered(browser: Browser, daemon: Daemon, screenshot: str) -> None:
    """Every pixel inside every known person's silhouette has the colour of the cover."""
    from pycocotools import mask as masks

    try:
        daemon.get("cameras", Authorization="Bearer wrong")
        raise AssertionError("a wrong token is let in")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
    browser.open(daemon.address)
    assert "bearer token" in str(browser.evaluate("document.body.textContent"))
    browser.errors.clear()  # that refusal
    browser.open(f"{daemon.address}?token={daemon.token}")
    browser.wait(LOOK.replace("return images.map", "return images.length < 1 ? null : images.map"), 60)
    deadline = time.monotonic() + 60
    people: list[dict] = []
    while not people and time.monotonic() < deadline:
        people = [line for line in daemon.lines("still") if line["type"] == "start" and line.get("mask") and line["score"] > 0.6]
        time.sleep(0.5)
    assert people, "nobody was seen in the still"
    time.sleep(2)
    height, width, data = browser.evaluate("""(async () => {
      const image = await createImageBitmap(await (await fetch('cameras/still/picture.jpg')).blob());
      const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      return [image.height, image.width, [...context.getImageData(0, 0, image.width, image.height).data]];
    })()""")
    for person in people:
        inside = masks.decode({**person["mask"], "counts": person["mask"]["counts"].encode()})
        rows, columns = inside.shape
        bare = total = 0
        for y in range(height):
            for x in range(width):
                if inside[y * rows // height, x * columns // width]:
                    total += 1
                    at = 4 * (y * width + x)
                    bare += max(abs(data[at + k] - SLATE[k]) for k in range(3)) > 30
        print(f"{person['id']}: {total} pixels of a silhouette, {bare} of them not covered")
        assert total > 100 and bare == 0
    browser.screenshot(screenshot.replace(".png", "-redacted.png"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("screenshot")
    parser.add_argument("--model", default="", help="the shipped one by default")
    arguments = parser.parse_args()
    model = arguments.model and pathlib.Path(arguments.model).resolve()
    with tempfile.TemporaryDirectory(prefix="hcqd-page-") as name, Browser() as browser:
        folder = pathlib.Path(name)
        day, still = make_clips(arguments.clip, folder)
        network = f"model: {{path: \"{model}\", input_width: 384, input_height: 288}}\n"
        for clip in (day, still):
            cameras = CameraServer(clip)
            url = f"rtsp://127.0.0.1:{cameras.port}/cam"
            try:
                if clip == day:
                    yaml = network + f"""
cameras:
  campus:
    url: "{url}"
    events:
      zones: [{{name: lawn, polygon: [[0.1, 0.5], [0.6, 0.5], [0.6, 1.0], [0.1, 1.0]]}}]
      lines: [{{name: path, a: [0.2, 0.3], b: [0.8, 0.3]}}]
  yard: {{url: "{url}", events: {{zones: [{{name: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}]}}}}
  gone: {{url: "rtsp://127.0.0.1:9/cam"}}
"""
                    with running(arguments.hcqd, folder / "day", yaml) as daemon:
                        daemon.wait("cameras/campus/picture.jpg")
                        daemon.wait("cameras/yard/picture.jpg")
                        look_at_cameras(browser, daemon, arguments.screenshot)
                        resumes(daemon)
                        draw_on_running_camera(browser, daemon, arguments.screenshot, [arguments.hcqd, "check"])
                else:
                    yaml = network + "rendering: {redact: always, boxes: false, skeletons: false, labels: false}\n"
                    yaml += f"cameras:\n  still: {{url: \"{url}\"}}\n"
                    with running(arguments.hcqd, folder / "still", yaml, token="s3cret") as daemon:
                        daemon.wait("cameras/still/picture.jpg")
                        is_covered(browser, daemon, arguments.screenshot)
            finally:
                cameras.stop()
        # The icon of a refusal, which the browser asks for when it likes.
        errors = [error for error in browser.errors if not error.endswith("/favicon.ico")]
        assert not errors, errors
    print(f"all is there; look at {arguments.screenshot} and those beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Draws zones and lines on the page of `hcqd zones` in headless Chromium, as a person would with a mouse.

    zones_page.py HCQD CLIP SCREENSHOT.png [--model M.safetensors]

A zone and a line are drawn, named, changed, and their YAML is copied; `hcqd check` must take it as it is. Then the page is
opened again with that configuration, and must show the same places. Exit status 0 when all is as it must be.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from browser import Browser


@contextlib.contextmanager
def desk(*command: str) -> Iterator[str]:
    """Runs `hcqd zones ...` and gives the page's address."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert "http://" in line, f"no address: {line!r}"
        yield next(word for word in line.split() if word.startswith("http://"))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Desk:
    """The page as a person uses it; points are in 0...1 of the picture."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        browser.open(address)
        browser.wait("document.body.dataset.ready === 'yes'", 60)

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, width, height = self.browser.evaluate(
            "(() => { scrollTo(0, 0); const b = document.getElementById('drawing').getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]; })()")
        return left + x * width, top + y * height

    def click(self, x: float, y: float, count: int = 1) -> None:
        self.browser.click(*self.at(x, y), count)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.browser.drag(self.at(*start), self.at(*end))

    def set(self, key: str, value: str) -> None:
        """Fills a field of the form as typing does."""
        self.browser.evaluate(
            f"(() => {{ const e = document.getElementById('form').elements[{json.dumps(key)}]; e.value = {json.dumps(value)};"
            " e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); })()")

    @property
    def yaml(self) -> str:
        return str(self.browser.evaluate("document.getElementById('yaml').value"))

    def copied(self) -> str:
        """What is in the clipboard after the button was pressed."""
        self.browser.press("#copy")
        self.browser.wait("document.getElementById('copied').textContent === 'copied'")
        return str(self.browser.evaluate("navigator.clipboard.readText()"))


def check(hcqd: str, text: str, path: pathlib.Path) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    return subprocess.run([hcqd, "check", str(path)], capture_output=True, text=True)


def draw(page: Desk) -> None:
    browser = page.browser
    browser.press("#new-zone")
    for corner in [(0.2, 0.5), (0.6, 0.5), (0.6, 0.9), (0.2, 0.9)]:
        page.click(*corner)
    page.click(0.2, 0.5)  # the first corner again closes it
    browser.type("lawn: \"west\"")
    assert "lawn" in page.yaml, page.yaml
    page.set("anchor", "mask")
    page.set("min_overlap", "0.4")
    page.set("loitering_after_s", "30")
    page.drag((0.6, 0.9), (0.7, 0.8))  # a corner
    page.drag((0.2, 0.7), (0.1, 0.7))  # the dot in the middle of an edge: a new corner
    assert "0.7, 0.8" in page.yaml and "0.1, 0.7" in page.yaml, page.yaml
    page.click(0.1, 0.7, count=2)  # and away
    assert "0.1, 0.7" not in page.yaml, page.yaml
    browser.press("#new-line")
    page.click(0.5, 0.95)
    page.click(0.5, 0.1)
    browser.type("path")
    words = browser.evaluate(
        "[...document.querySelectorAll('#drawing text')].filter(t => ['left', 'right'].includes(t.textContent))"
        ".map(t => [t.textContent, Number(t.getAttribute('x'))])")
    sides = dict(words)
    assert sides["left"] < sides["right"], f"looking up from A at the bottom, left is left: {sides}"
    browser.press("#swap")
    assert "a: [0.5, 0.1]" in page.yaml, page.yaml
    browser.press("#undo")
    assert "a: [0.5, 0.95]" in page.yaml, page.yaml


def refuses_crossing_edges(page: Desk) -> None:
    page.browser.press("#new-zone")
    for corner in [(0.8, 0.1), (0.95, 0.3), (0.95, 0.1), (0.8, 0.3)]:
        page.click(*corner)
    page.browser.key("Enter")
    assert page.yaml.startswith("# Not usable yet") and "cross" in page.yaml, page.yaml
    assert page.browser.evaluate("document.getElementById('copy').disabled") is True
    page.browser.press("#delete-place")
    assert page.yaml.startswith("cameras:"), page.yaml


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("screenshot")
    parser.add_argument("--model", default="", help="the shipped one by default")
    arguments = parser.parse_args()
    if arguments.model:
        os.environ["HCQD_MODEL"] = str(pathlib.Path(arguments.model).resolve())
    hcqd, clip = arguments.hcqd, arguments.clip
    with tempfile.TemporaryDirectory(prefix="hcqd-zones-") as folder, Browser() as browser:
        browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        file = pathlib.Path(folder) / "drawn.yaml"
        with desk(hcqd, "zones", clip, "--camera", "campus", "--listen", "127.0.0.1:0", "--seconds", "5") as address:
            page = Desk(browser, address)
            stills = browser.evaluate("document.querySelectorAll('#stills button').length")
            assert stills > 5, f"{stills} stills"
            assert browser.evaluate("document.querySelector('#stills [aria-pressed=true]').textContent") == "empty scene"
            draw(page)
            refuses_crossing_edges(page)
            text = page.copied()
            browser.press("#places button")
            browser.evaluate("scrollTo(0, 0)")
            browser.screenshot(arguments.screenshot)
            browser.resize(390, 844)
            browser.wait("document.documentElement.scrollWidth <= 390", 5)
            browser.resize(1400, 900)
            checked = check(hcqd, text, file)
            assert checked.returncode == 0, checked.stderr + text
            print(text + checked.stdout, end="")
        with desk(hcqd, "zones", clip, "--camera", "campus", "--config", str(file), "--listen", "127.0.0.1:0",
                  "--seconds", "2") as address:
            page = Desk(browser, address)
            names = browser.evaluate("[...document.querySelectorAll('#places button')].map(b => b.firstChild.textContent)")
            assert names == ['lawn: "west"', "path"], names
            browser.evaluate("(() => { const e = document.getElementById('extent'); e.value = 'whole';"
                             " e.dispatchEvent(new Event('change')); })()")
            assert page.yaml == text, f"{page.yaml}\nis not\n{text}"
        assert not browser.errors, browser.errors
    print(f"look at {arguments.screenshot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

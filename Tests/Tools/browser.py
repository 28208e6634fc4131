"""Headless Chromium, driven over the DevTools protocol: pages are opened, clicked, typed into and looked at."""

import base64
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from websockets.sync.client import connect

KEYS = {"Enter": 13, "Escape": 27, "Delete": 46, "Backspace": 8, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """One page. `errors` collects what the page complained of: exceptions, refused loads, console errors."""

    def __init__(self, width: int = 1400, height: int = 900) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="hcqd-browser-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--remote-debugging-port=0", f"--user-data-dir={self.folder.name}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.errors: list[str] = []
        self.number = 0
        try:
            self.socket = connect(self.page_address(), max_size=None, compression=None, open_timeout=30)
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            self.resize(width, height)
        except BaseException:
            self.process.kill()
            raise

    def page_address(self) -> str:
        ready = pathlib.Path(self.folder.name) / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                port = int(ready.read_text().splitlines()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                    pages = [target for target in json.load(answer) if target["type"] == "page"]
                if pages:
                    return pages[0]["webSocketDebuggerUrl"]
            except (OSError, ValueError, IndexError):
                pass
            time.sleep(0.1)
        raise TimeoutError("Chromium does not start")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self.socket.close()
        finally:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.folder.cleanup()

    def call(self, method: str, **parameters: object) -> dict:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message)

    def note(self, message: dict) -> None:
        details = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            exception = details["exceptionDetails"]
            self.errors.append(exception.get("exception", {}).get("description") or exception["text"])
        elif message.get("method") == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.errors.append(details["entry"]["text"] + " " + details["entry"].get("url", ""))

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'", 30)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def evaluate(self, expression: str) -> object:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> object:
        """The expression's value as soon as it is truthy."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.evaluate(expression)
            except RuntimeError:
                value = None  # the page is being left
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"not in {seconds} s: {expression}; errors: {self.errors}")
            time.sleep(0.1)

    def mouse(self, kind: str, x: float, y: float, clicks: int = 0, at: float | None = None) -> None:
        pressed = kind != "mouseMoved" or clicks
        moment = {} if at is None else {"timestamp": at}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if pressed else "none",
                  buttons=1 if kind == "mousePressed" or clicks and kind == "mouseMoved" else 0, clickCount=clicks, **moment)

    def click(self, x: float, y: float, count: int = 1) -> None:
        self.mouse("mouseMoved", x, y)
        # A tenth of a second between two clicks, however busy the machine is.
        now = time.time()
        for i in range(count):
            self.mouse("mousePressed", x, y, i + 1, now + 0.1 * i)
            self.mouse("mouseReleased", x, y, i + 1, now + 0.1 * i + 0.05)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, 1)
        for step in range(1, 6):
            self.mouse("mouseMoved", *[a + (b - a) * step / 5 for a, b in zip(start, end)], 1)
        self.mouse("mouseReleased", *end, 1)

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element, scrolled into view, in pixels of the window."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{ block: 'nearest' }});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        return box[0], box[1]

    def press(self, selector: str) -> None:
        self.click(*self.middle(selector))

    def key(self, name: str, modifiers: int = 0) -> None:
        code = KEYS.get(name, ord(name[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, modifiers=modifiers)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: str) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

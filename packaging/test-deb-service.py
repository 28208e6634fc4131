"""Runs a service as its unit says, without systemd: test-deb-service.py UNIT CAMERAS

Its user, state directory and ExecStart, a socket for sd_notify; then reload and stop.
"""

import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import sys
import time

unit = dict(re.findall(r"(?m)^(\w+)=(.*)$", pathlib.Path(sys.argv[1]).read_text()))
user = pwd.getpwnam(unit["User"])
state = pathlib.Path("/var/lib") / unit["StateDirectory"]
state.mkdir(exist_ok=True)
os.chown(state, user.pw_uid, user.pw_gid)

path = f"/tmp/notify-{os.getpid()}"
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
os.chmod(path, 0o777)
listener.settimeout(60)
daemon = subprocess.Popen(
    unit["ExecStart"].split(), user=user.pw_uid, group=user.pw_gid, extra_groups=[], umask=int(unit["UMask"], 8),
    cwd=unit["WorkingDirectory"],
    env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000", "STATE_DIRECTORY": str(state)},
)


def hear(word: str) -> None:
    try:
        while word not in listener.recv(4096).decode():
            pass
    except TimeoutError:
        sys.exit(f"package: FAILED: the service never said {word}")


began = time.monotonic()
hear("READY=1")
ready = time.monotonic() - began
hear("WATCHDOG=1")
if int(sys.argv[2]):
    log = state / "events" / "door.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and "camera_online" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
daemon.send_signal(signal.SIGHUP)
hear("RELOADING=1")
hear("READY=1")
began = time.monotonic()
daemon.terminate()
status = daemon.wait(20)
print(f"package: ready after {ready:.1f} s, reloaded, stopped with status {status} after {time.monotonic() - began:.1f} s")
sys.exit(status)

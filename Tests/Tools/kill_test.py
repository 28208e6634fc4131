#!/usr/bin/env python3
"""Kills hcqd again and again while it writes, takes away what was not on disk yet, and says whether a line was lost.

    kill_test.py HCQD CLIP.h264 MODEL.safetensors [--rounds 40] [--chains 4] [--seed 1]

Every chain is one installation that dies many times: at the Nth call that changes its disk (before it, after it, or
half-way through a write; writes are short by chance), or at a moment of its own. Then the power fails: bytes that were
not synchronised go, or turn into zeros, or stay; names that were created, renamed or removed and whose directory was not
synchronised go back. At last hcqd runs once more and stops in order, and every log must hold

    every line that had been synchronised at any death, byte for byte, and no line that is torn;
    numbers from 1 without a hole; one end for every start, none of an unknown one, and no start twice;
    pictures that are whole.

Prints one JSON object; exit status 0 when all is well. Builds faulty_disk.c with clang or cc.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOOLS = pathlib.Path(__file__).resolve().parent
CAMERAS = ("door", "yard", "hall")


def interposer(folder: pathlib.Path) -> str:
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        raise SystemExit("kill_test: neither clang nor cc is installed")
    library = str(folder / "faulty_disk.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, str(TOOLS / "faulty_disk.c")], check=True)
    return library


class Record:
    """What faulty_disk.c wrote down of one life."""

    def __init__(self, path: pathlib.Path) -> None:
        self.durable_size: dict[int, int] = {}
        self.pending_names: list[tuple[str, ...]] = []
        self.longest_unsynced = 0.0
        self.calls = 0
        unsynced_since: dict[int, int] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            stamp, verb, rest = line.split(" ", 2)
            self.calls += 1
            if verb in ("create", "rename", "unlink"):
                number, _, paths = rest.partition(" ")
                if verb == "create":
                    self.durable_size[int(number)] = 0
                self.pending_names.append((verb, number, *paths.split("\t")))
                continue
            inode, *number = (int(word) for word in rest.split())
            if verb == "open":
                self.durable_size.setdefault(inode, number[0])
            elif verb == "truncate":
                self.durable_size[inode] = min(self.durable_size.get(inode, number[0]), number[0])
            elif verb == "write":
                unsynced_since.setdefault(inode, int(stamp))
            elif verb == "sync":
                self.durable_size[inode] = number[0]
                since = unsynced_since.pop(inode, int(stamp))
                self.longest_unsynced = max(self.longest_unsynced, (int(stamp) - since) / 1e6)
            elif verb == "names":
                self.pending_names = [
                    operation
                    for operation in self.pending_names
                    if os.stat(os.path.dirname(operation[-1])).st_ino != inode
                ]


class Chain:
    """One installation through many deaths."""

    def __init__(self, arguments: argparse.Namespace, number: int, camera: str, library: str, folder: pathlib.Path) -> None:
        self.arguments, self.camera, self.library, self.folder = arguments, camera, library, folder
        self.random = random.Random(arguments.seed * 1000 + number)
        self.root, self.stash = folder / "disk", folder / "stash"
        self.durable: dict[tuple[str, int], bytes] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.problems: list[str] = []
        self.longest_unsynced = 0.0
        for directory in (self.root, self.stash):
            directory.mkdir(parents=True)
        cameras = "\n".join(
            f"  {name}: {{url: \"{camera}cam?fps=40\", snapshots: {'plain' if name == 'door' else 'none'},"
            " events: {update_interval_s: 1}}"
            for name in CAMERAS
        )
        (folder / "hcqd.yaml").write_text(
            f"""
model: {{path: "{os.path.abspath(arguments.model)}", input_width: 128, input_height: 96}}
storage: {{directory: "{self.root}/events", state_directory: "{self.root}/state"}}
log: {{rotate_bytes: 65536}}
tracking: {{birth_score: 0.3, confident_score: 0.3}}
cameras:
{cameras}
"""
        )

    def start(self, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        (self.folder / "record").unlink(missing_ok=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": self.library,
            "FAULTY_ROOT": str(self.root),
            "FAULTY_RECORD": str(self.folder / "record"),
            "FAULTY_STASH": str(self.stash),
            **extra,
        }
        self.journal = open(self.folder / "journal.log", "ab")
        return subprocess.Popen(
            [self.arguments.hcqd, "run", "--config", str(self.folder / "hcqd.yaml")],
            env=environment, stdout=subprocess.DEVNULL, stderr=self.journal,
        )

    def die_once(self) -> None:
        extra = {"FAULTY_SEED": str(self.random.randrange(1, 2**31))}
        from_outside = self.random.random() < 0.25
        if not from_outside:
            extra["FAULTY_DIE_AT"] = str(int(2 ** self.random.uniform(0, 6.5)))
        process = self.start(extra)
        if from_outside and self.writes(process, 1):
            time.sleep(self.random.uniform(0, 2))
        try:
            process.wait(0 if from_outside else 20)
        except subprocess.TimeoutExpired:
            from_outside = True
            process.kill()
            process.wait()
        if process.returncode != -signal.SIGKILL:
            self.problems.append(f"hcqd ended by itself with {process.returncode}")
        self.counts["killed_from_outside" if from_outside else "killed_in_a_call"] += 1
        self.lose(Record(self.folder / "record"))

    def writes(self, process: subprocess.Popen[bytes], calls: int) -> bool:
        """Waits until that many calls were made."""
        record = self.folder / "record"
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if record.exists() and record.read_bytes().count(b"\n") >= calls:
                return True
            time.sleep(0.02)
        return False

    def inodes(self) -> dict[int, pathlib.Path]:
        return {path.stat().st_ino: path for path in self.root.rglob("*") if path.is_file()}

    def lose(self, record: Record) -> None:
        """The power fails."""
        self.longest_unsynced = max(self.longest_unsynced, record.longest_unsynced)
        self.counts["disk_calls"] += record.calls
        created = {int(operation[1]) for operation in record.pending_names if operation[0] == "create"}
        for inode, path in self.inodes().items():
            if ".jsonl" in path.name and inode not in created:
                content = path.read_bytes()[: record.durable_size.get(inode, path.stat().st_size)]
                self.remember(path, content)
        survivors = self.random.randint(0, len(record.pending_names))
        for operation in reversed(record.pending_names[survivors:]):
            self.undo(operation)
        for path in self.stash.iterdir():
            path.unlink()
        for inode, path in self.inodes().items():
            self.cut(path, record.durable_size.get(inode))

    def remember(self, path: pathlib.Path, content: bytes) -> None:
        camera = path.name.split(".")[0]
        for line in content.split(b"\n")[:-1]:
            try:
                self.durable[camera, json.loads(line)["seq"]] = line
            except ValueError:
                # A piece that a later life has to cut; it is no line, so it cannot be lost.
                self.counts["torn_pieces"] += 1

    def undo(self, operation: tuple[str, ...]) -> None:
        self.counts["names_lost"] += 1
        if operation[0] == "create":
            path = pathlib.Path(operation[2])
            if path.exists() and path.stat().st_ino == int(operation[1]):
                path.unlink()
        elif operation[0] == "rename":
            source, target = operation[2], operation[3]
            # Otherwise it was killed before the call.
            if not os.path.exists(source):
                os.rename(target, source)
                self.put_back(operation[1], target)
        elif not os.path.exists(operation[2]):
            self.put_back(operation[1], operation[2])

    def put_back(self, number: str, path: str) -> None:
        for kept in self.stash.glob(f"*-{number}"):
            os.link(kept, path)

    def cut(self, path: pathlib.Path, durable: int | None) -> None:
        size = path.stat().st_size
        if durable is None or size <= durable:
            return
        fate = self.random.choice(["gone", "part", "zeros", "kept"])
        if fate in ("gone", "part"):
            os.truncate(path, durable if fate == "gone" else self.random.randint(durable, size))
        elif fate == "zeros":
            start = self.random.randint(durable, size)
            os.truncate(path, start)
            os.truncate(path, size)
        self.counts["bytes_lost"] += 0 if fate == "kept" else size - durable

    def end_in_order(self) -> None:
        process = self.start({})
        self.writes(process, 60)
        process.terminate()
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status != 0:
            self.problems.append(f"the last run ended with status {status}")

    def check(self) -> None:
        for camera in CAMERAS:
            lines: dict[int, bytes] = {}
            for path in sorted((self.root / "events").glob(f"{camera}.jsonl*")):
                content = path.read_bytes()
                if content and not content.endswith(b"\n"):
                    self.problems.append(f"{path.name} ends in a torn line")
                self.counts["rotated_files"] += path.name != f"{camera}.jsonl"
                for line in content.split(b"\n")[:-1]:
                    try:
                        number = json.loads(line)["seq"]
                    except (ValueError, KeyError):
                        self.problems.append(f"{path.name}: torn line {line[:80]!r}")
                        continue
                    if number in lines:
                        self.problems.append(f"{path.name}: number {number} comes twice")
                    lines[number] = line
            if sorted(lines) != list(range(1, len(lines) + 1)):
                self.problems.append(f"{camera}: numbers have holes")
            self.counts["lines"] += len(lines)
            for (name, number), line in self.durable.items():
                if name == camera:
                    self.counts["durable_lines"] += 1
                    if lines.get(number) != line:
                        self.counts["durable_lines_lost"] += 1
                        self.problems.append(f"{camera}: lost {line[:120]!r}")
            self.check_stories(camera, [json.loads(lines[number]) for number in sorted(lines)])
        for path in (self.root / "events").rglob("*.jpg"):
            content = path.read_bytes()
            self.counts["pictures"] += 1
            if not (content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")):
                self.problems.append(f"picture {path.name} is torn")

    def check_stories(self, camera: str, lines: list[dict]) -> None:
        known, running = set(), set()
        for line in lines:
            identity = line.get("id")
            if line["type"] == "start":
                if identity in known:
                    self.problems.append(f"{camera}: {identity} starts twice")
                known.add(identity)
                running.add(identity)
            elif identity is not None and identity not in running:
                self.problems.append(f"{camera}: {line['type']} of {identity}, which is over or never began")
            if line["type"] == "end":
                running.discard(identity)
                self.counts["ended_by_restart"] += line["reason"] == "restart"
        if running:
            self.problems.append(f"{camera}: no end for {sorted(running)[:3]}")

    def run(self, rounds: int) -> "Chain":
        for _ in range(rounds):
            self.die_once()
        self.end_in_order()
        self.check()
        return self


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("clip")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=40, help="deaths, all chains together")
    parser.add_argument("--chains", type=int, default=4, help="installations that die at the same time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="leave everything in this folder")
    arguments = parser.parse_args()
    arguments.hcqd = os.path.abspath(arguments.hcqd)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hcqd-kill-") as temporary:
        folder = pathlib.Path(os.path.abspath(arguments.keep or temporary))
        folder.mkdir(parents=True, exist_ok=True)
        library = interposer(folder)
        server = subprocess.Popen(
            [sys.executable, str(TOOLS / "rtsp_camera.py"), arguments.clip], stdout=subprocess.PIPE, text=True
        )
        try:
            camera = server.stdout.readline().split()[1]
            chains = [
                Chain(arguments, i, camera, library, folder / f"chain-{i}") for i in range(arguments.chains)
            ]
            with concurrent.futures.ThreadPoolExecutor(arguments.chains) as pool:
                shares = [arguments.rounds // len(chains) + (i < arguments.rounds % len(chains)) for i in range(len(chains))]
                chains = list(pool.map(lambda pair: pair[0].run(pair[1]), zip(chains, shares)))
        finally:
            server.kill()
            server.wait()
    counts = sum((chain.counts for chain in chains), collections.Counter({"durable_lines_lost": 0}))
    problems = [f"chain {i}: {text}" for i, chain in enumerate(chains) for text in chain.problems]
    result = {
        "deaths": counts["killed_in_a_call"] + counts["killed_from_outside"],
        **{key: counts[key] for key in sorted(counts)},
        "longest_unsynced_s": round(max(chain.longest_unsynced for chain in chains), 2),
        "durable_lines_lost": counts["durable_lines_lost"],
        "seconds": round(time.monotonic() - began, 1),
        "problems": problems[:20],
    }
    print(json.dumps(result, indent=2))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Counts what hcqd says on clips in which it should say nothing of the kind, and writes the table down.

    false_alarms.py HCQD --data DIR --vtest CLIP [--model M.safetensors] [--output Docs/false-alarms.md]

Nobody in these clips lies, falls, sits, crouches or raises both hands, no camera is covered or moved, and in two of them
there is nobody: every such event is a false alarm. A clip that is not at hand is left out and named.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

POSTURES = ["lying", "fallen", "sitting", "crouched", "hands_up"]
VIEWS = ["camera_covered", "camera_moved"]


def replay(hcqd: str, clip: str, model: str) -> tuple[float, collections.Counter[str]]:
    """Hours of the clip, and its events by what they say."""
    with tempfile.TemporaryDirectory(prefix="hcqd-alarms-") as folder:
        command = [hcqd, "--replay", clip, "--camera", "clip", "--output", folder]
        subprocess.run(command + (["--model", model] if model else []), check=True, stdout=subprocess.PIPE)
        counts: collections.Counter[str] = collections.Counter()
        for line in open(pathlib.Path(folder) / "clip.jsonl"):
            event = json.loads(line)
            counts[event["posture"] if event["type"] == "posture" else event["type"]] += 1
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", clip]
    return float(subprocess.run(probe, check=True, stdout=subprocess.PIPE, text=True).stdout) / 3600, counts


def rate(count: int, hours: float) -> str:
    """Events per hour; of none, what 95 of 100 such trials would not exceed."""
    return f"{count / hours:.0f}" if count else f"0 (< {math.ceil(-math.log(0.05) / hours)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hcqd")
    parser.add_argument("--data", required=True)
    parser.add_argument("--vtest", required=True)
    parser.add_argument("--model", default="", help="the shipped one by default")
    parser.add_argument("--output", default="")
    arguments = parser.parse_args()
    data = pathlib.Path(arguments.data)
    clips = {
        "vtest": (pathlib.Path(arguments.vtest), True),
        "TUD-Stadtmitte": (data / "tracking/mot15/TUD-Stadtmitte/TUD-Stadtmitte.mp4", True),
        "one-by-one-person": (data / "clips/one-by-one-person.mp4", True),
        "doorbell": (data / "clips/doorbell.mkv", True),
        "cars-no-people": (data / "clips/cars-no-people.mp4", False),
        "road-no-people": (data / "clips/road-no-people.avi", False),
    }
    columns = [*POSTURES, *VIEWS]
    rows, missing = [], []
    total: collections.Counter[str] = collections.Counter()
    hours = empty_hours = 0.0
    for name, (clip, has_people) in clips.items():
        if not clip.exists():
            missing.append(name)
            continue
        print(f"watching {name}", file=sys.stderr)
        length, counts = replay(arguments.hcqd, str(clip), arguments.model)
        people = counts["start"] if has_people else 0
        false_people = 0 if has_people else counts["start"]
        rows.append([name, f"{length * 3600:.0f}", str(people) if has_people else "", "" if has_people else str(false_people)]
                    + [str(counts[column]) for column in columns])
        total.update({column: counts[column] for column in columns})
        total["false people"] += false_people
        hours += length
        empty_hours += 0 if has_people else length
    if not rows:
        print(f"left out: no clip is at hand in {data}", file=sys.stderr)
        return 0
    rows.append(["per hour", "", "", rate(total["false people"], empty_hours) if empty_hours else ""]
                + [rate(total[column], hours) for column in columns])
    head = ["clip", "s", "tracks", "false tracks"] + [column.replace("_", " ") for column in columns]
    model = os.path.basename(arguments.model) if arguments.model else "the shipped network"
    text = f"""# False alarms

Written by `make false-alarms`, with {model} and the settings as shipped. Nobody in these clips lies, falls, sits,
crouches or raises both hands, no camera is covered or moved, and two of them show nobody: each number from the fourth column on
counts false alarms. "0 (< n)" per hour is none in so short a time, with the rate that it excludes at 95 %.

"""
    text += "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"
    if missing:
        text += f"\nNot at hand: {', '.join(missing)}.\n"
    print(text)
    if arguments.output:
        pathlib.Path(arguments.output).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

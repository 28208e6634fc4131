"""How a run is shown: a table per combination, and the targets at the end."""

import functools
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Ratio, bound, and for which models and sizes (None: all) it is asked.
TARGETS = (
    ("hcqd / openvino", 0.75, ("resnet50",), ("640x384", "1024x1024")),
    ("hcqd / openvino", 0.9, ("swin_t",), None),
    ("hcqd-int8 / openvino-int8", 0.9, None, None),
)
LEAST_SPEEDUP = 3.3


@functools.cache
def commit() -> str:
    """As the run began: its own results make the checkout dirty."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def machine() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else platform.processor()


def table(record: dict) -> str:
    """Markdown table of one combination."""
    cores = "1 core" if record["threads"] == 1 else f"{record['threads']} cores"
    lines = ["", f"{record['model']} at {record['size']}, {cores}, {record['macs'] / 1e9:.1f} GMACs, commit "
             f"{record['commit']}{'' if record['valid'] else '  INVALID: the machine was too busy'}", "",
             "| program | min ms | median ms | CPU ms | GFLOP/s | peak MB |", "|---|---|---|---|---|---|"]
    for name, row in record["programs"].items():
        lines.append(f"| {name} | {row['min_ms']:.1f} | {row['median_ms']:.1f} | {row['cpu_ms']:.1f} | {row.get('gflops', '')} "
                     f"| {row['peak_mb']:.0f} |")
    lines += ["", *(f"{name} = {value:.3f}" for name, value in record["ratios"].items())]
    return "\n".join(lines)


def wanted(record: dict) -> list[tuple[str, float, float]]:
    """(what, found, bound) of the targets that this record answers."""
    found = []
    for name, bound, models, sizes in TARGETS:
        if name in record["ratios"] and (models is None or record["model"] in models) \
                and (sizes is None or record["size"] in sizes):
            found.append((name, record["ratios"][name], bound))
    pair = [value for name, value in record["ratios"].items() if name.endswith("yolo11n pair")]
    if pair and record["size"] == "640x384":
        found.append(("best of hcqd / yolo11n pair", min(pair), 1.0))
    programs = record["programs"]
    for ours, theirs in (("hcqd", "openvino"), ("hcqd-int8", "openvino-int8")):
        if ours in programs and theirs in programs:
            found.append((f"memory of {ours} / {theirs}", programs[ours]["peak_mb"] / programs[theirs]["peak_mb"], 0.5))
    return found


def summary(records: list[dict]) -> str:
    """Every target with what was found."""
    lines = ["", "| model | size | cores | figure | found | target | |", "|---|---|---|---|---|---|---|"]
    one_core = {}
    for record in records:
        for name, value, bound in wanted(record):
            verdict = "invalid run" if not record["valid"] else "reached" if value <= bound else "missed"
            lines.append(f"| {record['model']} | {record['size']} | {record['threads']} | {name} | {value:.2f} "
                         f"| <= {bound} | {verdict} |")
        if "hcqd" in record["programs"]:
            one_core[record["model"], record["size"], record["threads"]] = record["programs"]["hcqd"]["median_ms"]
    for (model, size, threads), milliseconds in one_core.items():
        if threads >= 4 and (model, size, 1) in one_core:
            gain = one_core[model, size, 1] / milliseconds
            verdict = "reached" if gain >= LEAST_SPEEDUP else "missed"
            lines.append(f"| {model} | {size} | {threads} | times faster than on 1 core | {gain:.2f} "
                         f"| >= {LEAST_SPEEDUP} | {verdict} |")
    return "\n".join(lines)

"""hcqd and its peers on the same networks, in one run, in turns.

    python bench.py                       quick: resnet50 and the shipped model at 640x384 (minutes)
    python bench.py --full                every model, size, one core and all
    python bench.py --models resnet50 --sizes 640x384 --threads 4 --rounds 9 --peers openvino,hcqd

Every program runs in a process of its own, warmed up, and is asked for a few passes in turn, so that all meet the same
noise; figures are medians over all passes and the ratio is the median of the per-round ratios; the ratio of the processor
time that the passes took stands beside it, which tells more where others use the machine too. Marked invalid, since that
machine was too busy, is what was measured while OpenVINO stayed under 45 % of the measured sgemm peak or the sgemm itself got
less than 70 % of its cores' time. Networks under 10 GMACs are too small to come near the peak on many cores: for them
it counts what OpenVINO reached with a larger one on as many cores in the same run. Each combination is appended to
results/ as one JSON line.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from pathlib import Path

import networks
import report
from worker import Worker

HERE = Path(__file__).parent
SIZES = ("640x384", "1280x736", "1024x1024")
SGEMM_FLOP = 2 * 2048 * 1024 * 1024
LEAST_SHARE_OF_PEAK = 0.45
SMALL_MACS = 10e9
LEAST_SHARE_OF_CORES = 0.7  # what the matrix product got of the cores it asked for; less says that others had them
PAUSE_SECONDS = 0.1  # threads that spin after a pass come to rest


def workers_for(model: str, size: str, threads: int, peers: list[str], cpus: list[int]) -> dict[str, Worker]:
    """One process per program, started one after the other; what does not exist yet for this model is left out."""
    commands = {"sgemm": networks.peer_command("sgemm", "-", size, threads)}
    for peer in peers:
        command = networks.command(peer, model, size, threads)
        if command is not None:
            commands[peer] = command
    if "yolo11n" in peers and model == "shipped":
        for task in ("pose", "segment"):
            path = networks.yolo(task, size)
            commands[f"yolo11n-{task}"] = networks.peer_command("openvino", path, size, threads)
    return {name: Worker(name, command, cpus) for name, command in commands.items()}


def measure(workers: dict[str, Worker], rounds: int, passes: int) -> tuple[dict[str, list[list[float]]], dict[str, float]]:
    """Milliseconds of every pass, by program and round, and of processor time a pass, by program."""
    times = {name: [] for name in workers}
    before = {name: worker.cpu_milliseconds() for name, worker in workers.items()}
    for number in range(rounds):
        order = list(workers)
        if number % 2:
            order.reverse()
        for name in order:
            times[name].append(workers[name].run(passes))
            time.sleep(PAUSE_SECONDS)
        progress(f"  round {number + 1} of {rounds}")
    used = {name: (worker.cpu_milliseconds() - before[name]) / (rounds * passes) for name, worker in workers.items()}
    return times, used


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def summarise(
    measured: tuple[dict[str, list[list[float]]], dict[str, float]], workers: dict[str, Worker], macs: dict[str, int]
) -> dict:
    """Per program: least and median milliseconds, processor time, GFLOP/s, peak memory."""
    times, used = measured
    rows = {}
    for name, by_round in times.items():
        every = [ms for one_round in by_round for ms in one_round]
        row = {"min_ms": min(every), "median_ms": statistics.median(every),
               "cpu_ms": round(used[name], 2),
               "peak_mb": round(workers[name].peak_megabytes(), 1), "rounds_ms": by_round}
        flop = SGEMM_FLOP if name == "sgemm" else 2 * macs.get(name, 0)
        if flop:
            row["gflops"] = round(flop / row["median_ms"] / 1e6, 1)
        rows[name] = row
    return rows


def ratio(rows: dict, ours: str, theirs: list[str]) -> float | None:
    """Median over rounds of our time divided by the sum of theirs."""
    if ours not in rows or any(name not in rows for name in theirs):
        return None
    per_round = []
    for number, mine in enumerate(rows[ours]["rounds_ms"]):
        sum_of_theirs = sum(statistics.median(rows[name]["rounds_ms"][number]) for name in theirs)
        per_round.append(statistics.median(mine) / sum_of_theirs)
    return round(statistics.median(per_round), 3)


def ratios(rows: dict) -> dict[str, float]:
    pairs = {
        "hcqd / openvino": ("hcqd", ["openvino"]),
        "hcqd / torch": ("hcqd", ["torch"]),
        "hcqd / onnxruntime": ("hcqd", ["onnxruntime"]),
        "hcqd-int8 / openvino-int8": ("hcqd-int8", ["openvino-int8"]),
        "hcqd / yolo11n pair": ("hcqd", ["yolo11n-pose", "yolo11n-segment"]),
        "hcqd-int8 / yolo11n pair": ("hcqd-int8", ["yolo11n-pose", "yolo11n-segment"]),
    }
    found = {name: ratio(rows, *pair) for name, pair in pairs.items()}
    for name, (ours, theirs) in pairs.items():
        if found[name] is not None:
            found[f"{name}, processor time"] = round(rows[ours]["cpu_ms"] / sum(rows[t]["cpu_ms"] for t in theirs), 3)
    return {name: value for name, value in found.items() if value is not None}


def one(model: str, size: str, threads: int, arguments, reached: dict[int, float]) -> dict:
    """Measures one combination and returns its record.

    `reached` holds the best share of the peak that OpenVINO had with a large network in this run, by number of cores.
    """
    available = sorted(os.sched_getaffinity(0))
    cpus = available[-threads:]
    progress(f"  loading {model} {size} on {threads}")
    workers = workers_for(model, size, threads, arguments.peers, cpus)
    try:
        macs = networks.macs(model, size)
        rows = summarise(measure(workers, arguments.rounds, arguments.passes), workers, {p: macs for p in workers
                         if not p.startswith("yolo11n")})
    finally:
        for worker in workers.values():
            worker.close()
    progress("")
    share = rows["openvino"]["gflops"] / rows["sgemm"]["gflops"] if "openvino" in rows else None
    if share and macs >= SMALL_MACS:
        reached[threads] = max(share, reached.get(threads, 0))
    proof = max(share or 0, reached.get(threads, 0)) if macs < SMALL_MACS else share
    cores = rows["sgemm"]["cpu_ms"] / threads / statistics.mean(ms for turn in rows["sgemm"]["rounds_ms"] for ms in turn)
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": report.commit(), "machine": report.machine(), "load": os.getloadavg()[0],
        "model": model, "size": size, "threads": threads, "macs": macs,
        "openvino_share_of_sgemm_peak": round(share, 3) if share else None,
        "share_of_cores": round(cores, 3),
        "valid": (share is None or proof >= LEAST_SHARE_OF_PEAK) and cores >= LEAST_SHARE_OF_CORES,
        "ratios": ratios(rows), "programs": rows,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--full", action="store_true", help="all models, sizes and peers")
    parser.add_argument("--models", type=lambda s: s.split(","), help=f"of {', '.join(networks.MODELS)}")
    parser.add_argument("--sizes", type=lambda s: s.split(","), help=f"width x height, such as {SIZES[0]}")
    parser.add_argument("--threads", type=lambda s: [int(t) for t in s.split(",")], default=[cores, 1])
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(networks.PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=2, help="passes a round")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "runs.jsonl")
    arguments = parser.parse_args()
    arguments.models = arguments.models or (list(networks.MODELS) if arguments.full else ["resnet50", "shipped"])
    arguments.sizes = arguments.sizes or (list(SIZES) if arguments.full else [SIZES[0]])
    return arguments


def main() -> None:
    arguments = parse()
    records = []
    reached: dict[int, float] = {}
    arguments.output.parent.mkdir(exist_ok=True)
    for model in arguments.models:
        if not networks.exists(model):
            print(f"{model}: no such weights in this checkout, left out")
            continue
        for size in arguments.sizes:
            for threads in sorted(set(arguments.threads), reverse=True):
                record = one(model, size, threads, arguments, reached)
                records.append(record)
                with arguments.output.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(report.table(record), flush=True)
    print(report.summary(records))


if __name__ == "__main__":
    main()

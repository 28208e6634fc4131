"""hcqd's tracker beside SORT, ByteTrack and OC-SORT on MOT15's public detections.

python Benchmarks/tracking/compare.py --hcqd .build/release/hcqd [--data ../shared/data] [--ablation] [--skip-peers]

The peers are those of the package `trackers`, each at the detection threshold and settings that are best over all
sequences: theirs are chosen with the truth at hand. Ours are the defaults, and beside them settings chosen leaving one
sequence out: for each sequence, what is best on the others. TUD-Stadtmitte has no say in that choice; the defaults
it starts from were searched on all six sequences.
Every figure comes from `hcqd eval mot`, which is tested against TrackEval. "filled" is after holes of at most one second
were filled by straight lines, for the peers as for us.
"""

import argparse
import configparser
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

NEVER_CHOOSE = "TUD-Stadtmitte"
FIGURES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag")
# One setting changed at a time: the candidates of the choice, and the ablation.
CANDIDATES = {
    "default": {}, "boxMargin=0": {"boxMargin": 0}, "boxMargin=0.05": {"boxMargin": 0.05}, "boxMargin=0.1": {"boxMargin": 0.1},
    "boxMargin=0.25": {"boxMargin": 0.25}, "uncertaintyMargin=0": {"uncertaintyMargin": 0},
    "uncertaintyMargin=0.25": {"uncertaintyMargin": 0.25}, "uncertaintyMargin=1": {"uncertaintyMargin": 1},
    "staleness=0.2": {"staleness": 0.2}, "staleness=0.3": {"staleness": 0.3}, "staleness=0.6": {"staleness": 0.6},
    "confidentSimilarity=0.2": {"confidentSimilarity": 0.2}, "confidentSimilarity=0.3": {"confidentSimilarity": 0.3},
    "confidentScore=0.6": {"confidentScore": 0.6}, "confidentScore=0.8": {"confidentScore": 0.8},
    "birthScore=0.75": {"birthScore": 0.75}, "birthScore=0.8": {"birthScore": 0.8}, "birthScore=0.9": {"birthScore": 0.9},
    "acceleration=0.5": {"motion.acceleration": 0.5}, "acceleration=1.5": {"motion.acceleration": 1.5},
    "positionNoise=0.03": {"motion.positionNoise": 0.03}, "positionNoise=0.06": {"motion.positionNoise": 0.06},
    "persistence=2": {"motion.persistence": 2}, "persistence=20": {"motion.persistence": 20},
}
ABLATION = {
    "everything": {},
    "without box margin": {"boxMargin": 0},
    "without margin for uncertainty": {"uncertaintyMargin": 0},
    "without staleness": {"staleness": 0},
    "without weak round": {"weakScore": 0.7},
    "without birth threshold": {"birthScore": 0.5},
    "without waiting for a second detection": {"confirmingHits": 1},
    "without filtered boxes": {"smoothsBoxes": "false"},
    "without fading velocity": {"motion.persistence": 1000},
}


class Bench:
    def __init__(self, hcqd, data):
        self.hcqd, self.truth = hcqd, pathlib.Path(data, "tracking", "mot15")
        self.sequences = sorted(path.name for path in self.truth.iterdir() if (path / "det").is_dir())
        self.work = pathlib.Path(tempfile.mkdtemp())

    def info(self, sequence):
        parser = configparser.ConfigParser()
        parser.read(self.truth / sequence / "seqinfo.ini")
        return int(parser["Sequence"]["seqLength"]), float(parser["Sequence"]["frameRate"])

    def folder(self, name):
        path = self.work / name.replace(" ", "_").replace("/", "_")
        path.mkdir(exist_ok=True)
        return path

    def track(self, name, settings, fill):
        folder = self.folder(f"{name} {fill}")
        for sequence in self.sequences:
            command = [self.hcqd, "track", "--detections", self.truth / sequence / "det" / "det.txt", "--format", "mot",
                       "--output", folder / f"{sequence}.txt", "--fill", str(fill)]
            for key, value in settings.items():
                command += ["--set", f"{key}={value}"]
            subprocess.run(command, check=True)
        return folder

    def measure(self, folder):
        command = [self.hcqd, "eval", "mot", "--truth", self.truth, "--result", folder, "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def filled(self, folder):
        """The same tracks with holes of at most a second filled by straight lines."""
        target = self.folder(folder.name + " filled")
        for sequence in self.sequences:
            longest, rows = self.info(sequence)[1], {}
            for line in (folder / f"{sequence}.txt").read_text().split():
                values = [float(value) for value in line.split(",")[:7]]
                rows.setdefault(int(values[1]), []).append(values)
            lines = []
            for track in rows.values():
                track.sort()
                for before, after in itertools.pairwise(track):
                    steps = int(after[0] - before[0])
                    for i in range(1, steps if steps <= longest + 1 else 1):
                        mixed = [a + (b - a) * i / steps for a, b in zip(before[2:6], after[2:6])]
                        lines.append([before[0] + i, before[1], *mixed, before[6]])
                lines += track
            lines.sort()
            (target / f"{sequence}.txt").write_text(
                "".join("%d,%d,%.3f,%.3f,%.3f,%.3f,%.3f,-1,-1,-1\n" % tuple(row) for row in lines))
        return target

    def peer(self, name, make, threshold):
        import numpy as np
        import supervision
        folder = self.folder(name)
        for sequence in self.sequences:
            rows = np.loadtxt(self.truth / sequence / "det" / "det.txt", delimiter=",", ndmin=2)
            rows = rows[rows[:, 6] >= threshold]
            tracker, lines = make(), []
            for frame in range(1, self.info(sequence)[0] + 1):
                here = rows[rows[:, 0] == frame]
                boxes = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], 1).astype(np.float32)
                found = tracker.update(supervision.Detections(
                    xyxy=boxes.reshape(-1, 4), confidence=here[:, 6].astype(np.float32), class_id=np.zeros(len(here), int)))
                for box, number, score in zip(found.xyxy, found.tracker_id, found.confidence):
                    if number is not None and number >= 0:
                        lines.append("%d,%d,%.2f,%.2f,%.2f,%.2f,%.3f,-1,-1,-1\n" % (
                            frame, number + 1, box[0], box[1], box[2] - box[0], box[3] - box[1], score))
            (folder / f"{sequence}.txt").write_text("".join(lines))
        return folder


def row(name, figures):
    cells = [f"{100 * figures[key]:.2f}" if key not in ("IDSW", "Frag") else str(int(figures[key])) for key in FIGURES]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def heading(title):
    print(f"\n| {title} | " + " | ".join(FIGURES) + " |\n|---|" + "---|" * len(FIGURES))


def peers(bench):
    from trackers import ByteTrackTracker, OCSORTTracker, SORTTracker
    thresholds = (0.5, 0.6, 0.7, 0.8, 0.9)
    grids = {
        "SORT": [(t, SORTTracker, {"track_activation_threshold": 0, "minimum_consecutive_frames": c, "lost_track_buffer": b})
                 for t in thresholds for c in (1, 2, 3) for b in (1, 30)],
        "ByteTrack": [(t, ByteTrackTracker, {"minimum_consecutive_frames": c, "high_conf_det_threshold": h,
                                             "track_activation_threshold": h + 0.1})
                      for t in thresholds for c in (1, 2) for h in (0.5, 0.6, 0.7, 0.8) if h >= t],
        "OC-SORT": [(t, OCSORTTracker, {"minimum_consecutive_frames": c, "lost_track_buffer": b,
                                        "high_conf_det_threshold": t})
                    for t in thresholds for c in (1, 2, 3) for b in (1, 30)],
    }
    for name, grid in grids.items():
        best = {}
        for threshold, kind, settings in grid:
            folder = bench.peer(f"{name} {threshold} {settings}", lambda: kind(**settings), threshold)
            figures = bench.measure(folder)["combined"]
            for key in ("HOTA", "IDF1"):
                if key not in best or figures[key] > best[key][0][key]:
                    best[key] = (figures, folder, threshold, settings)
        for key, (figures, folder, threshold, settings) in best.items():
            row(f"{name}, best {key} (from {threshold}, {settings})", figures)
            row(f"{name}, best {key}, filled", bench.measure(bench.filled(folder))["combined"])


def leave_one_out(bench, fill):
    measured = {}
    for name, settings in CANDIDATES.items():
        folder = bench.track(name, settings, fill)
        measured[name] = (folder, bench.measure(folder)["sequences"])
    target = bench.folder(f"left out {fill}")
    for sequence in bench.sequences:
        others = [other for other in bench.sequences if other not in (sequence, NEVER_CHOOSE)]
        chosen = max(measured, key=lambda name: sum(
            measured[name][1][other][key] for other in others for key in ("HOTA", "IDF1")))
        print(f"  {sequence}: {chosen}")
        shutil.copy(measured[chosen][0] / f"{sequence}.txt", target)
    return bench.measure(target)["combined"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hcqd", default=".build/release/hcqd")
    parser.add_argument("--data", default=os.environ.get("HCQD_DATA", "../shared/data"))
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--skip-peers", action="store_true")
    options = parser.parse_args()
    bench = Bench(options.hcqd, options.data)
    heading(f"{len(bench.sequences)} sequences together")
    for fill in (0, 1):
        row(f"hcqd, defaults{', filled' if fill else ''}", bench.measure(bench.track("default", {}, fill))["combined"])
    if not options.skip_peers:
        peers(bench)
    print("\nchosen, leaving out:")
    chosen = {fill: leave_one_out(bench, fill) for fill in (0, 1)}
    heading("settings chosen on the other sequences")
    for fill, figures in chosen.items():
        row(f"hcqd, left out{', filled' if fill else ''}", figures)
    if options.ablation:
        heading("ablation, not filled")
        for name, settings in ABLATION.items():
            row(name, bench.measure(bench.track(name, settings, 0))["combined"])
    shutil.rmtree(bench.work)


if __name__ == "__main__":
    main()

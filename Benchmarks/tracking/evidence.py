"""What each part of a person's query is worth to the tracker: the whole pipeline with and without it.

python Benchmarks/tracking/evidence.py [--model Models/hcqnet-compact.safetensors] [--data ../shared/data] [--scenes 9]

The network runs once over every clip (`hcqd --replay --export people.jsonl --format people`), the tracker many times over
what it said (`hcqd track --format people`). Clips: composed scenes with known identities (`scenes.py`), at 25 and at 5
frames a second, on which settings may be chosen; TUD-Stadtmitte, on which they are only measured; and clips without people.
Every figure comes from `hcqd eval mot`.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import scenes

ROWS = {
    "everything": [],
    "boxes alone": ["--without", "joints", "--without", "masks", "--without", "embeddings"],
    "boxes and joints": ["--without", "masks", "--without", "embeddings"],
    "boxes and masks": ["--without", "joints", "--without", "embeddings"],
    "boxes and embeddings": ["--without", "joints", "--without", "masks"],
    "without joints": ["--without", "joints"],
    "without masks": ["--without", "masks"],
    "without embeddings": ["--without", "embeddings"],
    "without the boxes' overlap": ["--set", "weights.box=0"],
    "without velocity": ["--set", "motion.persistence=0.001"],
    "without staleness": ["--set", "staleness=0"],
    "without weak round": ["--set", "weakScore=0.5"],
    "without coming back by looks": ["--set", "returningLikeness=0.999"],
    "second births of one silhouette": ["--set", "birthShare=2"],
    "without veto": ["--no-veto"],
}
FIGURES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag")
EMPTY = ("cars-no-people.mp4", "road-no-people.avi")


class Bench:
    def __init__(self, options):
        self.hcqd, self.model, self.work = options.hcqd, options.model, pathlib.Path(options.work)
        mark = hashlib.sha256(pathlib.Path(options.model).read_bytes()).hexdigest()[:8]
        self.said = self.work / f"people-{mark}"
        self.said.mkdir(parents=True, exist_ok=True)

    def people(self, clip):
        """The file of what the network says of a clip; made once for every model."""
        target = self.said / f"{pathlib.Path(clip).stem}.jsonl"
        if not target.exists():
            command = [self.hcqd, "--replay", clip, "--model", self.model, "--output", self.work / "events", "--quiet",
                       "--export", target.with_suffix(".part"), "--format", "people"]
            subprocess.run(command, check=True)
            target.with_suffix(".part").rename(target)
        return target

    def thinned(self, name, people, truth, every):
        """People and truth of every so-manieth frame, counted anew: a slower camera."""
        folder = self.work / f"every-{every}"
        target = self.said / f"{name}-every-{every}.jsonl"
        with open(people) as source, open(target, "w") as sink:
            for index, line in enumerate(source):
                if index % every == 0:
                    sink.write(json.dumps({**json.loads(line), "frame": index // every + 1}) + "\n")
        (folder / name / "gt").mkdir(parents=True, exist_ok=True)
        rows = [line.split(",", 1) for line in open(truth / name / "gt" / "gt.txt")]
        (folder / name / "gt" / "gt.txt").write_text(
            "".join(f"{(int(frame) - 1) // every + 1},{rest}" for frame, rest in rows if (int(frame) - 1) % every == 0))
        info = (truth / name / "seqinfo.ini").read_text()
        frames = sum(1 for _ in open(target))
        kept = [line for line in info.splitlines() if not line.lower().startswith("seqlength")]
        (folder / name / "seqinfo.ini").write_text("\n".join([*kept, f"seqLength={frames}", ""]))
        return folder, target

    def track(self, people, options, output):
        command = [self.hcqd, "track", "--detections", people, "--format", "people", "--fill", "0", "--output", output]
        subprocess.run([*command, *options], check=True)

    def measure(self, truth, clips, options):
        """Figures of all clips together. clips: from names to files of people."""
        folder = self.work / "tracks" / hashlib.sha256(f"{truth}{sorted(clips)}{options}".encode()).hexdigest()[:12]
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("truth", "result"):
            (folder / part).mkdir(parents=True)
        for name, people in clips.items():
            self.track(people, options, folder / "result" / f"{name}.txt")
            (folder / "truth" / name).symlink_to(pathlib.Path(truth, name).resolve())
        command = [self.hcqd, "eval", "mot", "--truth", folder / "truth", "--result", folder / "result", "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["combined"]

    def ids(self, people, options):
        output = self.said / "empty.txt"
        self.track(people, options, output)
        return len({line.split(",")[1] for line in open(output)})


def table(bench, title, truth, clips, rows):
    print(f"\n| {title} | " + " | ".join(FIGURES) + " |\n|---|" + "---|" * len(FIGURES))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda row: bench.measure(truth, clips, row), rows.values()))
    for name, figures in zip(rows, results):
        cells = [f"{100 * figures[key]:.2f}" if key not in ("IDSW", "Frag") else str(int(figures[key])) for key in FIGURES]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def births(bench, truth, clips, empty):
    print("\n| birth score | HOTA | IDF1 | MOTA | id switches | false people in clips without any |\n|---|---|---|---|---|---|")
    for birth in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7):
        options = ["--set", f"birthScore={birth}"]
        figures = bench.measure(truth, clips, options)
        cells = [f"{100 * figures[key]:.2f}" for key in ("HOTA", "IDF1", "MOTA")] + [str(int(figures["IDSW"]))]
        print(f"| {birth} | " + " | ".join(cells) + f" | {sum(bench.ids(people, options) for people in empty)} |", flush=True)


def main():
    root = pathlib.Path(__file__).parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hcqd", default=str(root / ".build/release/hcqd"))
    parser.add_argument("--model", default=str(root / "Models/hcqnet-compact.safetensors"))
    parser.add_argument("--data", default=os.environ.get("HCQD_DATA", str(root.parent / "shared/data")))
    parser.add_argument("--work", default=str(root / "out/tracking"), help="where clips and answers are kept")
    parser.add_argument("--scenes", type=int, default=9)
    options = parser.parse_args()
    bench = Bench(options)
    data, composed = pathlib.Path(options.data), bench.work / "scenes"
    names = scenes.scenes(composed, data, options.scenes)
    full = {name: bench.people(composed / name / f"{name}.mp4") for name in names}
    slow = {name: bench.thinned(name, people, composed, 5) for name, people in full.items()}
    table(bench, f"{len(names)} composed scenes, 25 frames a second", composed, full, ROWS)
    table(bench, "the same, 5 frames a second", bench.work / "every-5", {name: people for name, (_, people) in slow.items()}, ROWS)
    mot15 = data / "tracking" / "mot15"
    tud = {"TUD-Stadtmitte": bench.people(mot15 / "TUD-Stadtmitte" / "TUD-Stadtmitte.mp4")}
    table(bench, "TUD-Stadtmitte, measured only", mot15, tud, ROWS)
    births(bench, composed, full, [bench.people(data / "clips" / clip) for clip in EMPTY])


if __name__ == "__main__":
    main()

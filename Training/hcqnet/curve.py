"""Draws curve.csv (step, term, value) as a picture: `python -m hcqnet.curve RUN/curve.csv RUN/curve.png`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def draw_curve(source: Path, target: Path) -> None:
    """One small plot a term."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    series: dict[str, tuple[list[int], list[float]]] = {}
    with source.open(newline="") as file:
        for step, name, value in csv.reader(file):
            if not step.isdecimal():  # the first line names the columns
                continue
            steps, values = series.setdefault(name, ([], []))
            steps.append(int(step))
            values.append(float(value))
    if not series:
        return
    columns = min(4, len(series))
    rows = -(-len(series) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4 * columns, 2.5 * rows), squeeze=False)
    for axis in axes.flat[len(series) :]:
        axis.axis("off")
    for axis, (name, (steps, values)) in zip(axes.flat, series.items()):
        axis.plot(steps, values, linewidth=0.8)
        axis.set_title(name, fontsize=9)
    figure.tight_layout()
    figure.savefig(target, dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw_curve(Path(sys.argv[1]), Path(sys.argv[2]))

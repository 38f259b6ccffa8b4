"""Speed of comparisons, whole processes, with histcmp side by side where it is installed.

    python benchmarks/compare.py [--objects 1000] [--histcmp PATH]

Prints seconds, ratios and peak memory; no test depends on them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reprun.histograms import Axis, Histogram, write_histograms

EVENTS = 2000


def samples(path: Path, objects: int, seed: int) -> None:
    """Write histograms of 100 bins as ROOT."""
    rng = np.random.default_rng(seed)
    axis = Axis.regular(100, 0.0, 10.0, title="m [GeV]")
    flow = np.concatenate(([-np.inf], axis.edges, [np.inf]))

    def one(number: int) -> Histogram:
        values = np.histogram(rng.normal(5, 1.5, EVENTS), flow)[0]
        return Histogram(
            f"d{number // 100}/h{number}", (axis,), np.asarray(values, dtype=np.float64),
            entries=float(EVENTS),
        )  # fmt: skip

    write_histograms(path, (one(number) for number in range(objects)))


def cube(path: Path, seed: int) -> None:
    """Write a TH3 of ten million bins."""
    axis = Axis.regular(214, 0.0, 1.0)
    values = np.random.default_rng(seed).poisson(3.0, (216, 216, 216)).astype(np.float64)
    write_histograms(path, [Histogram("cube", (axis, axis, axis), values)])


def timed(*command: str) -> tuple[float, float, int, int]:
    """Run a command; return wall and processor seconds, peak MiB and exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, after.ru_maxrss // 1024, done.returncode


def line(wall: float, used: float, memory: int, code: int) -> str:
    """Return the figures of one run in a row."""
    return f"{wall:7.2f} s wall {used:7.2f} s cpu {memory:6} MiB exit {code}"


def main() -> None:
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--histcmp", default="", help="histcmp program to run beside")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        one, other = directory / "a.root", directory / "b.root"
        for seed, path in enumerate((one, other)):
            samples(path, chosen.objects, seed)
        pair = (str(one), str(other))
        page = directory / "report.html"
        reprun = (sys.executable, "-m", "reprun", "compare")
        runs: list[tuple[str, tuple[str, ...]]] = [
            ("import and --help", (*reprun, "--help")),
            ("identical", (*reprun, str(one), str(one))),
            ("count", (*reprun, *pair)),
            ("sampled", (*reprun, *pair, "--kind", "sampled")),
            ("sampled, HTML", (*reprun, *pair, "--kind", "sampled", "--html", str(page))),
        ]
        if chosen.histcmp:
            runs.append(("histcmp", (chosen.histcmp, *pair)))
            report = str(directory / "histcmp.html")
            runs.append(("histcmp, HTML", (chosen.histcmp, *pair, "-o", report)))
        first = 0.0
        print(f"{chosen.objects:,} pairs of 100-bin histograms (peak memory: largest so far)")
        for label, command in runs:
            wall, used, memory, code = timed(*command)
            first = wall if label == "sampled" else first
            ratio = f"{wall / first:6.2f} x sampled" if first else ""
            print(f"{label:20} {line(wall, used, memory, code)} {ratio}")
        print(f"HTML page: {page.stat().st_size / 1e6:.2f} MB")
        for seed, path in enumerate((one, other)):
            cube(path, seed)
        for kind in ("count", "sampled"):
            figures = timed(*reprun, *pair, "--kind", kind)
            print(f"TH3 10M bins, {kind:8} {line(*figures)}")


if __name__ == "__main__":
    main()

"""Speed of comparisons, whole processes, with histcmp side by side where it is installed.

    python benchmarks/compare.py [--objects 1000] [--histcmp PATH]

Prints seconds, ratios and peak memory; no test depends on them.
"""

from __future__ import annotations

import argparse
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reprun.histograms import Axis, Histogram, write_histograms
from reprun.histograms.root_keys import newest_keys, object_bytes

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


def many(path: Path, objects: int, seed: int) -> None:
    """Write very many histograms of 100 bins: uproot, which needs minutes, makes the first.

    The others are its bytes with other contents under other keys, uncompressed, in one
    directory. The layout: root.cern/doc/master/classTFile.html.
    """
    with tempfile.TemporaryDirectory() as directory:
        first = Path(directory) / "one.root"
        samples(first, 1, seed)
        data = first.read_bytes()
        (key,) = (key for key in newest_keys(data).values() if key.class_name == "TH1D")
        template = object_bytes(data, key)
    body, size = template[: -102 * 8], len(template)
    rng = np.random.default_rng(seed)
    parts: list[bytes] = []
    keys: list[bytes] = []
    at = 100 + 60
    for number in range(objects):
        names = b"".join(bytes([len(text)]) + text for text in (b"TH1D", b"h%06d" % number, b""))
        length = 26 + len(names)
        head = struct.pack(">ihiIhhii", length + size, 4, size, 0, length, 1, at, 100) + names
        values = np.zeros(102)
        values[1:-1] = rng.poisson(EVENTS / 100, 100)
        parts += [head, body, values.astype(">f8").tobytes()]
        keys.append(head)
        at += length + size
    end = at + 18 + 8 + 3 + 4 + sum(map(len, keys))
    header = b"root" + struct.pack(">iiiiiiiBiii", 62400, 100, end, 0, 0, 0, 20, 4, 0, 0, 0)
    directory_record = struct.pack(">hIIiiiii", 5, 0, 0, end - at, 0, 100, 0, at)
    listing = struct.pack(">ihiIhhii", end - at, 4, 0, 0, 29, 1, at, 100) + bytes(3)
    with path.open("wb") as stream:
        stream.write(header.ljust(120, b"\0"))
        stream.write(directory_record.ljust(40, b"\0"))
        stream.writelines(parts)
        stream.write(listing + struct.pack(">i", objects))
        stream.writelines(keys)


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

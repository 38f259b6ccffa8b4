"""Verdicts and speed of comparisons, whole processes, with histcmp side by side.

    python benchmarks/compare.py [--objects 1000] [--many 100000] [--histcmp DIRECTORY] [--tiny]

With `--histcmp` it is installed in an environment of its own in that directory, with the
wheel `root` that it needs (250 MB, once), and run beside. Prints seconds, ratios and peak
memory (the largest sum over all processes of the resident pages that they do not share); no
test depends on them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np

from reprun.histograms import Axis, Histogram, write_histograms
from reprun.histograms.root.keys import newest_keys, object_bytes

EVENTS = 2000
CUBE_BINS = 216
TINY_OBJECTS, TINY_BINS = 2, 4
REPRUN = (sys.executable, "-m", "reprun", "compare")


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


def cube(path: Path, bins: int, seed: int) -> None:
    """Write a TH3 with so many bins on each axis, flow bins included."""
    axis = Axis.regular(bins - 2, 0.0, 1.0)
    values = np.random.default_rng(seed).poisson(3.0, (bins,) * 3).astype(np.float64)
    write_histograms(path, [Histogram("cube", (axis, axis, axis), values)])


def timed(*command: str) -> tuple[float, float, int, int]:
    """Run a command; return wall and processor seconds, peak MiB and exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while running.poll() is None:
        peak = max(peak, memory_of(running.pid))
        time.sleep(0.05)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, peak // 1024, running.returncode


def memory_of(process: int) -> int:
    """Return the proportional set size in KiB of a process and all below it."""
    found = 0
    with contextlib.suppress(OSError):
        below = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found = int(line.split()[1])
        found += sum(memory_of(int(child)) for child in below)
    return found


def line(wall: float, used: float, memory: int, code: int) -> str:
    """Return the figures of one run in a row."""
    return f"{wall:7.2f} s wall {used:7.2f} s cpu {memory:6} MiB exit {code}"


def mutations() -> dict[str, tuple[Histogram, Histogram, str]]:
    """Return pairs with the right answer for independent samples: name → (run, reference, it)."""
    axis = Axis.regular(50, 0.0, 10.0, title="x [GeV]")

    def drawn(seed: int, events: int = 100_000, shift: float = 0.0) -> Histogram:
        rng = np.random.default_rng(seed)
        flow = np.concatenate(([-np.inf], axis.edges, [np.inf]))
        values = np.histogram(rng.normal(5 + shift, 1.5, events), flow)[0].astype(np.float64)
        return Histogram("h", (axis,), values, values, entries=float(events))

    def changed(place: int, amount: float) -> Histogram:
        values = base.values.copy()
        values[place] += amount
        return replace(base, values=values, sumw2=values)

    def weighted(seed: int) -> Histogram:
        rng = np.random.default_rng(seed)
        x, w = rng.normal(5, 1.5, 20_000), rng.exponential(1.0, 20_000)
        flow = np.concatenate(([-np.inf], axis.edges, [np.inf]))
        sums = [np.histogram(x, flow, weights=each)[0] for each in (w, w * w)]
        return Histogram("h", (axis,), sums[0], sums[1], entries=20_000.0)

    base, other = drawn(1), drawn(2)
    shifted = Axis.regular(50, 1.0, 11.0, title="x [GeV]")
    shorter = Axis.regular(49, 0.0, 9.8, title="x [GeV]")
    swapped = base.values.copy()
    swapped[[20, 40]] = swapped[[40, 20]]
    last = np.concatenate((base.values[:-2], base.values[-1:]))
    empty = np.zeros(52)
    nan = base.values.copy()
    nan[25] = np.nan
    fail, same, no = "different", "compatible", "not comparable"
    return {
        "same object": (base, base, "identical"),
        "other seed": (other, base, same),
        "other seed, 10 k events": (drawn(3, 10_000), drawn(4, 10_000), same),
        "weighted, other seed": (weighted(5), weighted(6), same),
        "axis 0-10 to 1-11": (replace(base, axes=(shifted,)), base, no),
        "last bin dropped": (
            replace(base, axes=(shorter,), values=last, sumw2=last), base, no,
        ),
        "scaled by 2": (replace(base, values=base.values * 2, sumw2=base.values * 4), base, fail),
        "two bins swapped": (replace(base, values=swapped, sumw2=swapped), base, fail),
        "overflow +5 %": (changed(51, 5000), base, fail),
        "underflow +5 %": (changed(0, 5000), base, fail),
        "one bin +1500 (11 sigma)": (changed(26, 1500), base, fail),
        "shift by 1 sigma": (drawn(7, shift=1.5), base, fail),
        "sumw2 lost": (replace(base, sumw2=None), base, no),
        "NaN in a bin": (replace(base, values=nan), base, fail),
        "empty against filled": (replace(base, values=empty, sumw2=empty), base, fail),
        "TH1D to TH1F": (replace(base, storage="float32"), base, no),
    }  # fmt: skip


def verdicts(directory: Path, histcmp: str, most: int | None) -> None:
    """Print each mutation with both answers and the right one."""
    print(f"{'mutation':26} {'reprun':16} {'histcmp':14} right answer")
    wrong = [0, 0]
    for name, (run, reference, right) in list(mutations().items())[:most]:
        paths = directory / "run.root", directory / "reference.root"
        for path, thing in zip(paths, (run, reference), strict=True):
            write_histograms(path, [thing])
        pair = [str(path) for path in paths]
        done = subprocess.run(
            [*REPRUN, *pair, "--kind", "sampled", "--format", "json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        ours = json.loads(done.stdout)["items"][0]["verdict"]
        theirs = "not run"
        if histcmp:
            code = subprocess.run([histcmp, *pair], capture_output=True, check=False).returncode
            theirs = {0: "success", 1: "failure"}.get(code, f"exit {code}")
        passes = right in ("identical", "compatible")
        wrong[0] += ours != right
        wrong[1] += (theirs == "success") != passes
        flag = "" if not histcmp or (theirs == "success") == passes else "  <- histcmp wrong"
        print(f"{name:26} {ours:16} {theirs:14} {right}{flag}")
    print(f"wrong: reprun {wrong[0]}" + (f", histcmp {wrong[1]}" if histcmp else ""))


def installed(directory: str) -> str:
    """Return the histcmp program of an environment of its own, made when it is not there."""
    if not directory:
        return ""
    program = Path(directory) / "bin" / "histcmp"
    if not program.exists():
        venv.create(directory, with_pip=True)
        pip = [str(Path(directory) / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "histcmp==0.12.0", "root"], check=True)
    return str(program)


def speed(directory: Path, objects: int, histcmp: str) -> None:
    """Print the time of one pair of files in each way of looking at it."""
    one, other = directory / "a.root", directory / "b.root"
    for seed, path in enumerate((one, other)):
        samples(path, objects, seed)
    pair = (str(one), str(other))
    page = directory / "report.html"
    runs: list[tuple[str, tuple[str, ...]]] = [
        ("import and --help", (*REPRUN, "--help")),
        ("identical", (*REPRUN, str(one), str(one))),
        ("count", (*REPRUN, *pair)),
        ("sampled", (*REPRUN, *pair, "--kind", "sampled")),
        ("sampled, HTML", (*REPRUN, *pair, "--kind", "sampled", "--html", str(page))),
    ]
    if histcmp:
        runs.append(("histcmp", (histcmp, *pair)))
        runs.append(("histcmp, HTML", (histcmp, *pair, "-o", str(directory / "histcmp.html"))))
    first = 0.0
    print(f"{objects:,} pairs of 100-bin histograms")
    for label, command in runs:
        wall, used, memory, code = timed(*command)
        first = wall if label == "sampled" else first
        ratio = f"{wall / first:6.2f} x sampled" if first else ""
        print(f"{label:20} {line(wall, used, memory, code)} {ratio}")
    print(f"HTML page: {page.stat().st_size / 1e6:.2f} MB")


def sizes(directory: Path, most: int, bins: int) -> None:
    """Print the time and memory of very many objects, and of a tenth of them, and of a cube."""
    one, other = directory / "a.root", directory / "b.root"
    pair = (str(one), str(other))
    for objects in (most // 10, most):
        for seed, path in enumerate((one, other)):
            many(path, objects, seed)
        for kind in ("count", "sampled"):
            print(f"{objects:,} pairs, {kind:8} {line(*timed(*REPRUN, *pair, '--kind', kind))}")
    for seed, path in enumerate((one, other)):
        cube(path, bins, seed)
    for kind in ("count", "sampled"):
        print(f"TH3 {bins**3:,} bins, {kind:8} {line(*timed(*REPRUN, *pair, '--kind', kind))}")


def main() -> None:
    """Print one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--histcmp", default="", help="directory of its environment")
    parser.add_argument("--only", choices=("verdicts", "speed", "sizes"))
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    chosen = parser.parse_args()
    if chosen.tiny:
        chosen.objects, chosen.many = TINY_OBJECTS, 10 * TINY_OBJECTS
    histcmp = installed(chosen.histcmp)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if chosen.only in (None, "verdicts"):
            verdicts(directory, histcmp, 1 if chosen.tiny else None)
        if chosen.only in (None, "speed"):
            speed(directory, chosen.objects, histcmp)
        if chosen.only in (None, "sizes"):
            sizes(directory, chosen.many, TINY_BINS if chosen.tiny else CUBE_BINS)


if __name__ == "__main__":
    main()

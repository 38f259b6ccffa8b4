"""How long the digests of a tree take, over the time that uproot needs to read it.

python benchmarks/trees.py [--tiny]  # needs some 1 GB of disk below TMPDIR
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
import uproot

COLUMNS = 20
AT_A_TIME = 500_000
REPEATS = 3

READ = """
import sys, uproot
tree = uproot.open(sys.argv[1])["Events"]
for branch in tree.branches:
    for start in range(0, tree.num_entries, {step}):
        branch.array(library="np", entry_start=start, entry_stop=start + {step})
"""
DIGESTS = """
import sys, uproot
from reprun.histograms.root.trees import branch_digests
branch_digests(uproot.open(sys.argv[1])["Events"])
"""


def write(path: Path, entries: int) -> None:
    """Write a tree of numbers that compress as measured ones do."""
    random = np.random.default_rng(1)
    with uproot.recreate(path, compression=uproot.LZ4(4)) as file:
        names = [f"x{number}" for number in range(COLUMNS)]
        tree = file.mktree("Events", dict.fromkeys(names, "float32"))
        for start in range(0, entries, AT_A_TIME):
            size = min(AT_A_TIME, entries - start)
            values = random.exponential(40.0, size=(COLUMNS, size)).astype(np.float32)
            values.view(np.uint32)[...] &= np.uint32(0xFFFFF000)  # as NanoAOD cuts its mantissas
            tree.extend(dict(zip(names, values, strict=True)))


def seconds(program: str, path: Path) -> float:
    """Return how long a program takes in a process of its own, the fastest of some times."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


def main() -> None:
    """Print seconds, their ratio and the peak of memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    entries = 10_000 if parser.parse_args().tiny else 10_000_000
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "events.root"
        write(path, entries)
        size = path.stat().st_size / 1e6
        print(f"{entries:,} entries of {COLUMNS} columns of float32, {size:.0f} MB with LZ4")
        digests = seconds(DIGESTS, path)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        read = seconds(READ.format(step=AT_A_TIME), path)
        print(f"uproot reads them            {read:8.2f} s")
        print(
            f"digest of every column       {digests:8.2f} s   {digests / read:.2f} x (target 1.2)"
        )
        print(f"peak memory of the digests   {peak:8.0f} MiB (target 1000)")


if __name__ == "__main__":
    main()

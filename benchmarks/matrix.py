"""The whole matrix, warm: every step of every cell runs again.

python benchmarks/matrix.py [--tiny]  # REPRUN_MIRRORS must lead to the data of the examples

`--tiny` runs one cell.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter

TARGET_SECONDS = 300.0
CELL_SECONDS = 60.0
TINY = "cms-h4l/columnar"


def matrix(results: str, *globs: str) -> tuple[float, list[dict[str, object]]]:
    """Run the cells; return the seconds and the cells."""
    command = [sys.executable, "-m", "reprun", "matrix", *globs, "--again", "--format", "json"]
    started = time.perf_counter()
    done = subprocess.run([*command, "--results", results], stdout=subprocess.PIPE, check=False)
    cells: list[dict[str, object]] = json.loads(done.stdout)["cells"]
    return time.perf_counter() - started, cells


def main() -> None:
    """Run twice, the first time to fill the store, and print the second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    globs = (TINY,) if parser.parse_args().tiny else ()
    with tempfile.TemporaryDirectory() as results:
        matrix(results, *globs)
        seconds, cells = matrix(results, *globs)
    for cell in cells:
        steps = cell["step_seconds"]
        if isinstance(steps, float):
            part = f"{steps / CELL_SECONDS:.2f} of the limit"
            print(f"{cell['analysis']}/{cell['variant']}: {steps:.1f} s of steps, {part}")
    states = ", ".join(f"{n} {state}" for state, n in Counter(c["state"] for c in cells).items())
    print(f"matrix: {seconds:.1f} s, {seconds / TARGET_SECONDS:.2f} of the limit ({states})")


if __name__ == "__main__":
    main()

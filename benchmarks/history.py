"""What the history adds to a run, and how long it takes to read: generated nights.

python benchmarks/history.py [--tiny]

Cells as they are on the disk: 40 objects, 30 code files, three steps. `--tiny` has few of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.history_support import Nights, digest_of, report_of
from tests.unit import builders

from reprun.digests import sha256_bytes
from reprun.documents.record import REPORT_JSON, write_record
from reprun.history import rows, summary
from reprun.history.database import FILE, looked_into, opened
from reprun.history.model import Entry
from reprun.progress import Silent
from reprun.report.model import report_json
from reprun.runs.remembering import Remembering
from reprun.runs.site import write_site

CELL_SECONDS = 0.05
MATRIX_SECONDS, MATRIX_CELLS = 10.0, 500
READ_SECONDS = 20.0
SITE_SECONDS, PAGE_BYTES = 20.0, 1_000_000
OBJECTS = {f"h{n:03}": "a" * 64 for n in range(40)}
CODE = {f"code/{n}.py": digest_of(str(n)) for n in range(30)}


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def lay(results: Path, name: str) -> None:
    """Write the run directory of a cell that has run."""
    text = report_json(report_of(OBJECTS))
    directory = results / name / "columnar.small"
    directory.mkdir(parents=True)
    (directory / REPORT_JSON).write_text(text)
    sealed = {REPORT_JSON: sha256_bytes(text.encode())}
    inputs = builders.inputs(code=CODE)
    write_record(builders.record(analysis=name, inputs=inputs, reports=sealed), directory)


def night(results: Path, names: list[str]) -> float:
    """Remember each cell once, as a matrix does; return the seconds."""

    def remember() -> None:
        with Remembering(results, Silent()) as memory:
            for name in names:
                selection = builders.selection(builders.analysis(name=name), results=results)
                memory.remember(
                    selection,
                    None,
                    named=(name, "columnar", "columnar"),
                    error=None,
                    ran=False,
                    stands=True,
                )

    return timed(remember)


def writing(cells: int) -> None:
    """Print what the first night and an unchanged one cost."""
    with tempfile.TemporaryDirectory() as home:
        results = Path(home)
        names = [f"analysis-{n}" for n in range(cells)]
        for name in names:
            lay(results, name)
        first, unchanged = night(results, names), night(results, names)
        with looked_into(results / FILE) as database:
            assert database is not None
            assert len(rows.cells(database)) == cells
    part = unchanged / cells / CELL_SECONDS
    print(f"a cell that ran: {1000 * first / cells:.1f} ms on top of its run")
    print(f"an unchanged cell: {1000 * unchanged / cells:.1f} ms, {part:.2f} of the limit")
    whole = unchanged * MATRIX_CELLS / cells
    print(f"{MATRIX_CELLS} of them: {whole:.2f} s, {whole / MATRIX_SECONDS:.2f} of the limit")


def varied(entry: Entry, day: int) -> Entry:
    """Return a run whose steps took another time and memory, by up to a third: each is fitted."""
    assert entry.made is not None
    part = 1 + day * 7 % 10 / 30
    steps = tuple(
        step.model_copy(
            update={
                "seconds": step.seconds * part,
                "max_rss_bytes": int((step.max_rss_bytes or 0) * part),
            }
        )
        for step in entry.made.steps
    )
    return entry.model_copy(update={"made": entry.made.model_copy(update={"steps": steps})})


def reading(cells: int, nights: int) -> None:
    """Print how long the whole history takes to read, where one cell of ten is red."""
    with tempfile.TemporaryDirectory() as home:
        results = Path(home)
        with opened(results / FILE) as database, database.transaction():
            for n in range(cells):
                made = Nights(results, analysis=f"analysis-{n}")
                good = made.entry(0, OBJECTS, code=CODE)
                bad = made.entry(1, {**OBJECTS, "h000": "b" * 64}, bad=["h000"], code=CODE)
                for day in range(nights):
                    as_then = bad if n % 10 == 0 and day > nights // 2 else good
                    rows.add(database, varied(made.copied(as_then, day), day))
        size = (results / FILE).stat().st_size
        site(results, cells)
        with looked_into(results / FILE) as found:
            assert found is not None
            overview = timed(lambda: summary.histories(found))
            (one,) = summary.histories(found, "analysis-0")
            closer = timed(lambda: summary.closer(found, one, None, 30))
    print(f"{cells} cells, {nights} nights: {size / 1e6:.1f} MB")
    print(f"all of it: {overview:.2f} s, {overview / READ_SECONDS:.2f} of the limit")
    print(f"a closer look at one cell: {closer:.3f} s")


def site(results: Path, cells: int) -> None:
    """Print how long the pages of a matrix take to write, and how large the first one is."""
    red = "red since 2026-04-21; nothing that is recorded differs from the last good run"
    made = [
        builders.cell("not reproduced", f"analysis-{n}", red=red)
        if n % 10 == 0
        else builders.cell("reproduced", f"analysis-{n}")
        for n in range(cells)
    ]
    data = {cell.name: ("small", "") for cell in made}
    page = results / "matrix" / "index.html"
    took = timed(lambda: write_site(builders.matrix(*made), page, data, results))
    assert sum(1 for _ in page.parent.glob("cells/*.html")) == cells
    size = page.stat().st_size
    print(f"pages of {cells} cells: {took:.2f} s, {took / SITE_SECONDS:.2f} of the limit")
    print(f"the first page: {size / 1e6:.2f} MB, {size / PAGE_BYTES:.2f} of the limit")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    tiny = parser.parse_args().tiny
    writing(10 if tiny else MATRIX_CELLS)
    reading(5 if tiny else 1000, 10 if tiny else 100)


if __name__ == "__main__":
    main()

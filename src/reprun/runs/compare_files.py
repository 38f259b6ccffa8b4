"""Two files compared on their own, with no analysis around them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import JsonValue

from reprun import histograms
from reprun import report as rendering
from reprun.digests import sha256_file
from reprun.documents.analysis import ComparisonRule
from reprun.engines.base import Limits
from reprun.errors import NothingToCompareError, OutputMissingError
from reprun.files import make_directory, write_atomically
from reprun.report import Context, in_context
from reprun.report.model import Report
from reprun.runs.asked import asked
from reprun.runs.question import Answer, Compared, FilesQuestion
from reprun.store.store import Store
from reprun.wording import quoted, spelt_out

if TYPE_CHECKING:
    from reprun.histograms import Source

A = TypeVar("A", bound=Answer)
PROGRAM = "reprun.runs.comparing"
SUBMISSIONS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Files:
    """Two files to hold against each other, and how."""

    monitored: Path
    reference: Path
    rules: Sequence[ComparisonRule] = ()
    """Without one that matches, an object is compared exactly."""
    match: Sequence[str] = ()
    """Globs of the names to compare, as the monitored file has them; all if there is none."""
    maps: Sequence[tuple[str, str]] = ()
    """(name in the reference, name in the monitored file)."""
    shared_events: bool = False

    def question(self, *, draw: bool = False, toys: int = 0) -> FilesQuestion:
        """Return what is asked of them."""
        return FilesQuestion(
            rules=tuple(self.rules),
            match=tuple(self.match),
            maps=tuple(self.maps),
            shared_events=self.shared_events,
            today=dt.datetime.now(dt.UTC).date(),
            names=names_apart(self.monitored, self.reference),
            draw=draw,
            toys=toys,
        )


class Reading(Protocol):
    """Who reads two files: this process (`compared.answered`), or a sandbox."""

    def __call__(
        self, question: FilesQuestion, kind: type[A], monitored: Path, reference: Path
    ) -> A:
        """Return an answer of a kind; raises what `compared.compared` does."""


def in_sandbox(store: Store, say: Callable[[str], None]) -> Reading:
    """Return who reads two files in a sandbox; where none can be made, a note is said."""

    def read(question: FilesQuestion, kind: type[A], monitored: Path, reference: Path) -> A:
        sides = {"monitored": monitored, "reference": reference}
        for path in sides.values():
            if not path.is_file():
                opened(path)  # says what there is
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        with asked(
            (PROGRAM, kind.__name__),
            question,
            kind,
            {f"{side}/{spelt_out(path.name)}": path for side, path in sides.items()},
            store,
            # The tables of a submission to HEPData lie beside it.
            beside={
                side: path.parent
                for side, path in sides.items()
                if path.suffix.lower() in SUBMISSIONS
            },
            subject="the files",
            # The user named them, and knows how large they are.
            bounds=Limits(cpus=float(os.cpu_count() or 1), memory_bytes=memory),
        ) as found:
            for note in found.notes:
                say(f"note: {note}")
            return found.answer

    return read


def opened(path: Path) -> Source:
    """Open a file; where it cannot be read, say what to type to see why."""
    try:
        return histograms.open_objects(path)
    except (OutputMissingError, NothingToCompareError) as error:
        error.hint = error.hint or _to_look_at(path)
        raise


def _to_look_at(path: Path) -> str:
    if not path.is_file():
        home = next(each for each in (path, *path.parents) if each.is_dir())
        return f"ls {quoted(home)}"
    if not histograms.readable(path):
        return "reprun compare --help   # which files are read"
    return f"ls -l {quoted(path)}   # one that was cut short has to be made or fetched again"


def compare_files(
    files: Files,
    reading: Reading,
    *,
    html: Path | None = None,
    plots: Path | None = None,
    draw: bool = False,
) -> Report:
    """Compare two files on their own; with `html`, also write the page there.

    With `plots`, write figures of what differs into that directory. `draw` keeps the numbers of
    plots in the report, which page and figures need anyway. Raises what `compared.compared`
    does, and BackendError where there is nothing to draw figures with.
    """
    question = files.question(draw=draw or html is not None or plots is not None)
    found = reading(question, Compared, files.monitored, files.reference).report
    assert found is not None
    provenance = {
        **_provenance("monitored", files.monitored),
        **_provenance("reference", files.reference),
    }
    report = in_context(found, Context(provenance=provenance))
    if html is not None:
        write_atomically(html, rendering.render_html(report).encode())
    if plots is not None:
        make_directory(plots)
        for name, data in rendering.render_figures(report):
            write_atomically(plots / name, data)
    return report


def _provenance(side: str, path: Path) -> dict[str, JsonValue]:
    return {side: str(path), f"{side} sha256": sha256_file(path)}


def names_apart(one: Path, other: Path) -> tuple[str, str]:
    """Return what two files are called: their names, with directories where those are equal."""
    parts = one.parts, other.parts
    for size in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-size:]) for each in parts]
        if names[0] != names[1]:
            return spelt_out(names[0]), spelt_out(names[1])
    return spelt_out(one.name), f"{spelt_out(other.name)} (again)"

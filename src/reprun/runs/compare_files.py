"""Two files compared on their own, with no analysis around them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from reprun.compare import Words, compare
from reprun.compare.calibrate import Calibration, calibrate
from reprun.compare.select import idle_maps, refuse_nothing, renamed, selected
from reprun.digests import sha256_file
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError, OutputMissingError, SpecificationError
from reprun.files import make_directory, write_atomically
from reprun.histograms import Source, open_objects
from reprun.histograms.files import published_digest, readable
from reprun.report import Context, build_report, in_context, render_html
from reprun.report.figures import figures
from reprun.report.model import AnalysisInfo, Report
from reprun.wording import quoted


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


def read_files(files: Files) -> tuple[Source, Source]:
    """Open both files, rename and select.

    Raises NothingToCompareError if a glob matches nothing on either side, and SpecificationError
    for a map that fits no object.
    """
    monitored, reference = _opened(files.monitored), _opened(files.reference)
    for idle in idle_maps(reference, files.maps):
        raise SpecificationError(f"--{idle}")
    reference = renamed(reference, files.maps)
    names = list(monitored.names), list(reference.names)
    # A table is called by its file; of two files that hold one thing each, which is meant is plain.
    by_file = names[0] == [files.monitored.stem], names[1] == [files.reference.stem]
    if any(by_file) and len(names[0]) == len(names[1]) == 1:
        reference = reference.taking({names[0][0]: names[1][0]})
    refuse_nothing(files.match, monitored, reference)
    return selected(monitored, files.match), selected(reference, files.match)


def _opened(path: Path) -> Source:
    """Open a file; where it cannot be read, say what to type to see why."""
    try:
        return open_objects(path)
    except (OutputMissingError, NothingToCompareError) as error:
        error.hint = error.hint or _to_look_at(path)
        raise


def _to_look_at(path: Path) -> str:
    if not path.is_file():
        home = next(each for each in (path, *path.parents) if each.is_dir())
        return f"ls {quoted(home)}"
    if not readable(path):
        return "reprun compare --help   # which files are read"
    return f"ls -l {quoted(path)}   # one that was cut short has to be made or fetched again"


def compare_files(
    files: Files, *, html: Path | None = None, plots: Path | None = None, draw: bool = False
) -> Report:
    """Compare two files on their own; with `html`, also write the page there.

    With `plots`, write figures of what differs into that directory. `draw` keeps the numbers of
    plots in the report, which page and figures need anyway. Raises BackendError where there is
    nothing to draw figures with.
    """
    monitored, reference = read_files(files)
    today = dt.datetime.now(dt.UTC).date()
    names = names_apart(files.monitored, files.reference)
    comparison = compare(
        monitored,
        reference,
        files.rules,
        today,
        shared_events=files.shared_events,
        words=Words.of_files(*names),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )
    compared = build_report(
        comparison,
        AnalysisInfo(name=names[0], title=f"{names[0]} against {names[1]}"),
        draw=draw or html is not None or plots is not None,
    )
    report = in_context(
        compared,
        Context(
            provenance={
                **_provenance("monitored", files.monitored),
                **_provenance("reference", files.reference),
            },
            notes=(*_strangers(monitored, reference), *_digests(files)),
        ),
    )
    if html is not None:
        write_atomically(html, render_html(report).encode())
    if plots is not None:
        make_directory(plots)
        for name, data in figures(report):
            write_atomically(plots / name, data)
    return report


def _provenance(side: str, path: Path) -> dict[str, JsonValue]:
    return {side: str(path), f"{side} sha256": sha256_file(path)}


def _digests(files: Files) -> list[str]:
    """Return what the digests of two workspaces say, that people quote in place of a file."""
    one, other = published_digest(files.monitored), published_digest(files.reference)
    if one is None or other is None:
        return []
    if one == other:
        return [f"both workspaces have the pyhf digest {one}"]
    return [f"the pyhf digests differ: {one} / {other}"]


def _strangers(monitored: Source, reference: Source) -> list[str]:
    if set(monitored.names) & set(reference.names):
        return []
    return ["the files have no name in common; --map OLD=NEW says which objects belong together"]


def names_apart(one: Path, other: Path) -> tuple[str, str]:
    """Return what two files are called: their names, with directories where those are equal."""
    parts = one.parts, other.parts
    for size in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-size:]) for each in parts]
        if names[0] != names[1]:
            return names[0], names[1]
    return one.name, f"{other.name} (again)"


def calibrate_files(files: Files, toys: int) -> Calibration:
    """Return what toys from the reference say of the rules."""
    _, reference = read_files(files)
    today = dt.datetime.now(dt.UTC).date()
    return calibrate(reference.only(reference.names), files.rules, today, toys)

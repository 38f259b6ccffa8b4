"""Two files compared, or the rules calibrated with the second: what reads and decides.

The digests of the files and the page are put to it by `compare_files`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from reprun.compare import Words, compare
from reprun.compare.calibrate import Calibration, calibrate
from reprun.compare.select import idle_maps, refuse_nothing, renamed, selected
from reprun.errors import SpecificationError
from reprun.histograms import Source
from reprun.histograms.files import published_digest
from reprun.report import Context, build_report, in_context
from reprun.report.model import AnalysisInfo
from reprun.runs.compare_files import opened
from reprun.runs.question import Answer, Compared, FilesQuestion

A = TypeVar("A", bound=Answer)


class Calibrated(Answer):
    """What toys from the second file say of the rules."""

    calibration: Calibration | None = None


def answered(question: FilesQuestion, kind: type[A], monitored: Path, reference: Path) -> A:
    """Compare two files, or calibrate, by what kind of answer is wanted, in this process."""
    deeds: Mapping[type[Answer], Callable[[FilesQuestion, Path, Path], Any]]
    deeds = {Compared: compared, Calibrated: calibrated}
    answer: A = deeds[kind](question, monitored, reference)
    return answer


def compared(question: FilesQuestion, monitored: Path, reference: Path) -> Compared:
    """Compare two files.

    Raises OutputMissingError for a file that is missing or unreadable, NothingToCompareError if
    a glob matches nothing on either side, and SpecificationError for a map that fits no object.
    """
    ours, theirs = _read(question, monitored, reference)
    comparison = compare(
        ours,
        theirs,
        question.rules,
        question.today,
        shared_events=question.shared_events,
        words=Words.of_files(*question.names),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )
    one, other = question.names
    report = build_report(
        comparison, AnalysisInfo(name=one, title=f"{one} against {other}"), draw=question.draw
    )
    notes = (*_strangers(ours, theirs), *_digests(monitored, reference))
    return Compared(report=in_context(report, Context(notes=notes)))


def calibrated(question: FilesQuestion, monitored: Path, reference: Path) -> Calibrated:
    """Throw toys from the second of two files; raises what `compared` does."""
    _, theirs = _read(question, monitored, reference)
    objects = theirs.only(theirs.names)
    return Calibrated(calibration=calibrate(objects, question.rules, question.today, question.toys))


def _read(question: FilesQuestion, monitored: Path, reference: Path) -> tuple[Source, Source]:
    """Open both files, rename and select."""
    ours, theirs = opened(monitored), opened(reference)
    for idle in idle_maps(theirs, question.maps):
        raise SpecificationError(f"--{idle}")
    theirs = renamed(theirs, question.maps)
    names = list(ours.names), list(theirs.names)
    # A table is called by its file; of two files that hold one thing each, which is meant is plain.
    by_file = names[0] == [monitored.stem], names[1] == [reference.stem]
    if any(by_file) and len(names[0]) == len(names[1]) == 1:
        theirs = theirs.taking({names[0][0]: names[1][0]})
    refuse_nothing(question.match, ours, theirs)
    return selected(ours, question.match), selected(theirs, question.match)


def _digests(monitored: Path, reference: Path) -> list[str]:
    """Return what the digests of two workspaces say, that people quote in place of a file."""
    one, other = published_digest(monitored), published_digest(reference)
    if one is None or other is None:
        return []
    if one == other:
        return [f"both workspaces have the pyhf digest {one}"]
    return [f"the pyhf digests differ: {one} / {other}"]


def _strangers(monitored: Source, reference: Source) -> list[str]:
    if set(monitored.names) & set(reference.names):
        return []
    return ["the files have no name in common; --map OLD=NEW says which objects belong together"]

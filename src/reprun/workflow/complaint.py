"""What Snakemake says was wrong, from its log: in its own words, and as an error of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from reprun.documents.reading import edit_command
from reprun.errors import MissingFilesError, ReprunError, SpecificationError, StepFailedError
from reprun.wording import listed, quoted

MOST_LINES = 12
NOISE = (
    *("Assuming unrestricted", "Using shell", "Provided cores", "host:", "Building DAG"),
    "Config file",
)
ENDS = (
    *("Removing output files of failed", "Shutting down", "Exiting because", "Complete log"),
    *("Elapsed time", "During handling of the above", "The above exception", "Traceback "),
)
"""Begin a line that is no longer about what went wrong."""
GENERAL = "At least one job did not complete successfully."
MISSING_INPUT = "MissingInputException"
AFTER_A_STEP = ("WorkflowError", "ImproperOutputException", "MissingOutputException")
"""What Snakemake says of the outputs of a step that has ended."""

_FIRST = re.compile(
    r"(?:\w+\.)*(?P<kind>\w+(?:Error|Exception))"
    r"(?: in (?:rule (?P<rule>\S+) in )?file .*|:.*)?"
)
_PLACE = re.compile(r'\s+File "[^/"][^"]*", line \d+')
"""The end of a traceback in a file of the analysis, whose path is not absolute any more."""
_WHERE = re.compile(r'[Ff]ile "(?P<path>[^/"][^"]*)", line (?P<line>\d+)')
_AT = re.compile(r"(?P<path>[^/].*):(?P<line>\d+)")
_CONTEXT = re.compile(
    r"[A-Z]{4,}|=+|\s+(User|Host|Version|Snakemake|Python|Command|Snakefile|Workdir|"
    r"(Base|Working|Run) directory|Config( ?files?| MD5)|Profiles?|Cores|Executor|Platform|Started|"
    r"Date|Workflow ID|Log)\b.*:.*"
)
"""A line with which Snakemake begins its log, whatever comes: of no use but with all of it."""
_NO_FILE = re.compile(r"No such file or directory: '(?P<path>[^']+)'")
_NO_MODULE = re.compile(r"No module named '(?P<name>[\w.]+)'")
_AFFECTED = "affected files:"


@dataclass(frozen=True, slots=True)
class Complaint:
    """The first error in a log."""

    kind: str
    """Its class; empty where the log has no error, but an end."""
    rule: str | None
    lines: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The files that were looked for and not found."""
        if self.kind == MISSING_INPUT:
            bare = [line.strip() for line in self.lines]
            return tuple(bare[bare.index(_AFFECTED) + 1 :]) if _AFFECTED in bare else ()
        text = "\n".join(self.lines)
        modules = (found["name"].replace(".", "/") for found in _NO_MODULE.finditer(text))
        return (
            *(found["path"] for found in _NO_FILE.finditer(text)),
            *(path for name in modules for path in (f"{name}.py", f"{name}/__init__.py")),
        )

    @property
    def spot(self) -> Spot | None:
        """Where in a file of the analysis the fault is, and what; None where that is not said."""
        found = next(filter(None, map(_WHERE.search, self.lines[:2])), None)
        if found is None:
            return None
        said = [line.strip() for line in self.lines if not _WHERE.search(line)]
        first, *more = said or [self.kind]
        first = first.removeprefix("SyntaxError: ")
        if self.kind == "SyntaxError":  # what follows explains Snakemake's language
            first, more = first.partition(". ")[0].removesuffix("."), []
        reason = "".join((first, *(f"\n    {line}" for line in more)))
        return Spot(found["path"], int(found["line"]), reason)


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of a file of the analysis, and what is wrong there."""

    path: str
    line: int
    reason: str


def in_directory(error: ReprunError, directory: Path) -> None:
    """Let an error that is at a line of a file of the analysis lead to the user's own file."""
    if found := _AT.fullmatch(error.place or ""):
        path = directory / found["path"]
        error.place = f"{path}:{found['line']}"
        error.hint = edit_command(path, int(found["line"]))


def complaint_of(text: str) -> Complaint:
    """Return the first error of a log, or the end of one that has none."""
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        found = _FIRST.fullmatch(line)
        if found is None or GENERAL in lines[number + 1 : number + 2]:
            continue
        said = [line, *takewhile(lambda one: not one.startswith(ENDS), lines[number + 1 :])]
        # A list of files is whole; of everything else the beginning says what it is.
        most = None if found["kind"] == MISSING_INPUT else MOST_LINES
        where = [one.strip() for one in lines[:number][-1:] if _PLACE.fullmatch(one)]
        return Complaint(found["kind"], found["rule"], (*where, *said[:most]))
    rest = [line for line in lines if not (line.startswith(NOISE) or _CONTEXT.fullmatch(line))]
    return Complaint("", None, tuple(rest[-MOST_LINES:]))


def error_of(log: Path, snakefile: str, places: Iterable[str], *, planned: bool) -> ReprunError:
    """Return why Snakemake ended, before or after it had `planned`.

    `places` are where it saw what the user knows by a path of the analysis.
    """
    text = log.read_text(encoding="utf-8", errors="replace").expandtabs()
    for place in places:
        text = text.replace(f"{place}/", "")
    complaint = complaint_of(text)
    said = "".join(f"\n    {line}" for line in complaint.lines)
    place, hint = str(log), f"less {quoted(log)}"
    if complaint.kind == MISSING_INPUT and complaint.missing:
        needed_by = f"rule {complaint.rule}" if complaint.rule else snakefile
        return MissingFilesError(
            f"{needed_by} needs {listed(complaint.missing)}, which no rule makes and the run is "
            "not given",
            paths=complaint.missing,
            needed_by=needed_by,
            place=place,
            hint=hint,
        )
    if planned and complaint.kind in AFTER_A_STEP:
        return StepFailedError(f"Snakemake refuses what a step left:{said}", place=place, hint=hint)
    message = f"Snakemake refuses {snakefile}:{said}"
    if not complaint.lines:
        message = f"{snakefile} ended Snakemake without a word, as a call of exit() in it does"
    if (spot := complaint.spot) is not None:
        rule = f" (rule {complaint.rule})" if complaint.rule else ""
        message = f"Snakemake refuses {spot.path}, line {spot.line}{rule}: {spot.reason}"
        place, hint = f"{spot.path}:{spot.line}", f"less {quoted(log)}"
    if complaint.missing:
        return MissingFilesError(
            message, paths=complaint.missing, needed_by=snakefile, place=place, hint=hint
        )
    return SpecificationError(message, place=place, hint=hint)


def undeclared(paths: Iterable[str], directory: Path, given: Collection[str]) -> Iterator[str]:
    """Yield the paths at which a directory has something that a run was not given."""
    for path in dict.fromkeys(paths):
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            continue
        name = pure.as_posix()
        held = name in given or any(one.startswith(f"{name}/") for one in given)
        if not held and os.path.lexists(directory / name):
            yield name

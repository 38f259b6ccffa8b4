"""References as their logs say they are: what `reprun reference verify` checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprun.digests import digest_of_mapping, sha256_file
from reprun.documents.reading import edit_command
from reprun.errors import IntegrityError, NothingToCompareError, ReprunError
from reprun.files import is_in_git
from reprun.progress import Progress
from reprun.runs.all_references import references_of
from reprun.runs.blessed import BLESSED, Blessing, read_blessing
from reprun.runs.elsewhere import whole_reference
from reprun.runs.reference import reference_digests
from reprun.runs.reference_log import (
    MERGED_BADLY,
    Entry,
    Fault,
    Log,
    branches,
    errors_of,
    log_is_gone,
    read_log,
)
from reprun.runs.reference_sums import SUMS, read_sums
from reprun.store.store import Store
from reprun.wording import count_of, lines_of, quoted

SAID_TWICE = ("author", "reason", "date", "variant", "dataset", "only", "compared", "run")
"""What a line repeats of `blessed.json`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A reference whose log holds, and which is what the last line of it says."""

    directory: str
    """Below that of the analysis."""
    last: Entry
    lines: int
    files: int

    @property
    def sentence(self) -> str:
        """What was checked."""
        return (
            f"{self.directory}: {count_of(self.lines, 'line')} of the log and "
            f"{count_of(self.files, 'file')} are as they were written"
        )


def check_references(home: Path, called: str, store: Store, progress: Progress) -> list[Checked]:
    """Check every reference of an analysis, those of datasets and of parts of the events too.

    Files that are elsewhere are fetched, and compared by their digests like any other. Raises
    IntegrityError that names each line, and each file, that is not as it was written, and for
    branches that were merged; NothingToCompareError for one without a log; and InputsGoneError for
    a file that no source has. Of several errors the worst is raised, with the others below it.
    """
    found, errors = [], []
    for directory in references_of(home, called):
        try:
            found.append(check_reference(directory, home, called, store, progress))
        except ReprunError as error:  # it hides no other reference
            errors.append(error)
    if errors:
        worst = max(errors, key=lambda error: error.exit_code)
        worst.message += lines_of(error.message for error in errors if error is not worst)
        raise worst
    return found


def check_reference(
    directory: Path, home: Path, called: str, store: Store, progress: Progress
) -> Checked:
    """Check one reference of an analysis; raises as `check_references` does."""
    blessing, log = read_blessing(directory), read_log(directory)
    again = f'reprun run {quoted(called)} && reprun bless {quoted(called)} --reason "…"'
    name = directory.relative_to(home).as_posix()
    if log is None:
        if blessing is not None and blessing.number is not None:
            raise log_is_gone(directory, blessing.number)
        raise NothingToCompareError(
            f"{name} has no log: {_without_log(blessing)}",
            place=str(directory),
            hint=f"{again}   # begins one with what is there",
        )
    found = errors_of(log)
    if not found and (merged := branches(log)) is not None:
        raise IntegrityError(
            f"{name}: {merged}", place=str(log.path), hint=f"{again}   # joins them"
        )
    # Where the log does not hold, its last line says nothing of the files.
    others = []
    if not found:
        with whole_reference(directory, store, progress) as place:
            others = list(_odd_files(directory, place, log, blessing))
    if found or others:
        said = [*(f"line {fault.line}: {fault.sentence}" for fault in found), *others]
        raise IntegrityError(
            f"{name} is not what its log says: {said[0]}{lines_of(said[1:])}",
            place=f"{log.path}:{found[0].line}" if found else str(directory),
            hint=_next(log, found, directory),
        )
    (last,) = log.last
    return Checked(name, log.entries[last], len(log.entries), len(reference_digests(directory)))


def log_and_notes(directory: Path) -> tuple[Log | None, list[str]]:
    """Return the log of a reference and what is to be said of it; None where there is none.

    Raises IntegrityError for one that was removed.
    """
    log = read_log(directory)
    if log is not None:
        found = [f"line {fault.line}: {fault.sentence}" for fault in errors_of(log)]
        merged = None if found else branches(log)
        return log, [merged] if merged else found
    if not directory.is_dir():
        return None, ["no log yet: there is no reference"]
    blessing = read_blessing(directory)
    if blessing is not None and blessing.number is not None:
        raise log_is_gone(directory, blessing.number)
    return None, [f"no log yet: {_without_log(blessing)}; the next bless begins one"]


def _without_log(blessing: Blessing | None) -> str:
    if blessing is None:
        return "nobody has blessed it"
    return f"it was blessed on {blessing.date} by {blessing.author}, before reprun kept logs"


def _next(log: Log, found: list[Fault], directory: Path) -> str:
    if any(fault.sentence == MERGED_BADLY for fault in found):
        return (
            f"{edit_command(log.path, found[0].line)}   # keep the lines of both sides, and remove "
            "the marks of Git"
        )
    if is_in_git(directory):
        return f"git log -p -- {quoted(directory)}   # what was committed, and by whom"
    return f"ls -l {quoted(directory)}"


def _odd_files(directory: Path, whole: Path, log: Log, blessing: Blessing | None) -> Iterator[str]:
    """Yield what of a reference is not what the last line of its log says.

    All its files are in `whole`.
    """
    (line,) = log.last
    last = log.entries[line]
    path = directory / BLESSED
    if (sha256_file(path) if path.is_file() else None) != last.blessing:
        yield _odd_blessing(path, log, line, blessing)
        return
    if blessing is not None:
        told = blessing.model_dump(include=set(SAID_TWICE))
        if told != last.model_dump(include=set(SAID_TWICE)) or (
            not last.found and blessing.number != last.number
        ):
            yield f"line {line} does not say what {BLESSED} says: it was added or replaced"
            return
    if blessing is not None and read_sums(directory) != (
        blessing.files if blessing.elsewhere else {}
    ):
        yield f"{SUMS} was changed after line {line} was written"
    digests = reference_digests(whole)
    if digest_of_mapping(digests) == last.reference:
        return
    blessed = blessing.files if blessing else {}
    for name in sorted(digests.keys() | blessed.keys()):
        if name not in digests:
            yield f"{name} was removed after line {line} was written"
        elif name not in blessed:
            if blessing is not None:
                yield f"{name} was added after line {line} was written"
        elif digests[name] != blessed[name]:
            yield f"{name} was changed after line {line} was written"
    if blessing is None:
        yield f"the files were changed after line {line} was written"


def _odd_blessing(path: Path, log: Log, line: int, blessing: Blessing | None) -> str:
    """Say why `blessed.json` is not that of the last line."""
    if blessing is None:
        return f"{BLESSED} was removed after line {line} was written"
    number = log.entries[line].number
    if blessing.number is not None and blessing.number > number:
        return (
            f"{BLESSED} has number {blessing.number} in the log, which ends with number {number}: "
            "what follows was removed"
        )
    digest = sha256_file(path)
    for other, entry in log.entries.items():
        if entry.blessing == digest:
            return (
                f"{BLESSED} is that of line {other}, and the log goes on to line {line}: a line "
                "was added, or an older reference put back"
            )
    return f"{BLESSED} was changed after line {line} was written"

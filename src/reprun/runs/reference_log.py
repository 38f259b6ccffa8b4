"""`log.jsonl`: every blessing of a reference, a line each, to which lines are only ever added.

A line is canonical JSON. It has a digest of all else in it, and those of the lines it follows: one,
or after a merge of two branches that both blessed, that of the last line of each. So no line can be
changed, removed, moved or put in between without a digest that does not fit. Whoever rewrites every
line after it, and `blessed.json`, leaves a log that holds: that is seen in Git alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text
from reprun.digests import canonical_json, sha256_bytes, short
from reprun.documents.reading import UPGRADE, WORDS, Document, state_in
from reprun.documents.validation import DIGEST, faults_of
from reprun.errors import IntegrityError, SpecificationError
from reprun.files import restoring
from reprun.runs.blessed import BLESSED, Blessing, Compared
from reprun.wording import listed, quoted

LOG = "log.jsonl"
MOST_NUMBER = 1_000_000
MOST_BRANCHES = 100
MERGE_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
"""What Git begins lines with where it could not merge (git-merge, How conflicts are presented)."""
MERGED_BADLY = "Git could not merge the file here"

Digest = Annotated[str, Field(pattern=DIGEST)]
Number = Annotated[int, Field(ge=1, le=MOST_NUMBER)]


class Entry(Document):
    """One line: who made which numbers the reference, when, why, and from which run."""

    schema_version: Literal[1] = 1
    number: Number
    """One more than that of the line it follows."""
    previous: Annotated[tuple[Digest, ...], Field(max_length=MOST_BRANCHES)] = ()
    """The digests of the lines it follows: none for the first, several after a merge."""
    reference: Digest
    """Over the names and sha256 of the reference files; reports name a reference by it."""
    blessing: Digest | None
    """sha256 of `blessed.json`; null for what was there before and nobody had blessed."""
    author: str | None
    reason: str | None
    date: dt.date | None
    variant: str | None
    dataset: str | None
    only: tuple[str, ...] = ()
    """What was taken of the run, `FAILED` or globs; empty for all of it."""
    compared: Compared | None
    """The change that was accepted; null where there was no reference before."""
    run: Digest | None
    """sha256 of the record of the run; null where that is not known."""
    found: bool = False
    """It was there when the log began: the line was not written when it was blessed."""
    digest: Digest
    """sha256 of the canonical JSON of all else in the line."""

    @property
    def text(self) -> str:
        """The line as it is written."""
        return canonical_json(self.model_dump(mode="json")).decode()


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not fit, and in which line."""

    line: int
    """The line of the file, from 1."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Log:
    """The lines of a log, in their order."""

    path: Path
    entries: Mapping[int, Entry]
    """Those that can be read, by their line."""
    unreadable: tuple[Fault, ...] = ()

    @property
    def last(self) -> tuple[int, ...]:
        """The lines that no other follows: one, or several after a merge of branches."""
        followed = {each for entry in self.entries.values() for each in entry.previous}
        return tuple(n for n, entry in self.entries.items() if entry.digest not in followed)

    @property
    def next_number(self) -> int:
        """The number of the entry that comes next."""
        return 1 + max((self.entries[line].number for line in self.last), default=0)

    def next(
        self,
        reference: str,
        *,
        about: Blessing | None,
        blessing: str | None,
        found: bool = False,
    ) -> Entry:
        """Return the entry that comes next, for reference files of one digest over all."""
        before = [self.entries[line] for line in self.last]
        content: dict[str, Any] = {
            "schema_version": 1,
            "number": self.next_number,
            "previous": [entry.digest for entry in before],
            "reference": reference,
            "blessing": blessing,
            "author": about and about.author,
            "reason": about and about.reason,
            "date": about and about.date.isoformat(),
            "variant": about and about.variant,
            "dataset": about and about.dataset,
            "only": list(about.only) if about else [],
            "compared": about and about.compared and about.compared.model_dump(mode="json"),
            "run": about and about.run,
            "found": found,
        }
        return Entry.model_validate({**content, "digest": sha256_bytes(canonical_json(content))})

    def with_entry(self, entry: Entry) -> Log:
        """Return a log with one more line."""
        return Log(self.path, {**self.entries, len(self.entries) + 1: entry})

    @property
    def text(self) -> str:
        """The whole file."""
        return "".join(f"{entry.text}\n" for entry in self.entries.values())


def read_log(directory: Path, *, hint: str | None = None) -> Log | None:
    """Return the log of a reference, whatever is wrong with its lines; None if there is none.

    Raises SpecificationError for a file that cannot be read, or that a newer reprun has gone on
    with; `hint` is the command that restores it.
    """
    path = directory / LOG
    try:
        text = read_text(path, limits.REFERENCE_LOG_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise SpecificationError(
            f"{LOG} cannot be read: {error}", place=str(path), hint=hint
        ) from error
    entries: dict[int, Entry] = {}
    unreadable = []
    # Not splitlines(): a reason may hold what Unicode calls the end of a line.
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, 1):
        found = _parsed(line)
        if isinstance(found, Entry):
            entries[number] = found
        elif found == WORDS["newer"]:
            raise SpecificationError(
                f"{LOG} cannot be read: line {number}: {found}",
                place=f"{path}:{number}",
                hint=UPGRADE,
            )
        else:
            unreadable.append(Fault(number, found))
    return Log(path, entries, tuple(unreadable))


def _parsed(line: str) -> Entry | str:
    """Return the entry of a line, or what is wrong with it."""
    if line.startswith(MERGE_MARKS):
        return MERGED_BADLY
    try:
        entry = Entry.model_validate(parse_json(line, _no_key_twice))
    except ValidationError as error:
        state = state_in(Entry, line)
        return (
            f"it is not an entry: {faults_of(error, Entry)[0]}"
            if state == "damaged"
            else (WORDS[state])
        )
    except LimitError as error:
        return f"it is not an entry: {error}"
    except ValueError:
        return "it is not an entry: not valid JSON"
    return entry if entry.text == line else "it is not written as reprun writes an entry"


def _no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a name is duplicated")
    return found


def errors_of(log: Log) -> list[Fault]:
    """Return what is wrong with a log, by its lines; nothing for one that holds.

    A merge of two branches is not wrong: see `Log.last`.
    """
    if not log.entries and not log.unreadable:
        return [Fault(1, "the file is empty: every line of it was removed")]
    found = [*log.unreadable, *_changed(log)]
    wrong = {fault.line for fault in found}
    known = _Known.of(log)
    for line, entry in log.entries.items():
        if line not in wrong and (said := known.odd_place(line, entry)) is not None:
            found.append(Fault(line, said))
    return sorted(found, key=lambda fault: fault.line)


def _changed(log: Log) -> Iterator[Fault]:
    for number, entry in log.entries.items():
        content = entry.model_dump(mode="json", exclude={"digest"})
        digest = sha256_bytes(canonical_json(content))
        if digest != entry.digest:
            yield Fault(
                number,
                f"it was changed after it was written: its sha256 is {short(digest)}…, it says "
                f"{short(entry.digest)}…",
            )


@dataclass(frozen=True, slots=True)
class _Known:
    """The lines of a log, looked up once for all: a hostile one has thousands."""

    first: int
    by_digest: Mapping[str, int]
    """The first line of each digest."""
    by_number: Mapping[int, list[int]]
    """The lines of each number."""
    numbers: Mapping[int, int]
    """The number of each line."""

    @classmethod
    def of(cls, log: Log) -> _Known:
        """Look up the lines of a log."""
        by_digest: dict[str, int] = {}
        by_number: dict[int, list[int]] = {}
        for line, entry in log.entries.items():
            by_digest.setdefault(entry.digest, line)
            by_number.setdefault(entry.number, []).append(line)
        numbers = {line: entry.number for line, entry in log.entries.items()}
        return cls(min(numbers, default=1), by_digest, by_number, numbers)

    def odd_place(self, line: int, entry: Entry) -> str | None:
        """Return why a line, which is as it was written, cannot be where it is."""
        if (same := self.by_digest[entry.digest]) != line:
            return f"it repeats line {same}"
        if not entry.previous and line != self.first:
            return f"it follows none, and is not the first: it was added, or line {self.first} was"
        expected = 1
        for digest in entry.previous:
            before = self.by_digest.get(digest)
            if before is None:
                return self._without(entry.number - 1)
            if before > line:
                return f"it follows line {before}, which is below it: the lines were reordered"
            expected = max(expected, 1 + self.numbers[before])
        if entry.number != expected:
            return f"it has number {entry.number}, where {expected} is due"
        return None

    def _without(self, number: int) -> str:
        """Say what became of a line of that number, which another one follows."""
        same = self.by_number.get(number)
        if same is None:
            return f"it follows a line that is not here: number {number} was removed"
        has = "have" if len(same) > 1 else "has"
        return (
            f"it does not follow {_lines(same)}, which {has} the number before: that line was "
            "replaced, or this one was added"
        )


def log_is_gone(directory: Path, number: int) -> IntegrityError:
    """Return the error for a reference that was blessed with a log, and has none."""
    path = directory / LOG
    return IntegrityError(
        f"the log of the reference was removed: {BLESSED} has number {number} in it",
        place=str(path),
        hint=restoring(path, otherwise=f"ls -l {quoted(directory)}   # put {LOG} back"),
    )


def branches(log: Log) -> str | None:
    """Return what is said where branches that both blessed were merged, and none has blessed since.

    None for a log with one end.
    """
    if len(log.last) < 2:
        return None
    ends = [log.entries[line] for line in log.last]
    common = set(ends[0].previous).intersection(*(set(entry.previous) for entry in ends[1:]))
    if common:
        where = next(n for n, entry in log.entries.items() if entry.digest in common)
        said = (
            f"{_lines(log.last)} all follow line {where}"
            if len(ends) > 2
            else (f"{_lines(log.last)} both follow line {where}")
        )
    else:
        said = f"{_lines(log.last)} are each the last of a branch"
    return f"{said}: branches that each blessed the reference were merged"


def _lines(numbers: Sequence[int]) -> str:
    many = "lines" if len(numbers) > 1 else "line"
    return f"{many} {listed(map(str, numbers), last=' and ')}"

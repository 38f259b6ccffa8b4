"""A question about files of others, put to a program in a sandbox, and its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.documents.reading import Document
from reprun.engines.base import MIB, Ending, Limits, Mount
from reprun.engines.box import HOME, Box
from reprun.engines.confinement import Confinement
from reprun.engines.trusted import Trusted
from reprun.errors import NoSandboxError, OutputMissingError, ReprunError
from reprun.files import scratch
from reprun.runs.question import ANSWER, QUESTION, Answer
from reprun.store.store import Store
from reprun.wording import count_of, size_of
from reprun.workflow.beneath import Beneath

LIMITS = Limits(
    cpus=2.0, memory_bytes=4096 * MIB, processes=64, tmp_bytes=256 * MIB, seconds=3600.0
)
LONGEST_LINE = 1000
"""Bytes kept of the end of what the program printed."""

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Asked(Generic[A]):
    """An answer without a problem, and what was not as it should be."""

    answer: A
    control: Path
    """The directory that the program wrote in: to be read like anything of a stranger."""
    notes: tuple[str, ...] = ()


@contextmanager
def asked(
    program: str | tuple[str, ...],
    question: Document,
    answer: type[A],
    given: Mapping[str, Path],
    store: Store,
    *,
    beside: Mapping[str, Path] | None = None,
    subject: str = "the outputs",
    bounds: Limits | None = None,
) -> Iterator[Asked[A]]:
    """Give what a program answers that reads files of others in a sandbox.

    `program` is a module, with its first arguments. The others are where it finds the question
    and, in their order, the files or directories of `given`, by the names they have in the
    sandbox; those of `beside` are there as well. Where no
    sandbox can be made an ordinary process does it, and a note says so of the `subject`. Raises
    the problem that it answers, and OutputMissingError where it answers nothing or needs more
    than the sandbox has.
    """
    started = (program,) if isinstance(program, str) else program
    there = _Given(given, beside or {}, subject, bounds or LIMITS)
    with ExitStack() as held:
        control = held.enter_context(scratch())
        notes: tuple[str, ...] = ()
        try:
            found = _answered(Box(store), started, question, answer, control, there)
        except NoSandboxError as error:
            notes = (f"{subject} were read outside of a sandbox: {error.message}",)
            control = held.enter_context(scratch())
            found = _answered(Trusted(), started, question, answer, control, there)
        yield Asked(found, control, notes)


@dataclass(frozen=True, slots=True)
class _Given:
    """What a program finds, by name, as the user calls it; and how much it may take."""

    arguments: Mapping[str, Path]
    beside: Mapping[str, Path]
    subject: str
    bounds: Limits

    @property
    def place(self) -> str:
        """What to name where nothing more is known."""
        return str(next(iter(self.arguments.values())))


def _answered(
    confined: Confinement,
    program: tuple[str, ...],
    question: Document,
    answer: type[A],
    control: Path,
    given: _Given,
) -> A:
    # As it was given: a rule refuses options of another kind, their defaults too.
    text = question.model_dump_json(exclude_unset=True)
    (control / QUESTION).write_text(text, encoding="utf-8")
    # What lies in another one comes after it.
    named = {**given.beside, **given.arguments}
    mounts = [
        Mount(control, f"{HOME}/control", read_only=False),
        *(Mount(path.absolute(), f"{HOME}/{name}") for name, path in named.items()),
    ]
    seen = {name: confined.seen(mount) for name, mount in zip(["", *named], mounts, strict=True)}
    said = _End()
    ended = confined.run(
        (*program, seen[""], *(seen[name] for name in given.arguments)),
        mounts=mounts,
        working_directory=mounts[0].target,
        output=said,
        cancel=threading.Event(),
        limits=given.bounds,
    )
    needed = {
        Ending.OUT_OF_MEMORY: size_of(given.bounds.memory_bytes),
        Ending.TIMED_OUT: count_of(int(given.bounds.seconds or 0), "second"),
    }.get(ended.ending)
    if needed:
        raise OutputMissingError(
            f"reading {given.subject} takes more than {needed}, the limit of the sandbox it is "
            "done in",
            place=given.place,
        )
    found = _read(control, answer)
    if found is None:
        raise OutputMissingError(
            f"{given.subject} cannot be read: the program that reads them {said.last()}",
            place=given.place,
        )
    if found.problem is not None:
        shown = {"": control, **named}
        # The longest first: a file, and then the directory around it.
        inside = sorted(((seen[name], str(path)) for name, path in shown.items()), reverse=True)
        raise _outside(found.problem.error(), inside)
    return found


def _read(control: Path, answer: type[A]) -> A | None:
    """Read the answer, no further than an answer may be; None for whatever else is there."""
    try:
        with Beneath(control) as directory, directory.open(ANSWER) as stream:
            return answer.model_validate_json(stream.read(limits.WRITTEN_BYTES.value))
    except (OutputMissingError, ValidationError):
        return None


def _outside(error: ReprunError, names: Iterable[tuple[str, str]]) -> ReprunError:
    """Return an error that names files as the user calls them."""
    for inside, outside in names:
        error.message = error.message.replace(inside, outside)
        error.place = error.place and error.place.replace(inside, outside)
        error.hint = error.hint and error.hint.replace(inside, outside)
    return error


class _End:
    """Keeps the end of what a program prints."""

    def __init__(self) -> None:
        self._kept = b""

    def __call__(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-LONGEST_LINE:]

    def last(self) -> str:
        """Say how the program ended."""
        lines = self._kept.decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"ended with: {said}" if said else "was killed"

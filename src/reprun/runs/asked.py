"""A question about the outputs of a run, put to a program in a sandbox, and its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.engines.base import MIB, Ending, Limits, Mount
from reprun.engines.box import HOME, Box
from reprun.engines.confinement import Confinement
from reprun.engines.trusted import Trusted
from reprun.errors import NoSandboxError, OutputMissingError, ReprunError
from reprun.files import scratch
from reprun.runs.question import ANSWER, QUESTION, Answer, Declared
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
    program: str,
    question: Declared,
    answer: type[A],
    outputs: Path,
    store: Store,
    *,
    beside: Mapping[str, Path] | None = None,
) -> Iterator[Asked[A]]:
    """Give what a program answers that reads the outputs of a run in a sandbox.

    Its arguments are where it finds the question, the outputs and, in their order, the
    directories of `beside`, by the names they have in the sandbox. Where no sandbox can be made
    an ordinary process does it, and a note says so. Raises the problem that it answers, and
    OutputMissingError where it answers nothing or needs more than the sandbox has.
    """
    given = {"outputs": outputs, **(beside or {})}
    with ExitStack() as held:
        control = held.enter_context(scratch())
        notes: tuple[str, ...] = ()
        try:
            found = _answered(Box(store), program, question, answer, control, given)
        except NoSandboxError as error:
            notes = (f"the outputs were read outside of a sandbox: {error.message}",)
            control = held.enter_context(scratch())
            found = _answered(Trusted(), program, question, answer, control, given)
        yield Asked(found, control, notes)


def _answered(
    confined: Confinement,
    program: str,
    question: Declared,
    answer: type[A],
    control: Path,
    given: Mapping[str, Path],
) -> A:
    # As it was given: a rule refuses options of another kind, their defaults too.
    text = question.model_dump_json(exclude_unset=True)
    (control / QUESTION).write_text(text, encoding="utf-8")
    mounts = [
        Mount(control, f"{HOME}/control", read_only=False),
        *(Mount(path.resolve(), f"{HOME}/{name}") for name, path in given.items()),
    ]
    seen = [confined.seen(mount) for mount in mounts]
    said = _End()
    ended = confined.run(
        (program, *seen),
        mounts=mounts,
        working_directory=mounts[0].target,
        output=said,
        cancel=threading.Event(),
        limits=LIMITS,
    )
    needed = {
        Ending.OUT_OF_MEMORY: size_of(LIMITS.memory_bytes),
        Ending.TIMED_OUT: count_of(int(LIMITS.seconds or 0), "second"),
    }.get(ended.ending)
    if needed:
        raise OutputMissingError(
            f"reading the outputs takes more than {needed}, the limit of the sandbox it is done in",
            place=str(given["outputs"]),
        )
    found = _read(control, answer)
    if found is None:
        raise OutputMissingError(
            f"the outputs cannot be read: the program that reads them {said.last()}",
            place=str(given["outputs"]),
        )
    if found.problem is not None:
        raise _outside(found.problem.error(), seen, mounts)
    return found


def _read(control: Path, answer: type[A]) -> A | None:
    """Read the answer, no further than an answer may be; None for whatever else is there."""
    try:
        with Beneath(control) as directory, directory.open(ANSWER) as stream:
            return answer.model_validate_json(stream.read(limits.WRITTEN_BYTES.value))
    except (OutputMissingError, ValidationError):
        return None


def _outside(error: ReprunError, seen: list[str], mounts: list[Mount]) -> ReprunError:
    """Return an error that names files as they are called outside of the sandbox."""
    for inside, mount in zip(seen, mounts, strict=True):
        error.message = error.message.replace(inside, str(mount.source))
        error.place = error.place and error.place.replace(inside, str(mount.source))
        error.hint = error.hint and error.hint.replace(inside, str(mount.source))
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

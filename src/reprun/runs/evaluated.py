"""What a sandbox answers of the outputs of a run, asked and read from outside."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.engines.base import MIB, Ending, Limits, Mount
from reprun.engines.box import HOME, Box
from reprun.engines.confinement import Confinement
from reprun.engines.trusted import Trusted
from reprun.errors import NoSandboxError, OutputMissingError, ReprunError
from reprun.files import scratch
from reprun.report.model import Report
from reprun.runs.question import ANSWER, QUESTION, Evaluation, Question
from reprun.store.store import Store
from reprun.wording import count_of, size_of
from reprun.workflow.beneath import Beneath

PROGRAM = "reprun.runs.evaluation"
LIMITS = Limits(
    cpus=2.0, memory_bytes=4096 * MIB, processes=64, tmp_bytes=256 * MIB, seconds=3600.0
)
LONGEST_LINE = 1000
"""Bytes kept of the end of what the program printed."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A report on what was compared, and what was not as it should be."""

    report: Report
    notes: tuple[str, ...] = ()


def evaluated(question: Question, outputs: Path, reference: Path, store: Store) -> Evaluated:
    """Have the outputs of a run compared with a reference in a sandbox.

    Where none can be made an ordinary process does it, and a note says so. Raises what
    `evaluation.evaluate` does, and OutputMissingError where it needs more than the sandbox has.
    """
    try:
        return Evaluated(_asked(Box(store), question, outputs, reference))
    except NoSandboxError as error:
        note = f"the outputs were read outside of a sandbox: {error.message}"
        return Evaluated(_asked(Trusted(), question, outputs, reference), (note,))


def _asked(confined: Confinement, question: Question, outputs: Path, reference: Path) -> Report:
    with scratch() as control:
        # As it was given: a rule refuses options of another kind, their defaults too.
        asked = question.model_dump_json(exclude_unset=True)
        (control / QUESTION).write_text(asked, encoding="utf-8")
        mounts = [
            Mount(control, f"{HOME}/control", read_only=False),
            Mount(outputs.resolve(), f"{HOME}/outputs"),
            Mount(reference.resolve(), f"{HOME}/reference"),
        ]
        seen = [confined.seen(mount) for mount in mounts]
        said = _End()
        ended = confined.run(
            (PROGRAM, *seen),
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
                f"reading and comparing the outputs takes more than {needed}, the limit of the "
                "sandbox it is done in",
                place=str(outputs),
            )
        found = _answer(control, said, outputs)
    if found.problem is not None:
        raise _outside(found.problem.error(), seen, mounts)
    assert found.report is not None
    return found.report


def _answer(control: Path, said: _End, outputs: Path) -> Evaluation:
    """Read the answer: no further than an answer may be, and whatever lies in its place."""
    try:
        with Beneath(control) as directory, directory.open(ANSWER) as stream:
            found = Evaluation.model_validate_json(stream.read(limits.WRITTEN_BYTES.value))
        if (found.report is None) != (found.problem is None):
            return found
    except (OutputMissingError, ValidationError):
        pass
    raise OutputMissingError(
        f"the outputs cannot be compared: the program that reads them {said.last()}",
        place=str(outputs),
    )


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

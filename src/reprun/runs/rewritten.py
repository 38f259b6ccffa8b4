"""What a sandbox makes of the outputs of a run: files of a reference, taken from it one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reprun.errors import OutputMissingError
from reprun.runs.asked import asked
from reprun.runs.question import FILES, Declared, Made, Rewritten
from reprun.runs.reference import Write, is_name_of_file
from reprun.store.store import Store
from reprun.workflow.beneath import Beneath

PROGRAM = "reprun.runs.rewriting"


@dataclass(frozen=True, slots=True)
class Written:
    """What writes the files of a reference, and what was not as it should be."""

    write: Write
    made: Made
    """What is in them."""
    notes: tuple[str, ...] = ()


@contextmanager
def rewritten(declared: Declared, outputs: Path, store: Store) -> Iterator[Written]:
    """Have the outputs of a run written as files of a reference, in a sandbox.

    Raises what `rewriting.rewrite` and `asked.asked` do.
    """
    with asked(PROGRAM, declared, Rewritten, {"outputs": outputs}, store) as found:
        made = found.answer.made
        assert made is not None
        for name in made.files:
            if not is_name_of_file(name, declared.outputs):
                raise OutputMissingError(
                    f"the outputs cannot be blessed: {name!r} is not the name of a reference file",
                    place=str(outputs),
                )
        yield Written(partial(_take, found.control, made.files), made, found.notes)


def _take(control: Path, names: tuple[str, ...], target: Path) -> list[str]:
    """Copy regular files, whatever else the program has put in their place."""
    with Beneath(control) as directory:
        for name in names:
            directory.copy(f"{FILES}/{name}", target / name)
    return list(names)

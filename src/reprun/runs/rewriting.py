"""The part of `bless` that reads files of others: a program, for a sandbox.

It is given the outputs of a run, and leaves their objects as the files of a reference. What a
reference says besides, and where it lies, is decided outside, by `blessing`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from reprun.compare.numeric import integral_of
from reprun.errors import SpecificationError
from reprun.runs.candidate import hashes_of
from reprun.runs.outputs import read_outputs
from reprun.runs.question import FILES, Declared, Made, Rewritten, respond
from reprun.runs.reference import write_objects


def rewrite(declared: Declared, outputs: Path, target: Path) -> Made:
    """Write the outputs of a run as files of a reference into a directory; return what they hold.

    Raises OutputMissingError for a file that is missing or unreadable, and SpecificationError for
    numbers that no reference may hold.
    """
    objects = read_outputs(outputs, declared.outputs, declared.trees, declared.documents)
    for name, found in objects.items():
        if not np.isfinite(found.values).all():
            raise SpecificationError(f"{name} contains NaN or infinity and cannot be a reference")
    return Made(
        files=tuple(write_objects(objects, target)),
        objects=len(objects.names),
        integrals={
            **{name: integral_of(found) for name, found in objects.items()},
            **dict.fromkeys(objects.unread),
        },
        empty=tuple(name for name, found in objects.items() if found.is_empty),
        hashes=hashes_of(objects),
    )


def main(control: Path, outputs: Path) -> None:
    """Answer the question in a directory."""

    def find(declared: Declared) -> Rewritten:
        target = control / FILES
        target.mkdir()
        return Rewritten(made=rewrite(declared, outputs, target))

    respond(control, Declared, Rewritten, find)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

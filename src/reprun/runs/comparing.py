"""The part of `compare` that reads files of others: a program, for a sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from reprun.runs.compared import Calibrated, answered
from reprun.runs.question import Answer, Compared, FilesQuestion, respond

KINDS: dict[str, type[Answer]] = {kind.__name__: kind for kind in (Compared, Calibrated)}


def main(name: str, control: Path, monitored: Path, reference: Path) -> None:
    """Answer the question in a directory, by an answer of the kind of that name."""
    kind = KINDS[name]

    def find(question: FilesQuestion) -> Answer:
        return answered(question, kind, monitored, reference)

    respond(control, FilesQuestion, kind, find)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))

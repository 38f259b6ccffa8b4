"""The part of `conditions` that reads files of others: a program, for a sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from reprun.runs.looked_up import LookedUp, LookUp, Opened, found_in
from reprun.runs.question import respond


def main(control: Path, *indexes: Path) -> None:
    """Answer the question in a directory."""

    def find(question: LookUp) -> LookedUp:
        opened = [
            Opened(snapshot, {snapshot.files[0].path: index})
            for snapshot, index in zip(question.snapshots, indexes, strict=True)
        ]
        return found_in(question, opened)

    respond(control, LookUp, LookedUp, find)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

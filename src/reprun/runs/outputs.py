"""The outputs of a run as objects, each of the kind that analysis.yaml says it is."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from reprun.errors import OutputMissingError
from reprun.histograms import Objects, read_all
from reprun.histograms.files import file_of


def read_outputs(
    directory: Path,
    compared: Collection[str],
    trees: Collection[str],
    documents: Collection[str] = (),
) -> Objects:
    """Read the outputs that are compared; those among them that are `trees` must have one.

    Raises OutputMissingError for a file that is missing or unreadable or has no tree, and
    NothingToCompareError if there is nothing in all of them.
    """
    files = [directory / path for path in compared]
    objects = read_all(files, directory, documents=[directory / path for path in documents])
    having = {
        file_of(name, files, directory) for name, thing in objects.unread.items() if thing.is_tree
    }
    for path in trees:
        if directory / path not in having:
            raise OutputMissingError(
                f"the output {path} has no tree or table of events that can be compared",
                place=str(directory / path),
                hint="declare it under 'histograms' in analysis.yaml if it should have none",
            )
    return objects

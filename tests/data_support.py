"""Data files and datasets of the bytes that the server of `tests/http_server.py` sends."""

from __future__ import annotations

from typing import Any

from reprun.documents.manifest import DataFile, Dataset
from tests.http_server import DATA, DIGEST


def file(*uris: str, **changes: Any) -> DataFile:
    """Return a file that can come from these addresses."""
    document = {"path": "a", "size": len(DATA), "sha256": DIGEST, "uris": uris}
    return DataFile.model_validate(document | changes)


def dataset(*uris: str, **changes: Any) -> Dataset:
    """Return a dataset of one such file, `data/a.csv`."""
    return Dataset(title="A dataset", files=(file(*uris, path="data/a.csv", **changes),))

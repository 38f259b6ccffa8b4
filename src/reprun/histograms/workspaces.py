"""Workspaces of fits in JSON: which of their lists go by the names of their items, and digests.

pyhf: https://pyhf.readthedocs.io/en/stable/likelihood.html, its schema `workspace.json`. HS3, the
HEP Statistics Serialization Standard: https://github.com/hep-statistics-serialization-standard.
In both the order of channels, samples, modifiers and parameters says nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PYHF = frozenset({"channels", "observations", "measurements", "version"})
HS3 = "hs3_version"


@dataclass(frozen=True, slots=True)
class Naming:
    """Which lists of a format hold items with names."""

    format: str
    lists: Mapping[str, tuple[str, ...]]
    """By the key of the list: the fields that name an item together, in the order of the path."""
    everywhere: bool
    """Whether lists at the top go by the field `name` whatever their key is."""

    def fields_at(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return what names the items of the list at a path; None where nothing does."""
        if self.everywhere and len(path) == 1:
            return ("name",)
        return self.lists.get(path[-1]) if path else None

    def named(
        self, path: tuple[str, ...], items: list[Any]
    ) -> list[tuple[tuple[str, ...], Any]] | None:
        """Return names and the rest of each item of a list; None where they have none.

        Names that are there twice name nothing: such a list goes by the order of its items.
        """
        fields = self.fields_at(path)
        if fields is None:
            return None
        found: dict[tuple[str, ...], Any] = {}
        for item in items:
            if not isinstance(item, dict) or not all(isinstance(item.get(f), str) for f in fields):
                return None
            found[tuple(item[field] for field in fields)] = {
                key: value for key, value in item.items() if key not in fields
            }
        return list(found.items()) if len(found) == len(items) else None


_PYHF = Naming(
    "pyhf",
    {
        "channels": ("name",),
        "samples": ("name",),
        "modifiers": ("type", "name"),
        "observations": ("name",),
        "measurements": ("name",),
        "parameters": ("name",),
    },
    everywhere=False,
)
_HS3 = Naming(
    "HS3",
    {"samples": ("name",), "modifiers": ("type", "name"), "parameters": ("name",)},
    everywhere=True,
)


def naming_of(document: Any) -> Naming | None:
    """Return how the items of lists are named in a document; None for a plain one."""
    if not isinstance(document, dict):
        return None
    if document.keys() >= PYHF:
        return _PYHF
    about = document.get("metadata")
    return _HS3 if isinstance(about, dict) and HS3 in about else None


def pyhf_digest(document: Any) -> str | None:
    """Return the digest that `pyhf digest` prints of a workspace; None for what is not one.

    It depends on the order of lists and on how numbers are written, which a verdict does not:
    https://github.com/scikit-hep/pyhf/blob/main/src/pyhf/utils.py, `digest`.
    """
    if naming_of(document) is not _PYHF:
        return None
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()}"

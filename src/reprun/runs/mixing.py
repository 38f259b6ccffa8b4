"""References of which some objects are changed, and every other stays byte by byte as it was.

What is in the files is known by names alone here: the text of each object is carried over as it
is, and nothing of it is decoded. So the new files, which a sandbox wrote from those of strangers,
are read as JSON and no further.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text
from reprun.errors import OutputMissingError, SpecificationError
from reprun.files import write_atomically
from reprun.histograms import table_name
from reprun.runs.reference import DOCUMENTS, HISTOGRAMS, UNDECODED, Write, reference_files

FORMS: Mapping[str, tuple[str, str, str, str]] = {
    # file: the key that its objects are below, what it begins with, what each begins with, its end
    HISTOGRAMS: ("", "{\n", "", "\n}\n"),
    DOCUMENTS: ("values", '{\n "schema_version": 1,\n "values": {\n', "  ", "\n }\n}\n"),
    UNDECODED: ("objects", '{\n "schema_version": 1,\n "objects": {\n', "  ", "\n }\n}\n"),
}
"""The JSON files of a reference, as `reference.write_objects` writes them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The objects of a reference by name, as text."""

    directory: Path
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each JSON file: the text of each object."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """The name of the file of each table that has one of its own."""

    @property
    def names(self) -> list[str]:
        """The names of all objects."""
        return sorted([name for texts in self.texts.values() for name in texts] + [*self.tables])


def read_contents(directory: Path) -> Contents:
    """Read which objects the files of a reference hold.

    Raises OutputMissingError for a file that is not as `reference.write_objects` writes it.
    """
    texts: dict[str, Mapping[str, str]] = {}
    tables: dict[str, str] = {}
    for path in reference_files(directory):
        try:
            text = read_text(path, limits.TEXT_BYTES)
            if path.name in FORMS:
                texts[path.name] = _objects(text, FORMS[path.name][0])
            elif path.suffix == ".csv":
                tables[table_name(path, text)] = path.name
            else:
                raise OutputMissingError(
                    f"{path.name} is not a file that bless writes", place=str(path)
                )
        except (OSError, ValueError) as error:  # LimitError and JSONDecodeError among them
            raise OutputMissingError(
                f"cannot read {path.name}: {error}", place=str(path)
            ) from error
    return Contents(directory, texts, tables)


def _objects(text: str, key: str) -> dict[str, str]:
    """Return the text of each member of a JSON object, or of the one that it has below a key."""
    parse_json(text, _no_key_twice)
    members = dict(_members(text))
    return dict(_members(members[key])) if key in members else members


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise LimitError("a name is duplicated")


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each member of a JSON object."""
    decoder = json.JSONDecoder()
    at = _expected(text, 0, "{")
    if text[at : at + 1] == "}":
        return
    while True:
        name, end = decoder.raw_decode(text, at)
        start = _expected(text, _blank(text, end), ":")
        _, end = decoder.raw_decode(text, start)
        yield name, text[start:end]
        end = _blank(text, end)
        if text[end : end + 1] == "}":
            return
        at = _expected(text, end, ",")


def _expected(text: str, at: int, character: str) -> int:
    """Return where the next value is, behind a character that has to be there."""
    at = _blank(text, at)
    if text[at : at + 1] != character:
        raise LimitError(f"it has no {character!r} where one is due")
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\n", "\t", "\r"):
        at += 1
    return at


@dataclass(frozen=True, slots=True)
class Mix:
    """Writes a reference: what stays of the old one, and what comes from a run."""

    old: Contents
    write: Write
    """Writes all files of the run as those of a reference."""
    taken: Collection[str]
    """The objects that come from the run."""
    dropped: Collection[str]
    """Those of the old reference that go: the same objects, by the names they had."""

    @property
    def kept(self) -> list[str]:
        """The names of what stays."""
        gone = {*self.taken, *self.dropped}
        return [name for name in self.old.names if name not in gone]

    def into(self, target: Path, scratch: Path) -> list[str]:
        """Write the files into an empty directory; return their names.

        Raises SpecificationError where a table of the run would have the file name of one that
        stays.
        """
        self.write(scratch)
        new = read_contents(scratch)
        kept = set(self.kept)
        files = {}
        for name in FORMS:
            old = {n: t for n, t in self.old.texts.get(name, {}).items() if n in kept}
            fresh = {n: t for n, t in new.texts.get(name, {}).items() if n in self.taken}
            if fresh or old:
                same = not fresh and len(old) == len(self.old.texts[name])
                files[name] = (
                    (self.old.directory / name).read_bytes()
                    if same
                    else objects_text(name, {**old, **fresh}).encode()
                )
        whose: dict[str, str] = {}
        for contents, names in ((self.old, kept), (new, set(self.taken))):
            for table in sorted(contents.tables.keys() & names):
                file = contents.tables[table]
                if contents is new and table in self.old.tables:
                    file = self.old.tables[table]
                if file in files:
                    raise SpecificationError(
                        f"{file} of the reference holds '{whose[file]}', which would stay, and "
                        f"'{table}' of the run needs that name"
                    )
                whose[file] = table
                files[file] = (contents.directory / contents.tables[table]).read_bytes()
        for name, data in files.items():
            write_atomically(target / name, data)
        return list(files)


def objects_text(file: str, objects: Mapping[str, str]) -> str:
    """Return the text of a JSON file of a reference, given that of each of its objects."""
    _, head, margin, tail = FORMS[file]
    lines = [
        f"{margin}{json.dumps(name, ensure_ascii=False)}: {objects[name]}"
        for name in sorted(objects)
    ]
    return head + ",\n".join(lines) + tail

"""A project with an analysis that has one of each: code, data, conditions, image, reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reprun.digests import PREFIX, sha256_bytes
from reprun.documents.project import read_project
from reprun.documents.selection import Selection, select
from tests.images_support import Kitchen, tiny
from tests.projects import mark_project
from tests.unit import builders

MORE = """\
code: [code, lib/more.py]
conditions: [rows]
datasets:
  small:
    title: Small
    files: [{{path: data/a.csv, size: {size}, sha256: {digest}}}]
"""
SNAPSHOT = """\
schema_version = 1
name = "rows"
kind = "table"
title = "Rows"
key = "dsid"
mount = "/conditions/rows"
[[files]]
path = "rows.csv"
size = {size}
sha256 = "{digest}"
"""


@dataclass(frozen=True)
class Whole:
    """The project, and what changes it."""

    directory: Path
    kitchen: Kitchen

    @classmethod
    def made(cls, directory: Path) -> Whole:
        """Write it."""
        root = mark_project(directory / "project")
        found = cls(directory, tiny(directory))
        found.kitchen.locked()
        (root / "images").symlink_to(found.kitchen.directory)
        found.write("Snakefile", "rule all:\n")
        found.write("code/fill.py", "fill()\n")
        found.write("lib/more.py", "more()\n")
        found.write("reference/a.csv", "cut,events\nall,1\n")
        found.write("notes/large.txt", "no part of it\n")
        found.data_is("all,102\n", bins=10)
        found.rows_are("dsid,events\n1,5\n")
        return found

    @property
    def root(self) -> Path:
        return self.directory / "project"

    @property
    def home(self) -> Path:
        return self.root / "examples/demo"

    @property
    def selection(self) -> Selection:
        """The analysis as it is now."""
        return select(read_project(self.root), "demo")

    def write(self, name: str, text: str) -> bytes:
        """Write a file of the analysis; return its bytes."""
        (self.home / name).parent.mkdir(parents=True, exist_ok=True)
        (self.home / name).write_text(text)
        return text.encode()

    def data_is(self, text: str, *, bins: int) -> bytes:
        """Let the data be a committed table, and the parameter a number; return the table."""
        document = builders.ANALYSIS.replace("image: columnar", "image: tiny")
        more = MORE.format(size=len(text), digest=_hexadecimal(text))
        self.write("analysis.yaml", document.replace("bins: 10", f"bins: {bins}") + more)
        return self.write("data/a.csv", text)

    def rows_are(self, text: str) -> bytes:
        """Let the table of the conditions be another; return it."""
        snapshot = SNAPSHOT.format(size=len(text), digest=_hexadecimal(text))
        self.write("conditions/rows/snapshot.toml", snapshot)
        return self.write("conditions/rows/rows.csv", text)


def _hexadecimal(text: str) -> str:
    return sha256_bytes(text.encode()).removeprefix(PREFIX)

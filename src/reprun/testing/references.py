"""Results of tests and their references: written by `--bless`, compared otherwise."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from reprun.compare.rules import checked_rules, one_rule
from reprun.errors import ReprunError, SpecificationError
from reprun.files import make_directory, scratch, write_atomically
from reprun.histograms import Histogram, Table, open_objects, write_histograms, write_table
from reprun.histograms.files import stem_of
from reprun.report.model import Report
from reprun.report.text import renderable
from reprun.runs.compare_files import Files, compare_files
from reprun.runs.compared import answered
from reprun.wording import quoted, visible

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
WIDTH = 100


@dataclass(frozen=True, slots=True)
class References:
    """The references of one test module."""

    directory: Path
    test: str
    """What pytest calls the test, for the command that blesses it."""
    written: dict[Path, bytes]
    """What this session has written: of two tests that use one name the second is noticed."""
    bless: bool

    def check(
        self,
        result: Any,
        name: str,
        *,
        relative: float | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """Compare a result with its reference, or write it; return what is wrong, if anything."""
        try:
            if not NAME.fullmatch(name):
                raise SpecificationError(
                    f"the name of a reference is made of letters, digits and '._+-': {name[:100]!r}"
                )
            with scratch() as home:
                (home / "result").mkdir()
                return self._checked(_stored(result, home / "result", name), name, relative, rules)
        except ReprunError as error:
            return _said(error)

    def _checked(
        self, path: Path, name: str, relative: float | None, rules: Sequence[Mapping[str, Any]]
    ) -> str:
        open_objects(path)  # what cannot be read, or holds nothing, is no result
        reference = self.directory / f"{name}{path.name.removeprefix(stem_of(path))}"
        if self.bless:
            return self._write(path, reference)
        if not reference.is_file():
            raise SpecificationError(
                f"there is no reference yet for '{name}'", place=str(reference), hint=self._command
            )
        found = checked_rules(rules, "reprun_compare") + one_rule(None, relative=relative)
        report = compare_files(Files(path, reference, found), answered)
        if report.reproduced:
            return ""
        return f"{_text(report)}\nto accept the change: {self._command}"

    def _write(self, path: Path, reference: Path) -> str:
        data = path.read_bytes()
        if self.written.get(reference, data) != data:
            return f"two results have the reference {reference}: give one another name"
        if not reference.is_file() or reference.read_bytes() != data:
            make_directory(reference.parent)
            write_atomically(reference, data)
            self.written[reference] = data
        return ""

    @property
    def _command(self) -> str:
        return f"pytest --bless {quoted(self.test)}"


def _stored(result: Any, home: Path, name: str) -> Path:
    """Return the file of a result, written where it is none yet."""
    if isinstance(result, (str, Path)):
        return Path(result)
    if isinstance(result, Table):
        write_table(home / f"{name}.csv", result)
        return home / f"{name}.csv"
    path = home / f"{name}.json"
    if isinstance(result, Histogram):
        write_histograms(path, [result])
    elif hasattr(result, "_to_uhi_"):
        path.write_text(_json({name: result._to_uhi_()}), encoding="utf-8")
    elif result is None or isinstance(result, (dict, list, tuple, int, float)):
        path.write_text(_json(result), encoding="utf-8")
    else:
        raise SpecificationError(
            f"reprun_compare has no form for a {type(result).__name__}",
            hint="give it a histogram, the path of a file, or a dict, list or number",
        )
    return path


def _json(document: Any) -> str:
    try:
        return json.dumps(document, indent=1, sort_keys=True, default=_of_numpy) + "\n"
    except (TypeError, ValueError) as error:
        raise SpecificationError(f"the result cannot be written as JSON: {error}") from error


def _of_numpy(value: Any) -> Any:
    """Return arrays and scalars of numpy, and what else has `tolist`, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _text(report: Report) -> str:
    """Return what `reprun compare` prints of a report."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, color_system=None, highlight=False).print(renderable(report))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _said(error: ReprunError) -> str:
    lines = [error.message]
    lines += [f"  at:  {error.place}"] if error.place else []
    lines += [f"  try: {error.hint}"] if error.hint else []
    return visible("\n".join(lines))

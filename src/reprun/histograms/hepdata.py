"""HEPData: submissions and single tables read, submissions written.

The format: hepdata-submission.readthedocs.io; the official hepdata-validator accepts what is
written here, which a test holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from reprun.bounded import limits
from reprun.bounded.parsing import BROKEN_VALUES, compose_yaml, construct_yaml
from reprun.errors import OutputMissingError, StorageError
from reprun.histograms.model import Floats, Histogram, Objects, Table, number, printable
from reprun.wording import shortened

NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


MISSING = float("nan"), float("nan")


def read_hepdata(path: Path, text_of: Callable[[Path], str]) -> Objects:
    """Read a submission.yaml with its tables, or one table, called by its file's stem.

    A table whose file is missing is named among the unsupported, so that it is never passed
    over. Raises OutputMissingError that names the file and the fault.
    """
    text = text_of(path)
    documents = [one for one in _documents(path, text) if one]
    if any("dependent_variables" in one for one in documents):
        return Objects({path.stem: _table(path, path.stem, documents[0], _most(text))})
    found: dict[str, Table] = {}
    unsupported: dict[str, str] = {}
    listed = [one for one in documents if "data_file" in one]
    if not listed:
        raise _fault(path, "neither a table nor a submission")
    for one in listed:
        name = printable(str(one.get("name", one["data_file"])))
        file = path.parent / str(one["data_file"])
        if PurePosixPath(str(one["data_file"])).is_absolute() or ".." in file.parts:
            raise _fault(path, f"the table '{name}' is in a file outside of the submission")
        if name in found or name in unsupported:
            raise _fault(path, f"the table '{name}' is duplicated")
        if not _is_file(file):
            unsupported[name] = f"HEPData table whose file {shortened(file.name)} is missing"
            continue
        content = text_of(file)
        found[name] = _table(file, name, _documents(file, content)[0], _most(content))
    return Objects(found, unsupported)


def write_hepdata(
    directory: Path, histograms: Iterable[Histogram], *, comment: str, keywords: dict[str, str]
) -> list[Path]:
    """Write a submission: `submission.yaml` and a table for each histogram of one or two axes.

    HEPData has no flow bins: the description of a table says what they hold. Raises
    StorageError for three axes, or for two names that give one file name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents: list[dict[str, Any]] = [{"comment": comment}]
    written: dict[Path, str] = {}
    for one in sorted(histograms, key=lambda one: one.name):
        file = directory / f"{NOT_IN_FILE_NAMES.sub('_', one.name)}.yaml"
        if len(one.axes) > 2 or file in written:
            reason = "it has three axes" if len(one.axes) > 2 else f"as '{written[file]}' has"
            raise StorageError(f"'{one.name}' cannot be written to HEPData: {reason}")
        file.write_text(_dumped(_document(one)), encoding="utf-8")
        written[file] = one.name
        inner = one.values[tuple(slice(1, -1) for _ in one.axes)]
        flow = float(one.values.sum() - inner.sum())
        documents.append(
            {
                "name": one.name,
                "description": f"{one.title or one.name}. The flow bins, not listed, hold "
                f"{number(flow)}.",
                "keywords": [{"name": key, "values": [value]} for key, value in keywords.items()],
                "data_file": file.name,
            }
        )
    submission = directory / "submission.yaml"
    submission.write_text(
        "---\n" + "---\n".join(_dumped(one) for one in documents), encoding="utf-8"
    )
    return [submission, *written]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _most(text: str) -> int:
    return limits.FREE_CELLS.value + len(text)


def _documents(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        documents = [construct_yaml(node) for node in compose_yaml(text, most=len(text))]
    except (yaml.YAMLError, *BROKEN_VALUES) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise _fault(path, f"not valid YAML: {said[0]}") from error
    if not documents or not all(one is None or isinstance(one, dict) for one in documents):
        raise _fault(path, "not a HEPData document")
    return documents


def _table(path: Path, name: str, document: dict[str, Any], most: int) -> Table:
    """Return the values of a table with their errors, and the bins of numbers as columns.

    Errors of other sources in each of many cells are a table that is larger than its file: of
    more than `most` numbers none is made.
    """
    try:
        independent = document["independent_variables"]
        dependent = document["dependent_variables"]
        size = len((independent or dependent)[0]["values"])
        columns: dict[str, list[float]] = {}
        for one in independent:
            for part in ("low", "high", "value"):
                cells = [_number(cell.get(part)) for cell in one["values"]]
                if not np.isnan(cells).all():
                    _add(columns, f"{one['header']['name']} {part}", cells)
        for one in dependent:
            heading = str(one["header"]["name"])
            _add(columns, heading, [_number(cell.get("value")) for cell in one["values"]])
            for label, errors in _errors(one["values"], most).items():
                for side, place in (("error low", 0), ("error high", 1)):
                    cells = [errors.get(n, MISSING)[place] for n in range(len(one["values"]))]
                    _add(columns, f"{heading} {label} {side}", cells)
        rows = [
            ", ".join(_words(one["values"][n]) for one in independent) or f"row {n + 1}"
            for n in range(size)
        ]
        values: Floats = np.array(list(columns.values()), dtype=np.float64).T
    except BROKEN_VALUES as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise _fault(path, what) from error
    return Table(name, tuple(rows), tuple(columns), values, class_name="HEPData table")


def _add(columns: dict[str, list[float]], name: str, cells: list[float]) -> None:
    unique = name if name not in columns else f"{name} ({len(columns)})"
    columns[unique] = cells


def _errors(cells: list[dict[str, Any]], most: int) -> dict[str, dict[int, tuple[float, float]]]:
    """Return the errors of each source, by the number of the cell; the first of a name counts."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for n, cell in enumerate(cells):
        for one in cell.get("errors", ()):
            found.setdefault(str(one.get("label", "")), {}).setdefault(n, _both_sides(one))
    if len(found) * len(cells) > most:
        raise ValueError(f"{len(found):,} sources of errors of {len(cells):,} values")
    return found


def _both_sides(error: dict[str, Any]) -> tuple[float, float]:
    if "symerror" in error:
        return _number(error["symerror"]), _number(error["symerror"])
    sides = error["asymerror"]
    return _number(sides["minus"]), _number(sides["plus"])


def _number(value: Any) -> float:
    """Return a number; NaN for words such as `-`, whose text stands in the row's name."""
    text = str(value).strip().removesuffix("%")
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _words(cell: dict[str, Any]) -> str:
    if "low" in cell:
        return f"[{cell['low']}, {cell['high']})"
    return str(cell.get("value"))


def _document(one: Histogram) -> dict[str, Any]:
    places = [tuple(place) for place in np.ndindex(*(axis.bins for axis in one.axes))]
    independent = []
    for index, axis in enumerate(one.axes):
        header = {"name": axis.title or "xyz"[index]} | ({"units": axis.unit} if axis.unit else {})
        cells: list[dict[str, Any]] = []
        for place in places:
            n = place[index]
            if axis.labels is not None:
                cells.append({"value": axis.labels[n]})
            else:
                low, high = (number(float(edge)) for edge in axis.edges[n : n + 2])
                cells.append({"low": low, "high": high})
        independent.append({"header": header, "values": cells})
    values = []
    for place in places:
        at = tuple(n + 1 for n in place)
        error = float(np.sqrt(one.variances[at]))
        content: dict[str, Any] = {"value": number(float(one.values[at]))}
        values.append(content | {"errors": [{"label": "stat", "symerror": number(error)}]})
    dependent = {"header": {"name": one.title or one.name}, "values": values}
    return {"independent_variables": independent, "dependent_variables": [dependent]}


def _dumped(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _fault(path: Path, what: str) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable HEPData file: {shortened(what)}", place=str(path)
    )

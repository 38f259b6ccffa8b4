"""JSON documents of results: limits, fits, workspaces. Each value is an object by its path.

A path is a JSON pointer (RFC 6901): `/expected/2` is the third item of the list `expected`. A key
that an index could be taken for stands in quotes (`/year/"2012"`), and items of lists in which a
format names them go by their names (`workspaces.py`). Whatever is in a document is in one of its
objects, so that a missing key, another type and a longer list all count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.errors import OutputMissingError
from reprun.histograms.facts import INTEGER, is_exact
from reprun.histograms.model import Objects, Table, number, printable
from reprun.histograms.workspaces import Naming, naming_of, pyhf_digest
from reprun.wording import shortened

WHOLE = "(all)"
"""The path of a document that is a single value."""
NUMBER = "number"
NUMBERS = "numbers"
VALUE = "the value"
SCHEMA = 1


class _FaultError(Exception):
    """The document is not what JSON allows; the message says why."""


def read_document(path: Path, text: str) -> Objects:
    """Read the values of a JSON text by their paths.

    Raises OutputMissingError that names the file and the fault.
    """
    document = _parsed(path, text)
    if document in ({}, []):
        return Objects()
    try:
        return _by_name(_leaves(document, naming_of(document)))
    except (_FaultError, LimitError) as error:
        raise _unreadable(path, error) from error


def workspace_digest(path: Path, text: str) -> str | None:
    """Return the digest that `pyhf digest` prints; None for what is not a workspace of pyhf."""
    return pyhf_digest(_parsed(path, text))


def values_text(values: Mapping[str, Table]) -> str:
    """Return the JSON text of values by name, a line each, for a reference."""
    lines = [
        f"  {json.dumps(name, ensure_ascii=False)}: {_text_of(values[name])}"
        for name in sorted(values)
    ]
    inner = ",\n".join(lines)
    return f'{{\n "schema_version": {SCHEMA},\n "values": {{\n{inner}\n }}\n}}\n'


def read_values(path: Path, text: str) -> Objects:
    """Read what `values_text` wrote. Raises OutputMissingError."""
    document = _parsed(path, text)
    if not (isinstance(document, dict) and document.keys() == {"schema_version", "values"}):
        raise _unreadable(path, "it has other fields than schema_version and values")
    if document["schema_version"] != SCHEMA or not isinstance(document["values"], dict):
        raise _unreadable(path, f"it is not of schema version {SCHEMA}")
    try:
        return _by_name(iter(document["values"].items()))
    except (_FaultError, LimitError) as error:
        raise _unreadable(path, error) from error


def is_value(thing: object) -> bool:
    """Say whether an object is a value of a document."""
    return isinstance(thing, Table) and thing.class_name in _CLASSES


def _parsed(path: Path, text: str) -> Any:
    try:
        if len(text) > limits.JSON_BYTES.value:
            raise LimitError(f"it has more than {limits.JSON_BYTES.words}")  # noqa: TRY301
        return parse_json(text, _no_key_twice)
    except json.JSONDecodeError as error:
        raise OutputMissingError(
            f"{path.name} is not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (_FaultError, LimitError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, what: object) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable JSON document: {shortened(str(what))}", place=str(path)
    )


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _FaultError(f"the key '{key}' is duplicated")
        found[key] = value
    return found


def _by_name(leaves: Iterator[tuple[str, Any]]) -> Objects:
    found: dict[str, Table] = {}
    for path, value in leaves:
        name = printable(path)
        if name in found:
            raise _FaultError(f"the path '{name}' is duplicated")
        if len(found) == limits.DOCUMENT_VALUES.value:
            raise LimitError(f"it has more than {limits.DOCUMENT_VALUES.words}")
        found[name] = _table(name, value)
    return Objects(found)


def _leaves(value: Any, naming: Naming | None, path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield path and value of whatever holds no other value, and of lists of bins."""
    if isinstance(value, dict) and value:
        # A mapping where the format has a list of items with names is no such list.
        quoted = naming is not None and naming.fields_at(path) is not None
        for key, inner in value.items():
            yield from _leaves(inner, naming, (*path, _key(key, quoted=quoted)))
    elif isinstance(value, list) and value and not (naming and _is_numbers(value)):
        named = naming.named(path, value) if naming else None
        if named is None:
            for index, inner in enumerate(value):
                yield from _leaves(inner, naming, (*path, str(index)))
        else:
            for names, inner in named:
                yield from _leaves(inner, naming, (*path, *map(_key, names)))
    else:
        yield "".join(f"/{part}" for part in path) or WHOLE, value


def _key(key: str, *, quoted: bool = False) -> str:
    """Return a key as a part of a path: nothing else is written the same way."""
    escaped = key.replace("~", "~0").replace("/", "~1")
    quoted = quoted or bool(INTEGER.fullmatch(key)) or key.startswith('"')
    return f'"{escaped}"' if quoted else escaped


def _is_numbers(value: Iterable[Any]) -> bool:
    return all(type(item) in (int, float) for item in value)


_CLASSES = (NUMBER, NUMBERS, "string", "boolean", "null", "list", "mapping")


def _table(name: str, value: Any) -> Table:
    """Return a value as a table of one number, of several, or of none and a fact."""
    if isinstance(value, str):
        return _other(name, "string", value)
    if isinstance(value, bool) or value is None:
        return _other(name, "null" if value is None else "boolean", json.dumps(value))
    if value == {}:
        return _other(name, "mapping", "{}")
    if value == []:
        return _other(name, "list", "[]")
    numbers = value if isinstance(value, list) else [value]
    if not _is_numbers(numbers):
        raise _FaultError(f"the value '{name}' is not a number, a string or a list of numbers")
    what = _row_of(name)
    rows = tuple(f"{what} {n}" for n in range(1, len(numbers) + 1))
    if not isinstance(value, list):
        rows = (VALUE,)
    texts = zip(rows, numbers, strict=True)
    # An integer that float64 does not hold is known by its digits.
    facts = {row: str(one) for row, one in texts if type(one) is int and not is_exact(str(one))}
    # By its text: one beyond every float is infinite then, and its digits are a fact.
    values = np.array([[float(str(one))] for one in numbers])
    kind = NUMBERS if isinstance(value, list) else NUMBER
    return Table(name, rows, ("value",), values, class_name=kind, facts=facts)


def _row_of(name: str) -> str:
    """Return what an item of a list of numbers is called: a bin where a format has bins there."""
    return "bin" if name.rpartition("/")[2] in ("data", "hi_data", "lo_data") else "number"


def _other(name: str, kind: str, said: str) -> Table:
    return Table(name, (), (), np.empty((0, 0)), class_name=kind, facts={VALUE: said})


def _text_of(table: Table) -> str:
    """Return the JSON text of a value; reading it gives the same one, bit for bit."""
    if table.class_name == "string":
        return json.dumps(table.facts[VALUE], ensure_ascii=False)
    if table.class_name not in (NUMBER, NUMBERS):
        return table.facts[VALUE]
    texts = [
        table.facts.get(row) or json.dumps(number(value))
        for row, value in zip(table.rows, table.values[:, 0].tolist(), strict=True)
    ]
    return texts[0] if table.class_name == NUMBER else f"[{', '.join(texts)}]"

"""Documents people write (YAML, JSON): read and validated, with the line of every fault."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reprun.errors import SpecificationError, did_you_mean


class Document(BaseModel):
    """A part of a document: no unknown field, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def inside(path: str) -> str:
    """Return a path in its one spelling; raise ValueError when it is not below its directory."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path in ("", "."):
        raise ValueError(f"'{path}' must be a path inside the analysis, without '..'")
    if not path.isprintable() or "\\" in path:
        raise ValueError(f"{path!r} holds a character that no path here may have")
    return pure.as_posix()


InsidePath = Annotated[str, AfterValidator(inside)]
Sha256 = Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = str | int | Finite | bool

M = TypeVar("M", bound=BaseModel)
Lines = dict[tuple[str | int, ...], int]


def read_document(path: Path) -> tuple[Any, Lines]:
    """Return what a YAML or JSON file says, and the line of each of its fields.

    Lines of a JSON file are left out: it is the form for thousands of files, read in a blink.
    """
    return _read_json(path) if path.suffix == ".json" else _read_yaml(path)


def validated(model: type[M], document: Any, path: Path, lines: Lines) -> M:
    """Return a document as its model, or raise SpecificationError with the line of a fault."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        # A misspelt field is unknown under its own name and missing under the right one.
        unknown = (fault for fault in faults if fault["type"] == "extra_forbidden")
        first = next(unknown, faults[0])
        if not lines and path.suffix == ".json":
            _, lines = _read_yaml(path)  # JSON is YAML, and YAML knows lines
        location = tuple(first["loc"])
        line = next(
            (lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), 1
        )
        message = re.sub(r"^(Value error|Assertion failed), ", "", first["msg"])
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            message = f"unknown field.{did_you_mean(str(location[-1]), known)}"
        elif first["type"] == "missing":
            message = "this field is missing"
        field = ".".join(str(part) for part in location) or "document"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SpecificationError(
            f"{field}: {message}{more}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error


def _edit(path: Path, line: int) -> str:
    """Return the command that opens a file where the fault is."""
    return f"${{EDITOR:-vi}} +{line} {path}"


def _fields_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Return the field names of the model that a location inside a document belongs to."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", {})
        annotation = fields[part].annotation if part in fields else None
        inner = [item for item in _types_in(annotation) if isinstance(item, type)]
        models = [item for item in inner if issubclass(item, BaseModel)]
        if models:
            current = models[0]
    return list(getattr(current, "model_fields", {}))


def _types_in(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation, *(found for item in arguments for found in _types_in(item))]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"cannot read {path.name}: {error}", place=str(path)) from error


def _read_json(path: Path) -> tuple[Any, Lines]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise SpecificationError(f"the field '{twice}' stands twice", place=str(path))
        return found

    try:
        return json.loads(_text_of(path), object_pairs_hook=unique), {}
    except json.JSONDecodeError as error:
        raise SpecificationError(
            f"not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except RecursionError as error:
        raise SpecificationError("not valid JSON: nested too deeply", place=f"{path}:1") from error


def _read_yaml(path: Path) -> tuple[Any, Lines]:
    text = _text_of(path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
        lines: Lines = {}
        _collect_lines(node, (), lines, path)
        document = None if node is None else loader("").construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise SpecificationError(
            f"not valid YAML: {problem}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error
    except ValueError as error:
        # PyYAML lets these through, e.g. for the date 2025-02-30, and they know no line.
        line = _line_of_bad_scalar(node, loader)
        raise SpecificationError(
            f"not valid YAML: {error}", place=f"{path}:{line}", hint=_edit(path, line)
        ) from error
    except RecursionError as error:
        raise SpecificationError(
            "not valid YAML: a value holds itself, or is nested too deeply", place=f"{path}:1"
        ) from error
    return document, lines


def _line_of_bad_scalar(node: Any, loader: Any) -> int:
    """Return the line of the first scalar that cannot be turned into a value."""
    if isinstance(node, yaml.ScalarNode):
        try:
            loader("").construct_object(node)
        except ValueError:
            return int(node.start_mark.line) + 1
        return 0
    children = (
        [part for pair in node.value for part in pair]
        if isinstance(node, yaml.MappingNode)
        else node.value
    )
    return next((line for child in children if (line := _line_of_bad_scalar(child, loader))), 0)


def _collect_lines(node: Any, location: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    if node is None:
        return
    lines[location] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecificationError(
                    "not valid YAML: the name of a field must be a text",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            if key.value in seen:
                raise SpecificationError(
                    f"the field '{key.value}' stands twice",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            seen.add(key.value)
            _collect_lines(value, (*location, key.value), lines, path)
            lines[(*location, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(item, (*location, index), lines, path)

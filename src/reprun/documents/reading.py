"""Documents people write (YAML, JSON, TOML): read and validated, with the line of every fault."""

from __future__ import annotations

import gc
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from reprun.bounded import limits
from reprun.bounded.limits import Limit, LimitError
from reprun.bounded.parsing import (
    BROKEN_VALUES,
    compose_yaml,
    construct_yaml,
    parse_json,
    parse_toml,
)
from reprun.bounded.texts import read_text, text_of
from reprun.documents.validation import NAME, SHA256, Fault, Location, faults_of
from reprun.errors import SpecificationError
from reprun.files import leads_to
from reprun.wording import lines_of, quoted, shortened


class Document(BaseModel):
    """A part of a document on disk, written by people or by reprun.

    No unknown field is accepted, and nothing changes after reading.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("schema_version", mode="before", check_fields=False)
    @classmethod
    def _refuse_true(cls, version: object) -> object:
        """Refuse `true`, which Python takes for 1."""
        if isinstance(version, bool):
            (number,) = get_args(cls.model_fields["schema_version"].annotation)
            raise PydanticCustomError(
                "literal_error", "must be {expected}", {"expected": str(number)}
            )
        return version


def inside(path: str) -> str:
    """Return a path in its one spelling; raise ValueError when it is not below its directory."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path in ("", "."):
        raise ValueError(f"'{path}' must be a path inside the analysis, without '..'")
    if not path.isprintable() or "\\" in path:
        raise ValueError(f"{path!r} holds a character that no path here may have")
    return pure.as_posix()


InsidePath = Annotated[str, AfterValidator(inside)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = str | int | Finite | bool

M = TypeVar("M", bound=BaseModel)
Lines = dict[Location, int]

PROJECT = "reprun.toml"
"""What marks the directory of a project."""
SHOWN = 5
"""How many errors of a document are reported at once."""


def read_document(path: Path) -> tuple[Any, Lines]:
    """Return what a YAML, JSON or TOML file says, and the line of each of its fields.

    Lines of a JSON file are left out: it is the form for thousands of files, read in a blink.
    """
    match path.suffix:
        case ".json":
            return _parse_json(_own_text(path, limits.JSON_BYTES), path), {}
        case ".toml":
            return read_toml(path)
        case _:
            return _read_yaml(path)


def validated(
    model: type[M], document: Any, path: Path, lines: Lines, *, hint: str | None = None
) -> M:
    """Return a document as its model, or raise SpecificationError with the line of each fault.

    `hint` is the command that writes a document which nobody edits by hand.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = faults_of(error, model)
        lines = lines or _lines_of_json(path)
        line = _line_of(faults[0], lines)
        others = (f"line {_line_of(fault, lines)}: {fault}" for fault in faults[1:])
        raise SpecificationError(
            f"{faults[0]}{lines_of(others, SHOWN - 1)}",
            place=f"{path}:{line}",
            hint=hint or edit_command(path, line),
        ) from error


def read_written(model: type[M], path: Path, *, problem: str, hint: str | None = None) -> M | None:
    """Return a JSON document that reprun wrote, whatever its suffix; None if there is none.

    Raises SpecificationError for one that cannot be read, with the line of each fault: `problem`
    says whose document it is, and `hint` is the command that restores it.
    """
    try:
        text = read_text(path, limits.WRITTEN_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise SpecificationError(f"{problem}: {error}", place=str(path), hint=hint) from error
    with suppress(ValidationError):
        return model.model_validate_json(text)  # knows no lines, and takes half the time
    if (state := state_in(model, text)) != "damaged":
        raise SpecificationError(
            f"{problem}: {WORDS[state]}",
            place=f"{path}:1",
            hint=UPGRADE if state == "newer" else hint,
        )
    try:
        return validated(model, _parse_json(text, path), path, {})
    except SpecificationError as error:
        raise SpecificationError(
            f"{problem}: {error.message}", place=error.place, hint=hint
        ) from error


State = Literal["damaged", "older", "newer"]
"""Why a document that reprun wrote is not read: it is damaged, or of another schema version."""
WORDS: Mapping[State, str] = {
    "damaged": "it is damaged",
    "older": "it was written by an older reprun",
    "newer": "it was written by a newer reprun",
}
UPGRADE = "pip install --upgrade reprun"


def state_of(model: type[BaseModel], path: Path) -> State:
    """Return why a document that is there cannot be read as its model."""
    try:
        text = read_text(path, limits.WRITTEN_BYTES)
    except (OSError, UnicodeDecodeError, LimitError):
        return "damaged"
    return state_in(model, text)


def state_in(model: type[BaseModel], text: str) -> State:
    """Return why a JSON text is not read as its model, by the schema version that it states."""
    try:
        document = parse_json(text, dict)
    except (json.JSONDecodeError, LimitError):
        return "damaged"
    field = model.model_fields.get("schema_version")
    stated = document.get("schema_version") if isinstance(document, dict) else None
    if field is None or type(stated) is not int or stated < 1:
        return "damaged"
    (own,) = get_args(field.annotation)
    if stated == own:
        return "damaged"
    return "newer" if stated > own else "older"


def _line_of(fault: Fault, lines: Lines) -> int:
    """Return the line of a fault, or of the nearest thing around it that has one."""
    location = fault.location
    return next(
        (lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in lines), 1
    )


def edit_command(path: Path, line: int | None = None) -> str:
    """Return the command that opens a file, where the fault is if that is known."""
    at = "" if line is None else f"+{line} "
    return f"${{EDITOR:-vi}} {at}{quoted(path)}"


def _own_text(path: Path, most: Limit) -> str:
    """Return the text of a document of a project.

    Raises SpecificationError too for a link that leads out of the project, or of its directory
    where that is in none: an error quotes lines, and pages that quote errors are published. A
    directory may be a link: what is in it with the name of a document is one.
    """
    home = next((one for one in path.absolute().parents if (one / PROJECT).is_file()), path.parent)
    if path.is_symlink() and not leads_to(path).is_relative_to(leads_to(home)):
        raise SpecificationError(
            f"{path.name} is a link that leads out of the project",
            place=str(path),
            hint=f"ls -l {quoted(path)}",
        )
    return text_of(path, most)


def _beyond(error: LimitError, path: Path, *, hint: str | None = None) -> SpecificationError:
    """Return the error for a document that asks for more than a limit allows."""
    line = error.line or 1
    return SpecificationError(
        f"cannot read {path.name}: {shortened(str(error))}",
        place=f"{path}:{line}",
        hint=hint or edit_command(path, line),
    )


def _parse_json(text: str, path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            _parse_yaml(text, path)  # refuses the same, and knows the line
            raise SpecificationError(
                f"the field '{shortened(twice)}' is duplicated", place=str(path)
            )
        return found

    try:
        return parse_json(text, unique)
    except json.JSONDecodeError as error:
        raise SpecificationError(
            f"not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except LimitError as error:
        raise _beyond(error, path) from error


def _lines_of_json(path: Path) -> Lines:
    """Return the line of each field: JSON is YAML, and YAML knows lines.

    None where YAML refuses what JSON may say, a pair of escapes for one character, nor where all
    is in one line, as in a report of a megabyte.
    """
    text = text_of(path, limits.WRITTEN_BYTES)
    if len(text) > limits.YAML_BYTES.value or "\n" not in text.rstrip():
        return {}
    try:
        return _parse_yaml(text, path)[1]
    except SpecificationError:
        return {}


def read_toml(path: Path, *, hint: str | None = None) -> tuple[dict[str, Any], Lines]:
    """Return what a TOML file says, whatever its suffix, and the line of each of its fields.

    Raises SpecificationError with the line when it is not TOML; `hint` as for `validated`.
    """
    text = _own_text(path, limits.TOML_BYTES)
    try:
        return parse_toml(text), _lines_of_toml(text)
    except LimitError as error:
        raise _beyond(error, path, hint=hint) from error
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = int(at[1]) if at and at[1] else len(text.splitlines())
        problem = str(error)[: at.start()] if at else str(error)
        raise SpecificationError(
            f"not valid TOML: {shortened(problem)}",
            place=f"{path}:{line}",
            hint=hint or edit_command(path, line),
        ) from error


def _lines_of_toml(text: str) -> Lines:
    """Return the line of each field, as far as a look at the lines one by one tells it."""
    lines: Lines = {}
    table: Location = ()
    entries: Counter[Location] = Counter()
    for number, row in enumerate(text.splitlines(), 1):
        if header := re.match(r"\[\[([\w.-]+)\]\]", row):
            name = tuple(header[1].split("."))
            table = (*name, entries[name])
            entries[name] += 1
            lines.setdefault(name, number)
            lines[table] = number
        elif header := re.match(r"\[([\w.-]+)\]", row):
            table = tuple(header[1].split("."))
            lines[table] = number
        elif field := re.match(r"""\s*(["']?)([\w-]+)\1\s*=""", row):
            lines[*table, field[2]] = number
    return lines


def _read_yaml(path: Path) -> tuple[Any, Lines]:
    return _parse_yaml(_own_text(path, limits.YAML_BYTES), path)


def _parse_yaml(text: str, path: Path) -> tuple[Any, Lines]:
    lines: Lines = {}
    node = None
    try:
        with _no_garbage_collection():
            nodes = compose_yaml(text)
            if len(nodes) > 1:
                line = nodes[1].start_mark.line + 1
                raise SpecificationError(
                    "not valid YAML: a second document begins",
                    place=f"{path}:{line}",
                    hint=edit_command(path, line),
                )
            node = next(iter(nodes), None)
            _collect_lines(node, (), lines, path)
            return construct_yaml(node), lines
    except LimitError as error:
        raise _beyond(error, path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise SpecificationError(
            f"not valid YAML: {shortened(problem)}",
            place=f"{path}:{line}",
            hint=edit_command(path, line),
        ) from error
    except BROKEN_VALUES as error:
        # PyYAML lets these through, e.g. for the date 2025-02-30, and they know no line.
        line = _line_of_bad_scalar(node) or 1
        raise SpecificationError(
            f"not valid YAML: {shortened(str(error))}",
            place=f"{path}:{line}",
            hint=edit_command(path, line),
        ) from error


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave the garbage collector out of the making of many small objects, all of which stay.

    Of a manifest of 10,000 files it would take two thirds of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _line_of_bad_scalar(node: Any) -> int:
    """Return the line of the first scalar that cannot be turned into a value."""
    if isinstance(node, yaml.ScalarNode):
        try:
            construct_yaml(node)
        except BROKEN_VALUES:
            return int(node.start_mark.line) + 1
        return 0
    children = (
        [part for pair in node.value for part in pair]
        if isinstance(node, yaml.MappingNode)
        else node.value
    )
    return next((line for child in children if (line := _line_of_bad_scalar(child))), 0)


def _collect_lines(node: Any, location: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    if node is None:
        return
    lines[location] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecificationError(
                    "not valid YAML: the name of a field must be a string",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            if key.value in seen:
                raise SpecificationError(
                    f"the field '{shortened(key.value)}' is duplicated",
                    place=f"{path}:{key.start_mark.line + 1}",
                )
            seen.add(key.value)
            _collect_lines(value, (*location, key.value), lines, path)
            lines[(*location, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(item, (*location, index), lines, path)

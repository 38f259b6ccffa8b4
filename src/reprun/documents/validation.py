"""What is wrong with a document, in sentences of its reader instead of those of a library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from reprun.errors import did_you_mean
from reprun.wording import shortened

Location = tuple[str | int, ...]

SHA256 = r"^(sha256:)?[0-9a-f]{64}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
ADLER32 = r"^[0-9a-f]{8}$"
NAME = r"^[a-z0-9][a-z0-9._-]*$"
ROOT_HASH = r"^[0-9a-f]{40,64}$"
DEBIAN_NAME = r"^[a-z0-9][a-z0-9+.-]+$"

MEANING_OF_PATTERN = {
    SHA256: "must be a sha256, 64 digits of 0-9 and a-f",
    DIGEST: "must be a digest: sha256: and 64 digits of 0-9 and a-f",
    ADLER32: "must be an adler32, 8 digits of 0-9 and a-f",
    NAME: "must be a name of small letters, digits, '.', '_' and '-', the first a letter or digit",
    DEBIAN_NAME: "must be the name of a Debian package",
    ROOT_HASH: "must be a hash of 40 to 64 digits of 0-9 and a-f",
}

EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "mapping_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
    "date_type": "a date like 2026-12-31",
    "date_from_datetime_parsing": "a date like 2026-12-31",
    "date_from_datetime_inexact": "a date like 2026-12-31",
    "date_parsing": "a date like 2026-12-31",
}
BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
ALTERNATIVES = ("str", "int", "float", "constrained-float", "bool")
"""What pydantic appends to the place of a value that may be of several types."""
EXPLAINED = 100
"""Errors whose sentence is worked out; a document of a million is refused for the first few."""
SHOWN = 40
"""Characters of a value."""
PRINTABLE_BITS = 300
"""Of an integer that is shown in full."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where in the document, and what."""

    location: Location
    sentence: str

    def __str__(self) -> str:
        """Name the field and what is wrong with it."""
        field = ".".join(map(str, self.location)) or "document"
        return f"{shortened(field)}: {shortened(self.sentence)}"


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return the faults of a document in the order to fix them, one for each place.

    A misspelt field is unknown under its own name and missing under the right one, so
    unknown ones come first.
    """
    found: dict[Location, Fault] = {}
    details = error.errors(include_url=False)
    for each in sorted(details, key=lambda each: each["type"] != "extra_forbidden"):
        location = tuple(each["loc"])
        if len(found) >= EXPLAINED:
            sentence = str(each["msg"])
        elif len(location) > 1 and location[-1] in ALTERNATIVES:
            location = location[:-1]
            sentence = f"must be a string, a number, true or false, {_is(each['input'])}"
        else:
            sentence = _sentence(each["type"], each, location, model)
        found.setdefault(location, Fault(location, sentence))
    # A list whose only entry has a fault counts as empty: that is not a fault of its own.
    empty = {tuple(each["loc"]) for each in details if each["type"] == "too_short"}
    around = {other[:n] for other in found for n in range(len(other))}
    return [fault for place, fault in found.items() if place not in empty or place not in around]


def _sentence(kind: str, fault: Any, location: Location, model: type[BaseModel]) -> str:
    given, context = fault["input"], fault.get("ctx", {})
    match kind:
        case "extra_forbidden":
            near = did_you_mean(str(location[-1]), fields_at(model, location[:-1]))
            said = f"unknown field{near}"
        case "missing":
            said = "this field is missing"
        case "value_error" | "assertion_error":
            said = str(context["error"])
        case "literal_error":
            allowed = str(context["expected"])
            known = allowed.replace("'", "").replace(" or ", ", ").split(", ")
            said = f"must be {allowed}, {_is(given)}{did_you_mean(str(given), known)}"
        case "string_pattern_mismatch" if context["pattern"] in MEANING_OF_PATTERN:
            said = f"{MEANING_OF_PATTERN[context['pattern']]}, {_is(given)}"
        case "string_too_long":
            said = f"must have at most {context['max_length']} characters, has {len(given)}"
        case "string_too_short":
            said = "must not be empty"
        case "too_short":
            least = _entries(context["min_length"])
            said = f"must have at least {least}, has {_entries(len(given))}"
        case _ if kind in BOUNDS:
            name, words = BOUNDS[kind]
            said = f"must be {words} {context[name]}, {_is(given)}"
        case _ if kind in EXPECTED:
            said = f"must be {EXPECTED[kind]}, {_is(given)}{_advice(kind, given)}"
        case _:
            said = str(fault["msg"])
    return said


def _is(value: Any) -> str:
    """Say what stands there instead."""
    match value:
        case None:
            said = "empty"
        case bool():
            said = str(value).lower()
        case int() if value.bit_length() > PRINTABLE_BITS:
            said = "a number of very many digits"
        case int() | float():
            said = f"the number {value}"
        case str():
            said = repr(shortened(value, SHOWN))
        case dict():
            said = "a mapping"
        case list() | tuple():
            said = "a list"
        case _:
            said = shortened(str(value), SHOWN)
    return f"is {said}"


def _advice(kind: str, value: Any) -> str:
    """Say how to write it, where YAML took it for something else."""
    if kind == "string_type" and value is not None and not isinstance(value, (dict, list)):
        return ": put it into quotes"
    if kind in ("tuple_type", "list_type") and isinstance(value, str):
        return f": write [{shortened(value, SHOWN)}]"
    return ""


def _entries(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}" if number else "none"


def fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the field names of the model that a location inside a document belongs to."""
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", {})
        annotation = fields[part].annotation if part in fields else None
        models = [
            item
            for item in _types_in(annotation)
            if isinstance(item, type) and issubclass(item, BaseModel)
        ]
        if models:
            current = models[0]
    return list(getattr(current, "model_fields", {}))


def _types_in(annotation: Any) -> Iterable[Any]:
    yield annotation
    for item in getattr(annotation, "__args__", ()):
        yield from _types_in(item)

"""Rules of comparison from the command line: `--rule match=m4l*,kind=float,relative=1e-9`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reprun.documents.analysis import ComparisonRule
from reprun.documents.reading import read_document
from reprun.errors import SpecificationError, did_you_mean

GIVEN = "given on the command line"


def parse_rule(text: str) -> ComparisonRule:
    """Read `name=value,name=value`; values of several parts are joined by `+`.

    Raises SpecificationError that quotes the text.
    """
    fields: dict[str, Any] = {"reason": GIVEN}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or name not in ComparisonRule.model_fields:
            near = did_you_mean(name, ComparisonRule.model_fields)
            raise SpecificationError(
                f"--rule {text}: '{part}' is not NAME=VALUE{near}",
                hint="reprun compare A B --rule 'match=m4l*,kind=float,relative=1e-9'",
            )
        fields[name] = value.split("+") if name in ("tests", "keys") else value
    return _rule(fields, f"--rule {text}")


def one_rule(kind: str | None, **options: Any) -> list[ComparisonRule]:
    """Return the rule for every object that `--kind`, `--relative` … stand for, if given."""
    given = {name: value for name, value in options.items() if value is not None}
    if kind is None and not given:
        return []
    guessed = "sampled" if {"alpha", "tests", "toys"} & given.keys() else "float"
    fields = {"match": "*", "kind": kind or guessed, "reason": GIVEN, **given}
    return [_rule(fields, "--kind and its options")]


def read_rules(path: Path) -> list[ComparisonRule]:
    """Read the `compare:` list of an analysis.yaml, or of any YAML file that has one."""
    document, _ = read_document(path)
    listed = document.get("compare") if isinstance(document, dict) else document
    if not isinstance(listed, list) or not listed:
        raise SpecificationError(f"{path.name} has no list 'compare'", place=str(path))
    return checked_rules(listed, f"{path}: compare")


def checked_rules(listed: Sequence[Any], place: str) -> list[ComparisonRule]:
    """Return rules of a list of fields. Raises SpecificationError that numbers the first wrong."""
    return [_rule(fields, f"{place}.{n}") for n, fields in enumerate(listed)]


def parse_maps(given: Sequence[str]) -> list[tuple[str, str]]:
    """Read `OLD=NEW`."""
    maps = []
    for text in given:
        old, equals, new = text.partition("=")
        if not (equals and old and new):
            raise SpecificationError(
                f"--map {text}: write OLD=NEW, the reference's name first",
                hint="reprun compare A B --map 'old/*=new/*'",
            )
        maps.append((old, new))
    return maps


def _rule(fields: Any, place: str) -> ComparisonRule:
    try:
        return ComparisonRule.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise SpecificationError(f"{where}: {message}".removeprefix(": "), place=place) from error

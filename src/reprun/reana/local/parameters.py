"""The parameters of a REANA project: declared, from a file, and from the command line."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from reprun.documents.reading import Scalar, read_document
from reprun.errors import SpecificationError, did_you_mean
from reprun.reana.local.specification import ReanaProject
from reprun.wording import listed

INPUT = "input"
"""The parameter of Snakemake workflows that names the file with all others."""


def parameters_for(project: ReanaProject, given: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return the parameters of a run: those declared, with what was given put over them.

    Of a Snakemake workflow the file named by `input` takes the place of all others, as on
    REANA. Raises SpecificationError for a name that is not declared, and for a value that JSON
    does not have.
    """
    declared = dict(project.specification.inputs.parameters)
    typed = dict(given)
    if project.type == "snakemake" and INPUT in declared:
        file = typed.pop(INPUT, declared[INPUT])
        path = project.directory / str(file)
        if not path.is_file():
            raise SpecificationError(
                f"inputs.parameters.input names {file}, which does not exist",
                place=project.place("inputs", "parameters", INPUT),
            )
        declared = _mapping(path)
        _refuse_beyond_json(declared, f"{path}:1")
    else:
        _refuse_beyond_json(declared, project.place("inputs", "parameters"))
    for name in typed:
        if name not in declared:
            raise SpecificationError(
                f"the project has no parameter '{name}'{did_you_mean(name, declared)}",
                place=project.place("inputs", "parameters"),
                hint=f"it has: {listed(declared, most=8) or 'none'}",
            )
    return {**declared, **typed}


def _mapping(path: Path) -> dict[str, Any]:
    document, _ = read_document(path)
    if not isinstance(document, dict):
        raise SpecificationError("a file of parameters has lines `NAME: VALUE`", place=f"{path}:1")
    return document


def _refuse_beyond_json(value: Any, place: str, name: str = "") -> None:
    """Refuse what YAML has and JSON has not: a workflow goes to REANA as JSON."""
    match value:
        case Mapping():
            for key, inner in value.items():
                _refuse_beyond_json(inner, place, f"{name}.{key}" if name else str(key))
        case list():
            for number, inner in enumerate(value):
                _refuse_beyond_json(inner, place, f"{name}.{number}")
        case None | str() | int() | float():
            pass
        case _:
            written = (
                f'{name.rpartition(".")[2]}: "{value}"' if isinstance(value, dt.date) else None
            )
            raise SpecificationError(
                f"the parameter '{name}' is a {type(value).__name__} to YAML, and REANA takes "
                "only what JSON has",
                place=place,
                hint=f"{written}   # in quotes it is a string" if written else None,
            )


def as_scalars(parameters: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return parameters as the run record holds them: what is not a scalar as JSON."""
    return {
        name: value if isinstance(value, str | int | float | bool) else json.dumps(value)
        for name, value in parameters.items()
    }


def expanded(command: str, parameters: Mapping[str, Any], place: str) -> str:
    """Return a serial command with `$name` and `${name}` replaced and `$$` as `$`.

    REANA does it with Python's string.Template; where that fails there, this raises
    SpecificationError.
    """
    try:
        return Template(command).substitute(parameters)
    except KeyError as error:
        name = str(error.args[0])
        raise SpecificationError(
            f"a command uses ${{{name}}}, which is not a parameter"
            + (did_you_mean(name, parameters) or ".")
            + " A variable of the shell is written $$NAME",
            place=place,
        ) from error
    except ValueError as error:
        raise SpecificationError(
            "a command has a `$` that is neither $NAME nor ${NAME}, and REANA cannot expand it; "
            "the shell's own is written $$",
            place=place,
        ) from error

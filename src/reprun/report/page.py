"""What every HTML page of ours is made with: one jinja environment, and the shipped parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from reprun.wording import size_of


def template(
    name: str,
    *,
    package: str = "reprun.report",
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> Template:
    """Return a template of a package; what it names and is not given is an error."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"size": size_of, **(filters or {})}
    return environment.from_string(_text(name, package))


def own(*names: str) -> Markup:
    """Return styles or scripts of ours, one after the other, as they are."""
    return Markup("".join(_text(name, "reprun.report") for name in names))  # noqa: S704 - our own


def _text(name: str, package: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")

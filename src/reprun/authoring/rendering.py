"""Files that reprun writes for authors, from the templates beside this module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reprun.wording import quoted

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, facts: Mapping[str, Any]) -> str:
    """Return a template with the facts filled in; a fact that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for this

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - code and YAML, no HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    environment.filters["in_shell"] = quoted
    return environment.get_template(template).render(facts)

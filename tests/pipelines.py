"""What the pipelines of `reprun ci init` would have a service do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def commands_of(document: Mapping[str, Any]) -> list[str]:
    """Return the lines of the job that runs the matrix, in order, as a shell is given them."""
    if "jobs" in document:
        return [step["run"] for step in document["jobs"]["matrix"]["steps"] if "run" in step]
    job = document["reprun"]
    return [*job["before_script"], *job["script"]]


def with_comment(text: str) -> str:
    """Return a pipeline with the job `comment` that its author has taken the `# ` away from."""
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip() == "# comment:")
    return "\n".join([*lines[:begin], *(line.replace("# ", "", 1) for line in lines[begin:])])

"""docs/limits.md, made from `reprun.bounded.limits` so that it cannot go stale.

`make schemas` writes it; a test compares what is committed with what it is now.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from reprun.bounded.limits import LIMITS, Group

PAGE = Path(__file__).resolve().parents[1] / "docs" / "limits.md"
HEAD = """\
# Limits

<!-- made by tools/limits.py from src/reprun/bounded/limits.py; edit it there -->

An analysis, a file of results or a report may come from anybody. What one of them may ask for is
limited, so that a file of a few kilobytes takes neither minutes nor gigabytes, and one that is
broken never hides the others of a project. What is beyond a limit is refused with a sentence, the
place and a documented [exit code](exit-codes.md): 2 for a document, 4 for an output.

Limits that depend on what a file holds are relative to its size: a large file is read, a small one
that claims to be large is not. `make fuzz` and `tests/integration/test_fuzz.py` read hostile and
damaged files of every format in a process with 1 GB more memory and 10 seconds each.
"""
TAIL = """
Not limited: what the baskets of a tree decompress to when `reprun new --from` draws its columns,
and the time that a comparison of many honest objects takes.
"""


def page() -> str:
    """Return docs/limits.md."""
    parts = [HEAD]
    for group in get_args(Group):
        rows = [f"| {limit.subject} | {limit.words} |" for limit in LIMITS if limit.group == group]
        heading = group[0].upper() + group[1:]
        parts.append(f"\n## {heading}\n\n| of | at most |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts) + TAIL


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print("docs/limits.md")


if __name__ == "__main__":
    main()

"""The exit codes as tables, made from `reprun.errors` so that they cannot go stale.

`make schemas` writes them into README.md and docs/exit-codes.md; a test compares what is
committed with what they are now.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from reprun import errors
from reprun.errors import ExitCode, ReprunError

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- exit codes: made by `make schemas` from src/reprun/errors.py -->\n"
END = "<!-- /exit codes -->"
PAGE_HEAD = """\
# Exit codes

<!-- made by tools/exit_codes.py from src/reprun/errors.py; edit it there -->

Every way to end has its code, and no error ends with 0 or 1: those two are verdicts. The same
code is the `exit_code` of a cell in `reprun matrix --format json`.

"""


def table() -> str:
    """Return the codes and their meanings as a Markdown table."""
    rows = ["| exit code | meaning |", "|---|---|"]
    rows += [f"| {code} | {_cell(code.meaning)} |" for code in ExitCode]
    return "\n".join(rows) + "\n"


def page() -> str:
    """Return docs/exit-codes.md: the codes, then each error with what it says."""
    rows = ["| exit code | error | when |", "|---|---|---|"]
    rows += [
        f"| {kind.exit_code} | `{kind.__name__}` | {_cell(inspect.getdoc(kind) or '')} |"
        for kind in sorted(kinds(), key=lambda kind: kind.exit_code)
    ]
    return f"{PAGE_HEAD}{table()}\n## Which error ends with which code\n\n" + "\n".join(rows) + "\n"


def kinds() -> Iterator[type[ReprunError]]:
    """Yield every class of errors in the order in which they are defined."""
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, ReprunError) and kind is not ReprunError:
            yield kind


def with_table(text: str) -> str:
    """Return a document with the table between its two markers brought up to date."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs a line {BEGIN.strip()} and a later line {END}")
    return f"{before}{begin}{table()}{end}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page, and the table of the README."""
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "exit-codes.md").write_text(page(), encoding="utf-8")
    print("README.md\ndocs/exit-codes.md")


if __name__ == "__main__":
    main()

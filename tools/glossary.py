"""docs/glossary.md, made from `reprun.report.glossary` so that it cannot go stale.

`make schemas` writes it; a test compares what is committed with what it is now.
"""

from __future__ import annotations

from pathlib import Path

from reprun.report.glossary import GLOSSARY, GROUPS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "glossary.md"
HEAD = """\
# Glossary

<!-- made by tools/glossary.py from src/reprun/report/glossary.py; edit it there -->

The words of verdicts and reports; `reprun explain WORD` prints any of them.
"""


def page() -> str:
    """Return docs/glossary.md."""
    parts = [HEAD]
    for group in GROUPS:
        words = [word for word in GLOSSARY if word.group == group]
        verdicts = any(word.passes is not None for word in words)
        rows = ["| word | passes | meaning |", "|---|---|---|"] if verdicts else []
        rows = rows or ["| word | meaning |", "|---|---|"]
        for word in words:
            passes = f" {'yes' if word.passes else 'no'} |" if verdicts else ""
            rows.append(f"| {word.word} |{passes} {word.meaning} |")
        parts.append(f"\n## {group[0].upper()}{group[1:]}\n\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print("docs/glossary.md")


if __name__ == "__main__":
    main()

"""The words of docs/style.md: none that it gives up stands in what a user reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HELPFUL = [path for path in SOURCES if path.parent.name in {"cli", "documents"}]
PAGES = [
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "style.md"),
    *sorted((ROOT / "src").rglob("*.j2")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]

# A variable of it; the blessed reference of the example depends on the bytes of this template.
BLESSED = {"fill.py.j2": ["told"]}

OLD = {
    "held against": r"\bheld against\b",
    "cannot be had": r"\b(?:cannot|can|to|could|may) be had\b",
    "stands twice": r"\bstands twice\b",
    "anew": r"\banew\b",
    "a text": r"\b(?:is|be) a text\b",
    "whole number": r"\bwhole numbers?\b",
    "wishes": r"\bwishes\b",
    "spoken here": r"\bspoken here\b",
    "the reader went away": r"\breader went away\b",
    "is no number": r"(?<!there )(?<!There )\bis no (?:number|file|directory|image|ROOT|JSON)\b",
    "judged": r"\bjudged\b",
    "told": r"\btold\b",
    "lies": r"\b(?:lies|lie|lay)\b",
    "keeping": r"\bkeeping\b",
    "mended": r"\bmend(?:s|ed)?\b",
}
_OLD = {word: re.compile(pattern) for word, pattern in OLD.items()}


def old_words(text: str) -> list[str]:
    """Return which of the words are in a text, wherever its lines break."""
    joined = " ".join(text.split())
    return [word for word, pattern in _OLD.items() if pattern.search(joined)]


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that a user may read: all but docstrings, help included."""
    read = {id(one) for one in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [one.value if isinstance(one, ast.Constant) else "…" for one in node.values]
            read |= {id(one) for one in node.values}
            yield node.lineno, "".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in read
        ):
            yield node.lineno, node.value


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield docstrings: of modules, classes and functions, and of the fields below them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _found(path: Path, texts: Iterable[tuple[int, str]]) -> list[str]:
    name = path.relative_to(ROOT)
    return [f"{name}:{line}: {word}" for line, text in texts for word in old_words(text)]


def test_messages_use_the_words_of_the_field() -> None:
    found = []
    for path in SOURCES:
        found += _found(path, strings(ast.parse(path.read_text(encoding="utf-8"))))
    assert found == []


def test_help_and_the_docs_of_fields_use_the_words_of_the_field() -> None:
    """Docstrings of commands are their help, those of models are the pages of fields."""
    found = []
    for path in HELPFUL:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += _found(path, ((one.lineno, str(one.value)) for one in _docstrings(tree)))
    assert found == []


def test_pages_use_the_words_of_the_field() -> None:
    found = {path.name: old_words(path.read_text(encoding="utf-8")) for path in PAGES}
    assert {name: words for name, words in found.items() if words} == BLESSED


def test_old_words_are_seen() -> None:
    tree = ast.parse('"""a text"""\nraise E(f"{x} is no file")\nsay("locked anew")\n"""wishes"""')
    assert [(line, old_words(text)) for line, text in strings(tree)] == [
        (2, ["is no number"]),
        (3, ["anew"]),
    ]
    assert old_words("there is no file, and nothing is lost") == []


def test_old_words_are_seen_across_a_line_break() -> None:
    assert old_words("what arrives is held\n  against the pin; that is told") == [
        "held against",
        "told",
    ]

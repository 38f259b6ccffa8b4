"""Feature files: a small reader of the Gherkin language, as far as REANA's tests use it.

Feature, Rule, Background, Scenario, Scenario Outline with Examples, steps, doc strings, tags and
comments; English keywords. What is read agrees with `gherkin-official`, which REANA uses:
tests/integration/test_reana_parser.py holds both against each other.
Source: https://cucumber.io/docs/gherkin/reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from reprun.errors import SpecificationError

Kind = Literal["context", "action", "outcome", "unknown"]

_STEP = re.compile(r"(?P<keyword>Given|When|Then|And|But|\*) +(?P<text>.*)")
_KINDS: Mapping[str, Kind] = {"Given": "context", "When": "action", "Then": "outcome"}
_BLOCK = re.compile(
    r"(?P<word>Feature|Rule|Background|Scenario Outline|Scenario Template|Scenarios|Scenario|"
    r"Examples|Example):(?P<name>.*)"
)
_QUOTES = ('"""', "```")
_LANGUAGE = re.compile(r"#\s*language\s*:\s*(?P<name>[\w-]+)\s*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence, its doc string in quotes at the end, as REANA puts it."""

    kind: Kind
    text: str
    line: int
    table: bool = False
    """Whether a data table follows, which no sentence of REANA takes."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name and its steps, those of the background first."""

    name: str
    line: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature file."""

    path: Path
    name: str
    scenarios: tuple[Scenario, ...]


@dataclass(slots=True)
class _Block:
    word: str
    name: str
    line: int
    steps: list[Step] = field(default_factory=list)
    examples: list[list[tuple[int, list[str]]]] = field(default_factory=list)
    """The tables of an outline, row by row with their line."""


def read_feature(path: Path) -> Feature:
    """Read a feature file.

    Raises SpecificationError with the line of what is no Gherkin.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"cannot read {path.name}: {error}", place=str(path)) from error
    return _Reader(path, text.splitlines()).feature()


class _Reader:
    def __init__(self, path: Path, lines: Sequence[str]) -> None:
        self._path = path
        self._lines = lines
        self._at = 0

    def feature(self) -> Feature:
        name: str | None = None
        backgrounds: dict[str, list[Step]] = {"Feature": [], "Rule": []}
        outer = "Feature"
        scenarios: list[Scenario] = []
        for block in self._blocks():
            match block.word:
                case "Feature" if name is None:
                    name = block.name
                case "Feature":
                    raise self._fault("a second `Feature:` in one file", block.line)
                case _ if name is None:
                    raise self._fault(f"`{block.word}:` before any `Feature:`", block.line)
                case "Rule":
                    outer, backgrounds["Rule"] = "Rule", []
                case "Background":
                    backgrounds[outer] += block.steps
                case _:
                    before = [*backgrounds["Feature"], *backgrounds["Rule"]]
                    scenarios += self._scenarios(block, before)
        if name is None:
            raise self._fault("there is no `Feature:`", 1)
        return Feature(self._path, name, tuple(scenarios))

    def _fault(self, sentence: str, line: int) -> SpecificationError:
        return SpecificationError(
            f"not valid Gherkin: {sentence}",
            place=f"{self._path}:{line}",
            hint=f"${{EDITOR:-vi}} +{line} {self._path}",
        )

    def _blocks(self) -> Iterator[_Block]:
        """Yield the blocks in order; the tables of Examples belong to the scenario before."""
        block: _Block | None = None
        in_examples = False
        while self._at < len(self._lines):
            bare = self._lines[self._at].strip()
            self._at += 1
            if not bare or bare.startswith(("#", "@")):
                self._language(bare)
            elif (start := _BLOCK.fullmatch(bare)) and start["word"] in ("Examples", "Scenarios"):
                if block is None or not block.word.startswith("Scenario"):
                    raise self._fault("Examples without a Scenario Outline", self._at)
                in_examples = True
                block.examples.append([])
            elif start:
                if block is not None:
                    yield block
                block, in_examples = _Block(start["word"], start["name"].strip(), self._at), False
            elif block is None:
                raise self._fault(f"`{bare}` before any `Feature:`", self._at)
            elif bare.startswith("|"):
                self._table_row(block, bare, in_examples=in_examples)
            elif bare.startswith(_QUOTES):
                self._doc_string(block, bare[:3])
            elif step := _STEP.fullmatch(bare):
                self._step(block, step["keyword"], step["text"])
            elif block.steps or in_examples:
                raise self._fault(f"`{bare}` is neither a step nor a table", self._at)
        if block is not None:
            yield block

    def _language(self, bare: str) -> None:
        language = _LANGUAGE.match(bare)
        if language and language["name"] != "en":
            raise self._fault("only English keywords are read", self._at)

    def _step(self, block: _Block, keyword: str, text: str) -> None:
        if block.word in ("Feature", "Rule"):
            return  # a description may begin with such a word
        before: Kind = block.steps[-1].kind if block.steps else "unknown"
        kind = _KINDS.get(keyword, "unknown" if keyword == "*" else before)
        block.steps.append(Step(kind, text.strip(), self._at))

    def _table_row(self, block: _Block, bare: str, *, in_examples: bool) -> None:
        if in_examples:
            cells = [cell.strip() for cell in bare.strip("|").split("|")]
            block.examples[-1].append((self._at, cells))
        elif block.steps:
            block.steps[-1] = replace(block.steps[-1], table=True)

    def _doc_string(self, block: _Block, quotes: str) -> None:
        opened = self._at
        indent = len(self._lines[opened - 1]) - len(self._lines[opened - 1].lstrip())
        content = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if line.strip() == quotes:
                break
            # Only as much as the opening quotes are indented is taken away.
            content.append(line[min(indent, len(line) - len(line.lstrip())) :])
        else:
            raise self._fault("a doc string without its end", opened)
        if not block.steps:
            raise self._fault("a doc string before any step", opened)
        last = block.steps[-1]
        block.steps[-1] = replace(last, text=f'{last.text} "{chr(10).join(content)}"')

    def _scenarios(self, block: _Block, before: Sequence[Step]) -> Iterator[Scenario]:
        if not block.examples:
            yield Scenario(block.name, block.line, (*before, *block.steps))
            return
        for table in block.examples:
            (_, header), *rows = table or [(block.line, [])]
            for line, row in rows:
                if len(row) != len(header):
                    raise self._fault("a row of Examples with another number of cells", line)
                values = dict(zip(header, row, strict=True))
                steps = [
                    replace(step, text=_filled(step.text, values))
                    for step in (*before, *block.steps)
                ]
                yield Scenario(_filled(block.name, values), line, tuple(steps))


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    return text

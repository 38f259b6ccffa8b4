"""Feature files, read by `gherkin-official`, which REANA's own parser uses too.

Only English keywords are accepted, and what Gherkin would take for a description although it
looks like a keyword is an error: it would be left out of the test without a word.
tests/integration/test_reana_parser.py compares what comes of it with REANA's parser.
Source: https://cucumber.io/docs/gherkin/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gherkin.errors import (
    AstBuilderException,
    CompositeParserException,
    ParserException,
    UnexpectedEOFException,
    UnexpectedTokenException,
)
from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler
from gherkin.token import Token
from gherkin.token_matcher import TokenMatcher

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.documents.reading import edit_command
from reprun.errors import SpecificationError

Kind = Literal["context", "action", "outcome", "unknown"]

_KINDS: Mapping[str | None, Kind] = {
    "Context": "context",
    "Action": "action",
    "Outcome": "outcome",
}
_QUOTES = ('"""', "```")
_MISPLACED = {
    "Feature:": "a second `Feature:` in one file",
    "Examples:": "Examples without a Scenario Outline",
    "Scenarios:": "Examples without a Scenario Outline",
    "Background:": "a `Background:` that is not the first block of its Feature or Rule",
    **dict.fromkeys(_QUOTES, "a doc string before any step"),
}
"""What would pass as a description, and what it is."""


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


def read_feature(path: Path) -> Feature:
    """Read a feature file.

    Raises SpecificationError with the line of what is not valid Gherkin.
    """
    text = text_of(path, limits.CODE_BYTES).removeprefix("\ufeff")
    lines = text.split("\n")
    try:
        document = Parser().parse(text, _EnglishMatcher())
    except CompositeParserException as error:
        raise _fault(path, *_explained(error.errors[0], lines)) from error
    feature = document.get("feature")
    if feature is None:
        raise _fault(path, "there is no `Feature:`", 1)
    parts = list(_parts(feature))
    for part in parts:
        _refuse_misplaced(path, part, lines)
    places = {part["id"]: part["location"]["line"] for part in parts if "id" in part}
    scenarios = [
        Scenario(
            pickle["name"],
            pickle["location"]["line"],
            tuple(_step(step, places[step["astNodeIds"][0]]) for step in pickle["steps"]),
        )
        for pickle in Compiler().compile({**document, "uri": str(path)})
    ]
    return Feature(path, feature["name"], tuple(scenarios))


class _EnglishMatcher(TokenMatcher):
    """Refuses the keywords of other languages."""

    def match_Language(self, token: Token) -> bool:  # noqa: N802 - the library's name
        """Take a `# language:` header."""
        matched = super().match_Language(token)
        if matched and self.dialect_name != "en":
            raise ParserException("only English keywords are read", token.location)
        return matched


def _parts(part: Any) -> Iterator[Any]:
    """Yield a part of the document and all inside it: blocks, steps and tables of examples."""
    yield part
    for child in part.get("children", ()):
        yield from _parts(next(iter(child.values())))
    yield from part.get("steps", ())
    yield from part.get("examples", ())


def _step(step: Any, line: int) -> Step:
    argument = step.get("argument", {})
    quoted = f' "{argument["docString"]["content"]}"' if "docString" in argument else ""
    kind = _KINDS.get(step["type"], "unknown")
    return Step(kind, step["text"] + quoted, line, "dataTable" in argument)


def _refuse_misplaced(path: Path, part: Any, lines: list[str]) -> None:
    """Raise SpecificationError where a description holds what was meant as a keyword."""
    for described in map(str.strip, part.get("description", "").split("\n")):
        for word, sentence in _MISPLACED.items():
            if described.startswith(word):
                below = part["location"]["line"]
                found = [line.strip() for line in lines].index(described, below)
                raise _fault(path, sentence, found + 1)


def _explained(error: ParserException, lines: list[str]) -> tuple[str, int]:
    """Return what is wrong in a sentence, and its line."""
    line = error.location["line"]
    said = str(error.args[0]).partition("): ")[2]
    if isinstance(error, UnexpectedEOFException):
        if "#DocStringSeparator, #Other" in said:
            quotes = [number for number, each in enumerate(lines, 1) if each.strip()[:3] in _QUOTES]
            return "a doc string without its end", quotes[-1]
        return "the file ends where more has to follow", line - 1
    if isinstance(error, UnexpectedTokenException):
        found = f"`{lines[line - 1].strip()}`"
        if "#FeatureLine" in said:
            return f"{found} before any `Feature:`", line
        return f"{found} is neither a step nor a table nor a keyword allowed here", line
    if isinstance(error, AstBuilderException):
        return "a row of a table with a different number of cells", line
    return said, line


def _fault(path: Path, sentence: str, line: int) -> SpecificationError:
    return SpecificationError(
        f"not valid Gherkin: {sentence}",
        place=f"{path}:{line}",
        hint=edit_command(path, line),
    )

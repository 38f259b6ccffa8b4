"""The glossary has every word of a verdict, and `reprun explain` and the page are made from it."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest
from tools.glossary import PAGE, page
from typer.testing import CliRunner, Result

from reprun.cli.completion import glossary_words
from reprun.cli.main import program
from reprun.compare import Verdict
from reprun.errors import SpecificationError
from reprun.report.glossary import GLOSSARY
from reprun.report.marks import State


def explain(*words: str) -> Result:
    return CliRunner().invoke(program(), ["explain", *words])


def test_what_is_published_is_of_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "type: make schemas"


def test_every_verdict_is_explained_and_passes_as_it_does() -> None:
    known = {word.word: word.passes for word in GLOSSARY}
    assert {str(verdict): verdict.passes for verdict in Verdict}.items() <= known.items()
    assert {state: state == "reproduced" for state in get_args(State)}.items() <= known.items()


def test_each_word_has_one_line() -> None:
    words = [word.word for word in GLOSSARY]
    assert len(set(words)) == len(words)
    for word in GLOSSARY:
        assert len(word.meaning) <= 90, word.word
        assert not word.meaning.endswith(".")
        assert "|" not in word.meaning


@pytest.mark.parametrize("typed", [["not", "comparable"], ["not-comparable"], ["Not comparable"]])
def test_a_word_is_found_however_it_is_typed(typed: list[str]) -> None:
    assert explain(*typed).stdout.startswith("✗ not comparable  class, axes, labels")


def test_all_words_without_one() -> None:
    said = explain().stdout
    for word in GLOSSARY:
        assert re.search(rf"^(. )?{re.escape(word.word)} ", said, re.MULTILINE)
    assert len(json.loads(explain("--format", "json").stdout)["words"]) == len(GLOSSARY)


def test_an_unknown_word_names_the_nearest_and_all() -> None:
    error = explain("diferent").exception
    assert isinstance(error, SpecificationError)
    assert error.message.startswith(
        "'diferent' is not in the glossary. Did you mean 'different'? It has: identical, equal, "
    )
    assert "'xyzzy' is not in the glossary. It has: " in str(explain("xyzzy").exception)


def test_the_shell_completes_words() -> None:
    assert glossary_words("mi") == ["missing", "migrated"]

"""docs/tutorial.md, done as it stands there: every command typed, every answer compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.tutorial import TUTORIAL, Command, blocks, commands, normal, perform

pytestmark = pytest.mark.slow

MENTIONED = ("new", "lock", "plan", "run", "bless", "matrix", "cite", "compare", "list")


def test_the_tutorial_does_what_it_says(
    tmp_path: Path,
    store: Store,
    catalogue: Catalogue,
    columnar: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensure(catalogue.locked("root-6.40"), catalogue, store, Silent())
    monkeypatch.setenv("REPRUN_STORE", str(store.root))

    def check(command: Command, answer: str, code: int) -> None:
        assert normal(answer) == normal(command.answer), f"$ {command.typed} (exit code {code})"

    perform(TUTORIAL.read_text(), tmp_path, check)


def test_it_shows_every_command_of_an_author_and_no_exit_code_unsaid() -> None:
    text = TUTORIAL.read_text()
    typed = [
        command
        for block in blocks(text)
        if block["language"] == "console"
        for command in commands(block["body"])
    ]
    for word in MENTIONED:
        assert any(command.typed.startswith(f"reprun {word}") for command in typed), word
    # What fails is followed by its exit code, else a reader would not know that it may.
    for command, after in zip(typed, [*typed[1:], Command("", "")], strict=True):
        failed = command.answer.startswith("reprun: ") or re.search(r"\n[✗?] ", command.answer)
        assert bool(failed) == (after.typed == "echo $?"), command.typed


def test_adding_an_analysis_takes_ten_lines_and_a_rule() -> None:
    files = {block["file"]: block["body"] for block in blocks(TUTORIAL.read_text())}
    assert len(files["analyses/counts/analysis.yaml"].splitlines()) == 10
    assert len(re.findall(r"^rule ", files["analyses/counts/Snakefile"], re.MULTILINE)) == 1
    assert len(list(filter(None, files["make_pairs.py"].splitlines()))) == 5


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sha256:0123456789abcdef", "sha256:fedcba9876543210", True),
        ("done in 1.2 s", "done in 33.4 s", True),
        ("since 2026-11-22 03:28 UTC", "since 2027-01-02 13:08 UTC", True),
        ("5000 events", "5001 events", False),
        ("✓ reproduced", "✗ not reproduced", False),
        ("pull -26.2", "pull -26.3", False),
    ],
)
def test_only_what_cannot_be_the_same_twice_is_let_pass(one: str, other: str, same: bool) -> None:
    assert (normal(one) == normal(other)) == same


def test_a_wrong_answer_is_seen(tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []

    def note(command: Command, answer: str, code: int) -> None:
        seen.append((command.answer, answer, code))

    text = "```console\n$ echo one\ntwo\n$ false\n$ echo $?\n1\n```\n"
    after = perform(text, tmp_path, note)
    assert seen == [("two\n", "one\n", 0), ("", "", 1), ("1\n", "1\n", 0)]
    assert after == text.replace("two", "one")

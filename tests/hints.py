"""The commands behind `try:` that cost nothing: tests type them where they were printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

DRY = {
    *("cite", "doctor", "explain", "lint", "list", "logs", "plan", "show"),
    *("images list", "images show", "images doctor", "conditions list", "conditions show"),
}
"""Commands of ours that only look, and reach no network."""
DRY_OPTIONS = {"--help", "--dry-run"}
_TRY = re.compile(r"^ *(?:\S+: )?try: (reprun .*)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"[A-Z]{3,}|.*….*")
USAGE, UNFORESEEN = 2, 70


def dry_commands(said: str) -> Iterator[list[str]]:
    """Yield the arguments of each command of ours that was advised and costs nothing to type."""
    for found in _TRY.finditer(said):
        words = shlex.split(found[1].partition("   # ")[0])[1:]
        if any(_PLACEHOLDER.fullmatch(word) for word in words):
            continue
        names = [word for word in words if not word.startswith("-")]
        looks = {" ".join(names[:1]), " ".join(names[:2])} & DRY
        if looks or DRY_OPTIONS & set(words) or words == ["clean"]:
            yield words


def hold_to_what_it_advises(said: str, type_in: Callable[[list[str]], tuple[int, str]]) -> None:
    """Type what was advised; fail where it is refused, or says no more than the error did.

    `type_in` runs the arguments of a command in the state in which `said` was printed, and returns
    its exit code and what it printed.
    """
    for words in dry_commands(said):
        code, answer = type_in(words)
        advised = shlex.join(["reprun", *words])
        assert code not in (USAGE, UNFORESEEN), f"{advised} was advised and refused:\n{answer}"
        again = [line for line in said.splitlines() if line.startswith("reprun: ")]
        assert not (again and set(again) & set(answer.splitlines())), f"{advised} says the same"

"""docs/limits.md is what the limits are today, and each limit is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.limits import PAGE, page

from reprun.bounded import limits
from reprun.bounded.limits import LIMITS, Limit

SOURCE = Path(__file__).resolve().parents[2] / "src" / "reprun"
NAMES = {name: limit for name, limit in vars(limits).items() if isinstance(limit, Limit)}


def test_what_is_published_is_of_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "type: make schemas"


def test_the_page_has_every_limit() -> None:
    assert set(NAMES.values()) == set(LIMITS)
    for limit in LIMITS:
        assert f"| {limit.subject} | {limit.words} |" in page()


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_is_used(name: str) -> None:
    texts = [path.read_text() for path in SOURCE.rglob("*.py") if path.name != "limits.py"]
    assert any(f"limits.{name}" in text for text in texts)

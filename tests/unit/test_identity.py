"""docs/identity.md is what the closed list is today, and no row is there twice."""

from __future__ import annotations

from tools.identity import PAGE, page

from reprun.histograms.identity import LEFT_OUT


def test_what_is_published_is_of_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "type: make schemas"


def test_every_field_is_listed_once() -> None:
    assert len({(one.format, one.field) for one in LEFT_OUT}) == len(LEFT_OUT)
    assert all(f"`{one.field}`" in page() for one in LEFT_OUT)

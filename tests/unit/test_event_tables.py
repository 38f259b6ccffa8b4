"""CSV tables of events: matched by the columns that name an event, and compared as trees are."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from reprun.compare import Comparison, Item, Verdict, compare
from reprun.documents.analysis import ComparisonRule
from reprun.errors import OutputMissingError
from reprun.histograms import Objects, Table, read_objects

TODAY = dt.date(2026, 1, 1)
HEADING = "run,lumi,event,channel,pt\n"
ROWS = ["194115,22,123,mumu,29.99", "194115,22,124,ee,10", "194116,1,123,mumu,"]


def text(*rows: str, heading: str = HEADING) -> str:
    return heading + "".join(f"{row}\n" for row in rows)


class Tables:
    """Writes and compares tables of events."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "events.csv"

    def read(self, content: str) -> Objects:
        self.path.write_text(content)
        return read_objects(self.path)

    def compared(self, here: str, there: str, **rule: Any) -> Comparison:
        # Both are in memory: the second may take the file of the first.
        rules = [ComparisonRule(match="events", reason="why", **rule)] if rule else []
        return compare(self.read(here), self.read(there), rules, TODAY)

    def item(self, here: str, there: str, **rule: Any) -> Item:
        (item,) = self.compared(here, there, **rule).items
        return item


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def test_the_event_that_differs_is_named(tables: Tables) -> None:
    item = tables.item(text("194115,22,123,mumu,30.01", *ROWS[1:]), text(*ROWS))
    assert item.verdict is Verdict.DIFFERENT
    assert item.headline == "differs in run 194115, lumi 22, event 123: pt 30.01 / 29.99"
    assert item.sentence.endswith(
        "1 of 3 events differs (pt in 1); "
        "events are matched by run, lumi and event (guessed from their names)"
    )


def test_equal_tables_are_identical_however_they_are_written(tables: Tables) -> None:
    other = text("# a remark", "194115, 22,123.0,mumu,2.999e1", "", *ROWS[1:2], f"{ROWS[2]}nan")
    assert tables.item(other, text(*ROWS)).verdict is Verdict.IDENTICAL


def test_events_may_be_in_another_order_where_a_rule_says_so(tables: Tables) -> None:
    moved = text(*ROWS[::-1])
    assert tables.item(moved, text(*ROWS)).headline == "has the same events in another order"
    assert tables.compared(moved, text(*ROWS), kind="count", ordered=False).reproduced


def test_text_is_compared(tables: Tables) -> None:
    item = tables.item(text(*ROWS[:2], "194116,1,123,ee,"), text(*ROWS))
    assert item.headline == "differs in run 194116, lumi 1, event 123: channel ee / mumu"


def test_events_in_one_only_are_counted(tables: Tables) -> None:
    item = tables.item(text(*ROWS[:2]), text(*ROWS))
    assert item.headline == "has 2 entries, reference 3"
    assert "1 event only in the reference, first run 194116, lumi 1, event 123" in item.sentence


def test_a_tolerance_holds(tables: Tables) -> None:
    near = text("194115,22,123,mumu,30", *ROWS[1:])
    assert tables.compared(near, text(*ROWS), kind="float", relative=1e-3).reproduced
    assert not tables.compared(near, text(*ROWS), kind="float", relative=1e-6).reproduced


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740993", "9007199254740992"),
        ("9007199254740993", "9007199254740992.5"),
        ("99999999999999999999", "99999999999999999998"),
        ("0.5", "nan"),
        ("1", "x"),
        ("", "0"),
    ],
)
def test_no_cell_differs_unseen(tables: Tables, one: str, other: str) -> None:
    sides = (text(f"1,1,1,a,{each}", "1,1,2,a,7") for each in (one, other))
    assert not tables.item(*sides).verdict.passes


def test_a_table_with_names_of_rows_stays_one(tables: Tables) -> None:
    for heading in ("cut,event\n", "event,pt\n", "run,pt\n"):
        found = tables.read(text("1,2", "2,3", heading=heading))
        assert isinstance(found["events"], Table)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text("1,2,3,a"), "4 cells, the heading has 5"),
        (text(heading="run,event,run\n"), "a column heading is duplicated"),
        (text(heading="run,event,number of entries\n"), "a column heading is duplicated"),
        (text('1,2,3,"a,4'), "unexpected end of data"),
    ],
)
def test_tables_that_cannot_be_read_say_where(tables: Tables, content: str, said: str) -> None:
    with pytest.raises(OutputMissingError, match=said):
        tables.read(content)

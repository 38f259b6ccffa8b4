"""What a run made, where there is no reference yet to compare it with."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from reprun.compare.policy import DEFAULT_KIND, Policy
from reprun.compare.verdict import About, Comparison, Ignored, Item, Verdict, Words
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError
from reprun.histograms import DataObject, Histogram, Objects, Source, Unread, content_hash
from reprun.wording import count_of

AT_A_TIME = 500


def first_look(
    monitored: Source, rules: Sequence[ComparisonRule], today: datetime.date
) -> Comparison:
    """Return everything a run made as items that are compared with nothing.

    Raises NothingToCompareError where it made nothing, or the rules ignore everything.
    """
    policy, words = Policy(rules, today), Words()
    if not monitored.names:
        raise NothingToCompareError(f"{words.monitored} holds no object")
    items: list[Item] = []
    ignored: list[Ignored] = []
    every = sorted(monitored.names)
    for start in range(0, len(every), AT_A_TIME):
        names = every[start : start + AT_A_TIME]
        objects = monitored.only(names)
        for name in names:
            rule = policy.rule_for(name)
            if rule is not None and rule.kind == "ignore":
                ignored.append(Ignored(name, rule.reason or "", rule.expires))
            else:
                items.append(_item(name, objects.get(name), objects.unread.get(name), rule))
    if not items:
        raise NothingToCompareError(
            f"the rules ignore all of {count_of(len(ignored), 'object')}: "
            "nothing is left to compare"
        )
    return Comparison(tuple(items), tuple(ignored), (), words, (monitored, Objects()))


def _item(
    name: str, thing: DataObject | None, unread: Unread | None, rule: ComparisonRule | None
) -> Item:
    sentence = _contents(thing) if thing is not None else f"known by its bytes ({unread})"
    return Item(
        name,
        Verdict.NEW,
        "has no reference yet",
        sentence,
        rule.kind if rule else DEFAULT_KIND,
        rule,
        About.of(thing, None),
        monitored_hash=None if thing is None else content_hash(thing),
    )


def _contents(thing: DataObject) -> str:
    """Say how large an object is, and what a histogram holds in all."""
    if not isinstance(thing, Histogram):
        return f"{count_of(len(thing.rows), 'row')} of {count_of(len(thing.columns), 'column')}"
    if thing.is_empty:
        return "empty: no reference can vouch for it"
    bins = " x ".join(f"{axis.bins:,}" for axis in thing.axes)
    inside = thing.values[tuple(slice(1, -1) for _ in thing.axes)].sum()
    flow = thing.values.sum() - inside
    beyond = f", {flow:,.6g} in flow bins" if flow else ""
    entries = "" if thing.entries is None else f", {thing.entries:,.6g} entries"
    return f"{bins} bins, integral {inside:,.6g}{beyond}{entries}"

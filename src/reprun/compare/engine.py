"""The ladder over two files: every object judged, then all statistical tests as one family."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reprun.compare.batches import judge_all
from reprun.compare.bench import Bench, Judged
from reprun.compare.moved_events import with_events
from reprun.compare.policy import Policy
from reprun.compare.renames import under_new_names, with_renames
from reprun.compare.sampled import Family
from reprun.compare.verdict import Comparison, Ignored, Item, Words, rank
from reprun.documents.analysis import ComparisonRule
from reprun.errors import NothingToCompareError
from reprun.histograms import Source
from reprun.histograms.events import STORED
from reprun.wording import count_of

MOST_DETAILED = 2000
"""Objects whose checks and differing bins are kept. Of more objects the worst are looked at
again, so that memory does not grow with what nobody reads."""


def compare(
    monitored: Source,
    reference: Source,
    rules: Sequence[ComparisonRule],
    today: datetime.date,
    *,
    shared_events: bool = False,
    words: Words | None = None,
    cores: int = 1,
) -> Comparison:
    """Compare everything a run made with everything its reference holds.

    Objects are matched by name; one that is the same under another name is `renamed`. A rule
    holds up to and including the day it expires. An object without a rule is compared exactly.
    With `shared_events` both sides were made from the same input events: then the kind `sampled`
    excuses nothing. Verdicts depend neither on `cores` nor on the number of objects. Raises
    NothingToCompareError if either side holds nothing, if the rules ignore everything or if every
    object is empty on both sides.
    """
    policy = Policy(rules, today)
    words = words or Words()
    for label, side in ((words.monitored, monitored), (words.reference, reference)):
        if not side.names:
            raise NothingToCompareError(f"{label} holds no object")
    names = sorted({*monitored.names, *reference.names})
    kept, ignored = _kept(names, policy)
    if not kept:
        raise NothingToCompareError(
            f"the rules ignore all of {count_of(len(ignored), 'object')}: "
            "nothing is left to compare"
        )
    detailed = len(kept) <= MOST_DETAILED
    bench = Bench(monitored, reference, policy, words, detailed=detailed)
    judged = judge_all(bench, kept, cores)
    tested = {one.item.name: one.tested for one in judged if one.tested is not None}
    family = Family(tested, shared_events=shared_events)
    items = [_final(one, family, words) for one in judged]
    if not detailed:
        items = _with_details(items, replace(bench, detailed=True), family, cores)
    trees = {one.item.name: one.apart for one in judged if one.apart is not None}
    items = with_events(items, trees, reference)
    items = with_renames(items, bench, cores)
    if all(item.verdict.passes and item.about.reference_empty for item in items):
        raise NothingToCompareError(
            f"all of {count_of(len(items), 'object')} are empty in {words.monitored} and in "
            f"{words.reference}: their agreement proves nothing"
        )
    return Comparison(
        tuple(items),
        (*ignored, *_ignored_columns(items, policy)),
        (
            *family.notes(items),
            *_migration_notes(items),
            *_overall_notes(policy, [*names, *_columns(items)]),
        ),
        words,
        (monitored, under_new_names(reference, _renamed(items))),
    )


def _renamed(items: Sequence[Item]) -> dict[str, str]:
    """Return old names by new ones."""
    return {item.name: item.renamed_from for item in items if item.renamed_from is not None}


def _kept(names: Sequence[str], policy: Policy) -> tuple[list[str], list[Ignored]]:
    kept: list[str] = []
    ignored: list[Ignored] = []
    for name in names:
        rule = policy.rule_for(name)
        if rule is not None and rule.kind == "ignore":
            ignored.append(Ignored(name, rule.reason or "", rule.expires))
        else:
            kept.append(name)
    return kept, ignored


def _ignored_columns(items: Sequence[Item], policy: Policy) -> Iterator[Ignored]:
    """Yield the columns of trees that rules leave out, each called as a rule may call it."""
    for item in items:
        for column in item.columns:
            rule = policy.rule_for_part(item.name, column.removesuffix(STORED))
            if rule is not None and rule.kind == "ignore":
                yield Ignored(f"{item.name}/{column}", rule.reason or "", rule.expires)


def _final(judged: Judged, family: Family, words: Words) -> Item:
    item = judged.item if judged.tested is None else family.judge(judged.item, judged.tested)
    if not (item.verdict.passes and item.about.reference_empty):
        return item
    note = f"empty in {words.monitored} and in {words.reference}: this agreement has no power"
    return replace(item, notes=(*item.notes, note))


def _with_details(items: Sequence[Item], bench: Bench, family: Family, cores: int) -> list[Item]:
    """Judge the first of a long list once more, this time keeping every figure."""
    first = sorted(item.name for item in sorted(items, key=rank)[:MOST_DETAILED])
    again: Mapping[str, Item] = {
        one.item.name: _final(one, family, bench.words) for one in judge_all(bench, first, cores)
    }
    return [again.get(item.name, item) for item in items]


def _migration_notes(items: Sequence[Item]) -> tuple[str, ...]:
    moved = [item for item in items if item.migrated and not item.verdict.passes]
    if not moved:
        return ()
    failed = count_of(sum(not item.verdict.passes for item in items), "object")
    share = f"{len(moved)} of {failed} that failed"
    return (f"migrated: {share} differ only by entries that moved to a neighbouring bin",)


def _columns(items: Sequence[Item]) -> list[str]:
    """Return the names by which rules may name the columns of trees."""
    return [f"{item.name}/{column}" for item in items for column in item.columns]


def _overall_notes(policy: Policy, names: Sequence[str]) -> tuple[str, ...]:
    notes = [
        f"the rule '{rule.match}' ({rule.kind}) expired on {rule.expires} and was not applied"
        for rule in policy.expired
    ]
    notes += [
        f"the rule '{rule.match}' ({rule.kind}) matches no object" for rule in policy.idle(names)
    ]
    return tuple(notes)

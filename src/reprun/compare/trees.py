"""The verdict on two trees: by the digests of their columns, and where these differ by events.

Of a large tree a reference that was blessed has digests only: then the columns that differ are
named. Digests are of one format: of a TTree and an RNTuple, or a Parquet or CSV table, all values
are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reprun.compare.columns import EXACT
from reprun.compare.event_keys import Keys, keys_of
from reprun.compare.events import EventsCompared, compare_events
from reprun.compare.moved_events import EventsApart
from reprun.compare.policy import DEFAULT_KIND, Policy
from reprun.compare.tolerance import Tolerance
from reprun.compare.verdict import About, Check, Item, Verdict
from reprun.digests import digest_of_mapping
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import Events, Unread
from reprun.histograms.events import ENTRIES, STORED
from reprun.wording import count_of, listed

SHOWN = 3
"""Columns that are named in the first place."""
MOST_NAMED = 100
"""Columns that are named at all."""


def are_trees_to_compare(one: Unread, other: Unread) -> bool:
    """Say whether two objects are trees of one format, or of two and their values at hand."""
    at_hand = one.events is not None and other.events is not None
    return one.is_tree and other.is_tree and (one.reason == other.reason or at_hand)


def judge_trees(
    name: str, one: Unread, other: Unread, policy: Policy
) -> tuple[Item, EventsApart | None]:
    """Compare two trees; return the verdict, and where to see the events that differ.

    Raises SpecificationError for keys that are not columns of both.
    """
    pair = _Pair(name, one, other, policy)
    columns = tuple(sorted((one.parts.keys() | other.parts.keys()) - {ENTRIES}))
    hashes = digest_of_mapping(one.parts), digest_of_mapping(other.parts)
    rule = policy.rule_for(name)
    found = pair.events()
    wrong = [*pair.entries(), *pair.structure()]
    if found is None:
        wrong += pair.parts()
    else:
        wrong += [*found.findings(ordered=pair.ordered), *pair.unexplained(found)]
    verdict = pair.verdict(wrong)
    sentence = "; ".join([*wrong, *pair.remarks(found, verdict)])
    apart = None
    if found is not None and found.differing and one.events and other.events:
        apart = EventsApart(one.events, other.events, found.keys, tuple(found.differing))
    item = Item(
        name, verdict, wrong[0] if wrong else "", sentence, rule.kind if rule else DEFAULT_KIND,
        rule, About(class_name=one.reason), *hashes,
        checks=(Check("columns", passed=not wrong, sentence=sentence),),
        needed=pair.needed(found) if wrong else "", columns=columns,
    )  # fmt: skip
    return item, apart


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two trees of one name."""

    name: str
    one: Unread
    other: Unread
    policy: Policy

    @property
    def alike(self) -> bool:
        """Whether both are stored in one format, so that equal digests are equal values."""
        return self.one.reason == self.other.reason

    def structure(self) -> Iterator[str]:
        """Yield what only one side has, and what nobody can compare."""
        here, there = self._parts(self.one), self._parts(self.other)
        for words, alone in (("has", here - there), ("lacks", there - here)):
            if alone:
                noun = "the column" if len(alone) == 1 else "the columns"
                yield f"{words} {noun} {listed(sorted(alone))}"
        unknown = [part for part in self._differing() if part.endswith(STORED)]
        if unknown:
            yield f"cannot be compared by this version in {listed(unknown)}, which differ"

    @property
    def same_number(self) -> bool:
        """Whether both have as many entries."""
        return self.one.parts[ENTRIES] == self.other.parts[ENTRIES]

    @property
    def ordered(self) -> bool:
        """Whether the order of the entries counts."""
        rule = self.policy.rule_for(self.name)
        return rule is None or rule.ordered

    def entries(self) -> Iterator[str]:
        """Yield how many entries they have, where that differs."""
        if not self.same_number:
            yield f"has {self.one.parts[ENTRIES]} entries, reference {self.other.parts[ENTRIES]}"

    def parts(self) -> Iterator[str]:
        """Yield the columns that differ, as digests tell: all do where entries are missing."""
        differing = [part for part in self._differing() if not part.endswith(STORED)]
        if differing and self.same_number:
            yield f"differs in {listed(differing, most=SHOWN)}"

    def events(self) -> EventsCompared | None:
        """Compare event by event, where the digests differ and both sides have the values."""
        one, other = self.one.events, self.other.events
        if one is None or other is None or (self.same_number and not self._differing()):
            return None
        rule = self.policy.rule_for(self.name)
        asked = rule.keys if rule else ()
        with one.opened() as here, other.opened() as there:
            keys = keys_of(self.name, (here, there), asked, ordered=self.ordered)
            columns = self._columns(here, there, keys)
            return compare_events(here, there, keys, columns, self._tolerance, alike=self.alike)

    def unexplained(self, found: EventsCompared) -> Iterator[str]:
        """Yield the columns that differ by their digests, and by no value of an event."""
        if found.is_same_list and self.alike:
            seen = {*found.differing, *(name for name, _ in found.types)}
            left = [
                part
                for part in self._differing()
                if not part.endswith(STORED) and part not in seen and self._tolerance(part) == EXACT
            ]
            if left:
                yield f"differs in {listed(left, most=SHOWN)}, by no value that can be shown"

    def verdict(self, wrong: Collection[str]) -> Verdict:
        """Return the verdict on what is wrong."""
        if wrong:
            return Verdict.NOT_COMPARABLE if any(self.structure()) else Verdict.DIFFERENT
        same = self.one.parts == self.other.parts
        if not self.alike:
            columns = self._differing()
            exact = all(self._tolerance(column) == EXACT for column in columns)
            same = exact and self.ordered and not self.ignored_columns()
        return Verdict.IDENTICAL if same else Verdict.EQUAL

    def remarks(self, found: EventsCompared | None, verdict: Verdict) -> Iterator[str]:
        """Yield how it was compared, and all that passed."""
        passed = verdict.passes
        if found is not None:
            yield from found.more()
            if passed and verdict is Verdict.IDENTICAL:
                yield f"{count_of(found.pairs, 'event')} with the same values in all columns"
            elif passed:
                yield f"{count_of(found.pairs, 'event')} agree within what is allowed"
            if not self.alike:
                yield f"stored as a {self.one}, in the reference as a {self.other}"
            yield f"events are matched by {found.keys}"
            return
        differing = self._differing()
        if len(differing) > SHOWN + 1:
            yield f"the columns that differ: {listed(differing, most=MOST_NAMED)}"
        if passed:
            same = self.one.parts.keys() & self.other.parts.keys() - self.ignored_columns()
            yield f"{count_of(len(same), 'part')}, all the same ({self.one})"

    def needed(self, found: EventsCompared | None) -> str:
        """Return what would have to be true for the trees to pass."""
        if found is None and self.other.events is None:
            return "all columns must be the same: of a large tree a reference has only digests"
        if alone := sorted(self._parts(self.one) ^ self._parts(self.other)):
            return f"both must have the same columns, or a rule ignore {self.name}/{alone[0]}"
        return "all events must be the same, or within the tolerance of a rule of kind float"

    def ignored_columns(self) -> set[str]:
        """Return the columns that rules ignore."""
        every = (self.one.parts.keys() | self.other.parts.keys()) - {ENTRIES}
        rules = {column: self._rule(column) for column in every}
        return {name for name, rule in rules.items() if rule is not None and rule.kind == "ignore"}

    def _rule(self, part: str) -> ComparisonRule | None:
        return self.policy.rule_for_part(self.name, part.removesuffix(STORED))

    def _tolerance(self, column: str) -> Tolerance:
        rule = self._rule(column)
        return EXACT if rule is None else Tolerance(rule.relative, rule.absolute)

    def _parts(self, side: Unread) -> set[str]:
        return side.parts.keys() - self.ignored_columns()

    def _differing(self) -> list[str]:
        """Return the columns in both whose digests differ, or say nothing of their values."""
        both = (self._parts(self.one) & self._parts(self.other)) - {ENTRIES}
        return sorted(
            part
            for part in both
            if self.one.parts[part] != self.other.parts[part]
            or not (self.alike or part.endswith(STORED))
        )

    def _columns(self, one: Events, other: Events, keys: Keys) -> list[str]:
        """Return the columns to look into: those that differ, but all where events moved."""
        differing = self._differing()
        moved = any(self.one.parts[name] != self.other.parts[name] for name in keys.names)
        every = moved or not self.same_number
        ignored = self.ignored_columns()
        return [
            name
            for name in one.columns
            if name in other.columns and name not in ignored and (every or name in differing)
        ]

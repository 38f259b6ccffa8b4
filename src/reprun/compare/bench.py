"""The bench: the objects of two sides read and judged, those that have no partner too."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reprun.compare.moved_events import EventsApart
from reprun.compare.numeric import numeric_differences
from reprun.compare.pair import Begun, begin, conclude
from reprun.compare.policy import DEFAULT_KIND, Policy
from reprun.compare.sampled import Tested, apply_tests
from reprun.compare.trees import are_trees_to_compare, judge_trees
from reprun.compare.verdict import About, Check, Item, Verdict, Words
from reprun.digests import digest_of_mapping
from reprun.documents.analysis import ComparisonRule
from reprun.histograms import DataObject, Histogram, Objects, Source, Unread, content_hash
from reprun.histograms.model import BYTES
from reprun.wording import count_of, listed


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one object before the tests of all objects are weighed together."""

    item: Item
    tested: Tested | None = None
    apart: EventsApart | None = None
    """Of a tree, where to see the events that differ."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Two sides and what they are evaluated by."""

    monitored: Source
    reference: Source
    policy: Policy
    words: Words
    detailed: bool = True
    """Whether every figure is kept, or only what the verdict needs."""

    def judge(self, names: list[str]) -> list[Judged]:
        """Read and judge the objects of some names; none of their arrays is kept."""
        sides = self.monitored.only(names), self.reference.only(names)
        begun = [self._begun(name, *sides) for name in names]
        # Those whose numbers differ are measured together: small ones cost little each.
        waiting = [one for one in begun if isinstance(one, Begun)]
        measured = numeric_differences([one.pair for one in waiting], detailed=self.detailed)
        numbers = dict(zip((one.name for one in waiting), measured, strict=True))
        return [
            self._judged(one, conclude(one, numbers[one.name])) if isinstance(one, Begun) else one
            for one in begun
        ]

    def _begun(self, name: str, monitored: Objects, reference: Objects) -> Begun | Judged:
        one, other = monitored.get(name), reference.get(name)
        if one is None or other is None or name in monitored.unread or name in reference.unread:
            return self._unmatched(name, monitored, reference)
        rule = self.policy.rule_for(name)
        begun = begin(name, rule, one, other, detailed=self.detailed)
        return begun if isinstance(begun, Begun) else Judged(self._with_notes(begun, one, other))

    def _judged(self, begun: Begun, item: Item) -> Judged:
        tested: Tested | None = None
        rule, one, other = begun.rule, begun.pair.monitored, begun.pair.reference
        if rule and rule.kind == "sampled" and not item.verdict.passes:
            sources = self.monitored, self.reference
            tested = apply_tests(item.name, rule, one, other, sources, detailed=self.detailed)
        return Judged(self._with_notes(item, one, other), tested)

    def _unmatched(self, name: str, monitored: Objects, reference: Objects) -> Judged:
        if name in monitored.unread or name in reference.unread:
            return self._unread(name, monitored, reference)
        one, other = monitored.get(name), reference.get(name)
        item = _unpaired(
            name,
            self.policy.rule_for(name),
            one is not None,
            other is not None,
            About.of(one, other),
            self.words,
        )
        item = replace(
            item,
            monitored_hash=None if one is None else content_hash(one),
            reference_hash=None if other is None else content_hash(other),
        )
        return Judged(self._with_notes(item, one, other))

    def _unread(self, name: str, monitored: Objects, reference: Objects) -> Judged:
        one, other = monitored.unread.get(name), reference.unread.get(name)
        if one and other and are_trees_to_compare(one, other):
            item, apart = judge_trees(name, one, other, self.policy)
            return Judged(self._with_notes(item), apart=apart)
        decoded = name in monitored or name in reference
        return Judged(self._with_notes(self._undecoded(name, one, other, decoded=decoded)))

    def _undecoded(
        self, name: str, one: Unread | None, other: Unread | None, *, decoded: bool
    ) -> Item:
        rule = self.policy.rule_for(name)
        if one is not None and other is not None:
            return _known_by_bytes(name, rule, one, other)
        if decoded:
            what = one or other
            return _not_compared(name, rule, f"cannot be compared by this version ({what})")
        item = _unpaired(name, rule, one is not None, other is not None, About(), self.words)
        return replace(item, monitored_hash=_hash_of(one), reference_hash=_hash_of(other))

    def _with_notes(
        self, item: Item, one: DataObject | None = None, other: DataObject | None = None
    ) -> Item:
        notes: list[str] = []
        if item.rule is None and self.policy.rules:
            notes.append("no rule matches this name: compared exactly")
        if expired := self.policy.expired_for(item.name):
            notes.append(
                f"the rule '{expired.match}' ({expired.kind}) expired on {expired.expires}: "
                "not applied"
            )
        sides = (self.words.monitored, one), (self.words.reference, other)
        for side, thing in sides:
            if thing is None:
                continue
            if broken := int(np.count_nonzero(~np.isfinite(thing.values))):
                what = count_of(broken, "number")
                notes.append(f"{what} in {side} not finite (NaN or infinite)")
            stored = thing.sumw2 if isinstance(thing, Histogram) else None
            if stored is not None and (stored < 0).any():
                notes.append(f"negative sumw2 in {side}")
        return replace(item, notes=(*item.notes, *notes)) if notes else item


def _unpaired(
    name: str,
    rule: ComparisonRule | None,
    in_run: bool,
    in_reference: bool,
    about: About,
    words: Words,
) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    if not in_run:
        return Item(name, Verdict.MISSING, words.missing, words.missing, kind, rule, about)
    assert not in_reference
    sentence = f"{words.extra}: {words.extra_hint}"
    return Item(name, Verdict.EXTRA, words.extra, sentence, kind, rule, about)


def _known_by_bytes(name: str, rule: ComparisonRule | None, one: Unread, other: Unread) -> Item:
    """Compare what is not decoded: it is the same where all its digests are, and else unknown."""
    if one.reason != other.reason:
        item = _not_compared(name, rule, f"is a {one.reason}, reference a {other.reason}")
        if not (one.is_tree and other.is_tree):
            return item
        why = f"{item.headline}, of which only digests are at hand"
        hint = "compare the two files by 'reprun compare', or bless the new one"
        return replace(item, headline=why, sentence=f"{why}: {hint}")
    cannot = f"cannot be compared by this version ({one})"
    if not (one.parts and other.parts):
        return _not_compared(name, rule, cannot)
    hashes = digest_of_mapping(one.parts), digest_of_mapping(other.parts)
    differing = [
        part
        for part in sorted(one.parts.keys() | other.parts.keys())
        if one.parts.get(part) != other.parts.get(part)
    ]
    if differing == [BYTES]:
        item = _not_compared(name, rule, f"{cannot}; its stored bytes differ")
        return replace(item, monitored_hash=hashes[0], reference_hash=hashes[1])
    kind = rule.kind if rule else DEFAULT_KIND
    about = About(class_name=one.reason)
    if not differing:
        whole = one.parts.keys() == {BYTES}
        what = "its stored bytes" if whole else count_of(len(one.parts), "part")
        sentence = f"{what}, all the same ({one})"
        check = Check("content hash", passed=True, sentence=sentence)
        return Item(
            name, Verdict.IDENTICAL, "", sentence, kind, rule, about, hashes[0], hashes[0],
            checks=(check,),
        )  # fmt: skip
    headline = f"differs in {listed(differing, most=3)}"
    sentence = f"{headline}, of {count_of(len(one.parts.keys() | other.parts.keys()), 'part')}"
    return Item(
        name, Verdict.DIFFERENT, headline, sentence, kind, rule, about, *hashes,
        checks=(Check("content hash", passed=False, sentence=sentence),),
        needed="all its parts must be the same",
    )  # fmt: skip


def _hash_of(unread: Unread | None) -> str | None:
    """Return the digest of what is known of an object that no reader decodes, if anything is."""
    return digest_of_mapping(unread.parts) if unread is not None and unread.parts else None


def _not_compared(name: str, rule: ComparisonRule | None, headline: str) -> Item:
    kind = rule.kind if rule else DEFAULT_KIND
    sentence = f"{headline}: ignore it by a rule that says why"
    return Item(name, Verdict.NOT_COMPARABLE, headline, sentence, kind, rule, About())

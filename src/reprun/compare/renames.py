"""Renames: an object that both sides have, each under a name that the other lacks.

Two names belong together only where nothing else could: the content is on either side once, under
these names. What is empty, or one number of a document, is like many others and no evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reprun.compare.batches import judge_all
from reprun.compare.bench import Bench
from reprun.compare.verdict import About, Item, Verdict
from reprun.histograms import Source
from reprun.histograms.events import ENTRIES

FEWEST = 3
"""Numbers of a table."""


def with_renames(items: Sequence[Item], bench: Bench, cores: int) -> list[Item]:
    """Return the items with one for each pair of an extra and a missing object that are the same.

    It fails as both did: nobody has said that the new name is meant.
    """
    pairs = _pairs(items, bench)
    if not pairs:
        return list(items)
    aligned = replace(bench, reference=under_new_names(bench.reference, pairs))
    found: dict[str, Item] = {}
    for judged in judge_all(aligned, sorted(pairs), cores):
        new, old = judged.item.name, pairs[judged.item.name]
        if judged.item.verdict is not Verdict.IDENTICAL:
            continue  # of equal content hashes, what is stored besides may differ
        found[new] = replace(
            judged.item,
            verdict=Verdict.RENAMED,
            headline=f"was '{old}' in {bench.words.reference}, identical",
            sentence=f"renamed: {old} → {new}, identical",
            needed=bench.words.accepting(old, new),
            renamed_from=old,
        )
    gone = {item.renamed_from for item in found.values()}
    return [found.get(item.name, item) for item in items if item.name not in gone]


def under_new_names(reference: Source, pairs: Mapping[str, str]) -> Source:
    """Return the reference with objects under new names; `pairs` maps new to old."""
    if not pairs:
        return reference
    gone = set(pairs.values())
    kept = {name: name for name in reference.names if name not in gone}
    return reference.taking({**kept, **pairs})


def _pairs(items: Sequence[Item], bench: Bench) -> dict[str, str]:
    """Return old names by new ones."""
    here: dict[str, list[Item]] = defaultdict(list)
    there: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.monitored_hash is not None:
            here[item.monitored_hash].append(item)
        if item.reference_hash is not None:
            there[item.reference_hash].append(item)
    found: dict[str, str] = {}
    for digest, ours in here.items():
        theirs = there.get(digest, [])
        if len(ours) != 1 or len(theirs) != 1:
            continue
        new, old = ours[0], theirs[0]
        if new.verdict is not Verdict.EXTRA or old.verdict is not Verdict.MISSING:
            continue
        if not (_says_little(old.about) or _is_empty_tree(old.name, bench)):
            found[new.name] = old.name
    return found


def _says_little(about: About) -> bool:
    """Whether content is nothing, or so little that another object may have it by chance."""
    return about.reference_empty or (about.table and about.size < FEWEST)


def _is_empty_tree(name: str, bench: Bench) -> bool:
    unread = bench.reference.only([name]).unread.get(name)
    return unread is not None and unread.parts.get(ENTRIES) == "0"

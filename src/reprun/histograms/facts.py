"""Facts: what of an object counts besides its numbers, and whether text says more than one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reprun.histograms.model import Table

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
SURE_DIGITS = 15
"""Integers of so many digits are all exact as float64."""


ANNOTATIONS = " annotations"
"""Ends the name of an object that holds the facts of another."""


def as_annotations(name: str, facts: Mapping[str, str]) -> dict[str, Table]:
    """Return the facts of a histogram, which has no place for them, as an object beside it."""
    if not facts:
        return {}
    called = f"{name}{ANNOTATIONS}"
    nothing = np.empty((0, 0))
    return {called: Table(called, (), (), nothing, class_name="annotations", facts=facts)}


def remember(facts: dict[str, str], name: str, value: Any) -> None:
    """Add a fact; of two with one name both count."""
    unique, n = name, len(facts)
    while unique in facts:
        n += 1
        unique = f"{name} ({n})"
    facts[unique] = value if isinstance(value, str) else _text(value)


def rest(
    facts: dict[str, str], of: str, content: Mapping[str, Any], known: Collection[str]
) -> None:
    """Remember everything of a mapping but what is `known`; an item of a list is a fact each."""
    for key, value in content.items():
        if key in known or value is None:
            continue
        if isinstance(value, list):
            for n, item in enumerate(value, start=1):
                remember(facts, f"{key} {n} of {of}", item)
        else:
            remember(facts, f"{key} of {of}", value)


def category_labels(categories: Sequence[object]) -> tuple[str, ...]:
    """Return the label of each category; words that are integers stand in quotes."""
    labels = tuple(map(str, categories))
    if are_integers(labels) and all(isinstance(one, str) for one in categories):
        return tuple(f'"{label}"' for label in labels)
    return labels


def are_integers(labels: Iterable[str]) -> bool:
    """Say whether labels are those of integers."""
    return all(INTEGER.fullmatch(label) for label in labels)


def is_number(text: str) -> bool:
    """Say whether a text is a number, NaN and infinity among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_exact(text: str) -> bool:
    """Say whether float64 holds the number that a text says; true of all but large integers."""
    digits = text.strip().lstrip("+-").replace("_", "")
    if len(digits) <= SURE_DIGITS or not digits.isdecimal():
        return True
    value = float(text)
    return math.isfinite(value) and int(value) == int(text)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)

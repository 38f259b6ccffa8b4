"""Policy: which rule of `analysis.yaml` holds for an object."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from reprun.documents.analysis import ComparisonRule

DEFAULT_KIND = "count"
"""How an object is compared that no rule names: exactly."""


class Policy:
    """The rules that hold on one day. The first whose glob matches a name counts."""

    def __init__(self, rules: Sequence[ComparisonRule], today: datetime.date) -> None:
        self.rules = tuple(rules)
        self.expired = tuple(rule for rule in rules if rule.expires and rule.expires < today)
        self._active = tuple(rule for rule in rules if rule not in self.expired)

    def rule_for(self, name: str) -> ComparisonRule | None:
        """Return the rule that holds for `name`, None if no rule in force matches it."""
        return next((rule for rule in self._active if fnmatchcase(name, rule.match)), None)

    def rule_for_part(self, name: str, part: str) -> ComparisonRule | None:
        """Return the rule that holds for a column: the first that names it or its whole tree."""
        path = f"{name}/{part}"
        matching = (
            rule
            for rule in self._active
            if fnmatchcase(path, rule.match) or fnmatchcase(name, rule.match)
        )
        return next(matching, None)

    def expired_for(self, name: str) -> ComparisonRule | None:
        """Return the rule that would have held for `name` but for its date."""
        first = next((rule for rule in self.rules if fnmatchcase(name, rule.match)), None)
        return first if first in self.expired else None

    def idle(self, names: Iterable[str]) -> tuple[ComparisonRule, ...]:
        """Return the rules whose glob matches none of `names`."""
        known = list(names)
        return tuple(
            rule for rule in self.rules if not any(fnmatchcase(name, rule.match) for name in known)
        )

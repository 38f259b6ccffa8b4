"""The words of verdicts and reports, each explained in one line.

`reprun explain` prints them and docs/glossary.md is made from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from reprun.errors import SpecificationError, did_you_mean

Group = Literal["verdicts on an object", "verdicts on a run or cell", "words of sentences"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and what it means; `passes` where it is a verdict."""

    word: str
    meaning: str
    group: Group
    passes: bool | None = None


def _objects(passes: bool, **meanings: str) -> list[Word]:
    return [
        Word(word.replace("_", " "), meaning, "verdicts on an object", passes)
        for word, meaning in meanings.items()
    ]


def _runs(passes: bool, **meanings: str) -> list[Word]:
    return [
        Word(word.replace("_", " "), meaning, "verdicts on a run or cell", passes)
        for word, meaning in meanings.items()
    ]


GLOSSARY: Sequence[Word] = (
    *_objects(
        True,
        identical="every number, error and label is the same to the last bit (content hash)",
        equal="the numbers differ, but by no more than the rule of kind float or migrated allows",
        compatible="independent samples that pass their statistical tests (rule of kind sampled)",
    ),
    *_objects(
        False,
        renamed="the same content under another name; `map:` or `--map OLD=NEW` accepts it",
        changed="the numbers differ, by no more than two independent samples might: still no pass",
        different="the numbers differ by more than statistical fluctuations explain",
        not_comparable="class, axes, labels or stored errors differ, or the class cannot be read",
        extra="the run made it and the reference lacks it, so there is nothing to compare it with",
        new="there is no reference yet, so that nothing vouches for it: look, then bless",
        missing="the reference has it and the run did not make it",
    ),
    *_runs(
        True,
        reproduced="every object passes: identical, equal or compatible",
    ),
    *_runs(
        False,
        not_reproduced="at least one object does not pass; exit code 1",
        failed="the run ended with an error, so that nothing could be compared",
        not_run="the cell could not start for want of data, image, engine or store: fails a matrix",
        no_reference="the run finished, and nothing has been blessed yet to compare it with",
    ),
    *(
        Word(word, meaning, "words of sentences")
        for word, meaning in (
            ("allowed", "of a cell that could not run: `optional:` or --allow-not-run excuses it"),
            ("alpha", "the chance that a file of sampled objects fails although all agree"),
            (
                "blessed",
                "made the reference by `reprun bless`, with a reason, an author and a date",
            ),
            ("cause", "what differs between this run and the one that was blessed"),
            ("chi2", "the sum over all bins of the squared difference over its variance"),
            (
                "common factor",
                "one number by which every filled bin differs: a luminosity, a sign, a unit",
            ),
            (
                "content hash",
                "sha256 of all numbers, edges and labels of an object, not of its name",
            ),
            ("deviation", "something that was not done as locked or asked, and is reported"),
            ("filled bin", "a bin with content on either side, flow bins included"),
            ("first drift", "the earliest step of the workflow with an output that does not pass"),
            ("flow bin", "underflow or overflow: the entries outside of an axis"),
            ("Holm", "the correction of p-values for the number of tests, so that alpha is kept"),
            ("ignored", "left out of the verdict by a rule, which has a reason"),
            ("integral", "the sum of the contents without flow bins, as TH1::Integral gives it"),
            ("migrated", "entries found in a neighbouring bin, which alone explain the difference"),
            ("p-value", "the chance of a difference at least as large if both samples agree"),
            ("pull", "the difference over the errors of both sides, added in quadrature"),
            ("relative", "the difference over the larger of both numbers"),
            ("sampled", "a kind of rule: both sides are independent samples, compared by tests"),
            ("sumw2", "the sum of squared weights of a bin; its root is the error"),
            ("toys", "pseudo-experiments from the reference, for p-values without a formula"),
            ("ulp", "unit in the last place: the step between neighbouring floating-point numbers"),
            ("unchanged since", "nothing ran, because nothing changed: the verdict is of that day"),
            ("worst", "the bin with the largest pull, or the largest relative difference"),
        )
    ),
)


def explained(word: str) -> Word:
    """Return a word as it was typed, in whatever case and with hyphens or blanks.

    Raises SpecificationError for one that is not in the glossary, with the nearest and all others.
    """
    known = {_plain(one.word): one for one in GLOSSARY}
    if (found := known.get(_plain(word))) is not None:
        return found
    raise SpecificationError(
        f"'{word}' is not in the glossary{did_you_mean(_plain(word), known) or '.'} "
        f"It has: {', '.join(one.word for one in GLOSSARY)}",
        hint="reprun explain",
    )


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())

"""A run as history keeps it: what it was, what it was made from, and how it was judged.

These are the values that go into the database and come out of one, our own or another machine's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from reprun.bounded import limits
from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.reading import Document, Finite
from reprun.documents.validation import DIGEST
from reprun.images.packages import Packages

State = Literal["compared", "nothing to compare", "failed", "interrupted", "not run"]
"""What became of a run; only one that was compared has a verdict, that of its report."""
Verdict = Literal["reproduced", "not reproduced", "no reference"]
Kind = Literal[
    "image",
    "data",
    "conditions",
    "code",
    "parameter",
    "engine",
    "host",
    "program",
    "deviation",
    "reference",
    "rules",
]
"""The kinds of factors, in the order in which they are told."""
KINDS: tuple[Kind, ...] = get_args(Kind)
JUDGING: frozenset[Kind] = frozenset({"reference", "rules"})
"""Factors that decide a verdict and no content."""

SHORT = 12
"""Digits of an identity by which people name a run."""

Digest = Annotated[str, Field(pattern=DIGEST)]
Text = Annotated[str, StringConstraints(max_length=limits.HISTORY_TEXT.value)]


class Factor(Document):
    """One thing that may decide the result."""

    kind: Kind
    name: Text
    digest: Digest
    value: Text = ""
    """What it is, where that is short; of a table, the column that names its rows."""

    @property
    def key(self) -> tuple[int, str]:
        """What it is known by, in the order in which factors are told."""
        return KINDS.index(self.kind), self.name


class Step(Document):
    """One step of the workflow: what it took."""

    name: Text
    seconds: Finite
    cpu_seconds: Finite | None = None
    max_rss_bytes: int | None = None
    kept: bool = False
    """It ran in an earlier run, and its outputs still held."""


class Object(Document):
    """One object that was compared."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    name: Text
    verdict: Text
    passes: bool
    content_hash: Text | None = None
    """Of the run's own object; null where it is missing or was not decoded."""
    largest_deviation: float | None = None
    """The largest relative difference of a bin or cell; null where it is no number."""
    largest_pull: float | None = None


class Made(Document):
    """What a run record says: what went in, and what it took."""

    digest: Digest
    """Of the file `record.json`."""
    finished: AwareDatetime
    wall_seconds: Finite
    factors: Annotated[tuple[Factor, ...], Field(max_length=limits.HISTORY_FACTORS.value)]
    steps: Annotated[tuple[Step, ...], Field(max_length=limits.HISTORY_STEPS.value)] = ()

    @property
    def factors_digest(self) -> str:
        """One digest over all that decides what a run makes: the same for runs that must agree."""
        deciding = [
            [each.kind, each.name, each.digest]
            for each in sorted(self.factors, key=lambda factor: factor.key)
            if each.kind not in JUDGING
        ]
        return sha256_bytes(canonical_json(deciding))


class Judged(Document):
    """What the sealed report of a run says."""

    digest: Digest
    """Of the file `report.json`, which the record of the run names."""
    verdict: Verdict
    sentence: Text
    objects: Annotated[tuple[Object, ...], Field(max_length=limits.HISTORY_OBJECTS.value)]
    left_out: int = 0
    """How many more objects the report has than are kept."""

    @property
    def objects_digest(self) -> str:
        """One digest over the content of every object."""
        contents = sorted([each.name, each.content_hash or ""] for each in self.objects)
        return sha256_bytes(canonical_json(contents))


class Run(Document):
    """One run of one cell, or one night in which it was looked at."""

    at: AwareDatetime
    """When it was started; the cells of a matrix have one instant in common."""
    analysis: Text
    variant: Text
    dataset: Text = ""
    tier: Text = ""
    image: Text
    state: State
    ran: bool
    """Whether steps ran now; else the result is that of an earlier run, and still holds."""
    sentence: Text = ""
    """What kept it from a verdict; empty where there is one."""
    record: Digest | None = None
    report: Digest | None = None

    @property
    def identity(self) -> str:
        """What tells this run from every other of any machine: a digest of all that it says."""
        facts = self.model_dump(mode="json") | {"at": instant(self.at)}
        return sha256_bytes(canonical_json(facts))


class Entry(Document):
    """A run with what it was made from and how it was judged, where that is not known yet."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    run: Run
    made: Made | None = None
    judged: Judged | None = None
    packages: Mapping[str, Packages] = {}
    """What is installed in the images of the run, by image ID."""
    texts: Mapping[str, bytes] = {}
    """Code and tables by digest, so that a later change can be told line by line."""


def instant(at: dt.datetime) -> str:
    """Return a time as the database has it: in UTC, so that times sort as texts do."""
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds")


def short_of(identity: str) -> str:
    """Return the name of a run for people."""
    return identity.removeprefix("sha256:")[:SHORT]

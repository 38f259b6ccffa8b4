"""What of a workflow has to run again: one of three answers, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Nothing:
    """No step: inputs and outputs are those of the last run."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What Snakemake itself finds out of date, and every step of the named rules."""

    reason: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    """Every step, whatever an earlier run left."""

    reason: str


Steps = Rules | Everything
Rerun = Nothing | Steps

OUT_OF_DATE = Rules("it is out of date")
"""What plain Snakemake would run."""

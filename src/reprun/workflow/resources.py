"""Amounts as Kubernetes and REANA write them (`256Mi`, `500m`), in our units."""

from __future__ import annotations

import math
import re

from reprun.engines.base import MIB
from reprun.errors import SpecificationError

_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGTPE]i?)?")
_CPU = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<milli>m)?")
_POWERS = "KMGTPE"


def memory_mb(text: str) -> int:
    """Return an amount of memory in MiB, rounded up: `256Mi`, `1G`, `1.5Gi`, or bytes.

    Raises SpecificationError for what REANA would not take either.
    """
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise SpecificationError(
            f"'{text}' is not an amount of memory", hint='kubernetes_memory_limit: "256Mi"'
        )
    unit = found["unit"] or ""
    base = 1024 if unit.endswith("i") else 1000
    size = float(found["number"]) * (base ** (_POWERS.index(unit[0]) + 1) if unit else 1)
    return max(1, math.ceil(size / MIB))


def cpus(text: str) -> float:
    """Return a number of CPUs: `2`, `0.5`, `500m`; SpecificationError for anything else."""
    found = _CPU.fullmatch(text)
    number = float(found["number"]) / (1000 if found["milli"] else 1) if found else 0.0
    if not number:
        raise SpecificationError(
            f"'{text}' is not a number of CPUs", hint='kubernetes_cpu_limit: "500m"'
        )
    return number

"""Verdicts do not depend on the processes that a comparison is shared among."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from reprun.compare import batches, compare
from reprun.errors import OutputMissingError
from reprun.histograms import Objects
from tests.compare_support import SAMPLED, TODAY, many, run_many, verdicts


def test_verdicts_depend_neither_on_processes_nor_on_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = run_many(h007=500.0)
    assert [item.name for item in alone.failures] == ["h007"]
    assert verdicts(run_many(cores=2, h007=500.0)) == verdicts(alone)
    monkeypatch.setattr(batches, "LARGEST_BATCH", 7)
    assert verdicts(run_many(h007=500.0)) == verdicts(alone)


def test_an_error_in_a_process_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Objects):
        def only(self, names: Iterable[str]) -> Objects:
            wanted = list(names)
            if "h123" in wanted:
                raise OutputMissingError("h123 is broken")
            return super().only(wanted)

    with pytest.raises(OutputMissingError, match="h123 is broken"):
        compare(Broken(many(1).by_name), many(2), [SAMPLED], TODAY, cores=2)


def test_a_killed_process_costs_time_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    class Killed(Objects):
        def only(self, names: Iterable[str]) -> Objects:
            if os.getpid() != here:
                os._exit(9)
            return super().only(names)

    found = compare(Killed(many(1).by_name), many(2), [SAMPLED], TODAY, cores=2)
    assert verdicts(found) == verdicts(run_many())

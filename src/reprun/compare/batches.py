"""Many objects: in batches, so that memory stays small, and on several cores where it pays."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from reprun.compare.bench import Bench, Judged

LARGEST_BATCH = 500
FEWEST_FOR_CORES = 200
"""Below it, starting processes costs more than they save."""
MOST_CORES = 4
"""More share a disk and the memory of one machine with little gain."""

# What a forked worker inherits: the sides hold open files' keys and need not be sent.
_bench: Bench | None = None


def judge_all(bench: Bench, names: list[str], cores: int) -> list[Judged]:
    """Judge all names, in their order, on up to `cores` processes (Linux only)."""
    workers = min(cores, MOST_CORES) if sys.platform == "linux" else 1
    if workers < 2 or len(names) < FEWEST_FOR_CORES:
        return [one for batch in _batches(names, LARGEST_BATCH) for one in bench.judge(batch)]
    size = max(20, min(LARGEST_BATCH, len(names) // (8 * workers)))
    return list(_in_processes(bench, list(_batches(names, size)), workers))


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _in_processes(bench: Bench, batches: list[list[str]], workers: int) -> Iterator[Judged]:
    global _bench  # noqa: PLW0603 - the one thing that fork hands over without a copy
    _bench = bench
    context = multiprocessing.get_context("fork")
    done = 0
    try:
        with ProcessPoolExecutor(workers, context) as pool, warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads; those of numpy's BLAS survive one.
            warnings.simplefilter("ignore", DeprecationWarning)
            for found in pool.map(_judge, batches):
                # A batch that fails is judged here once more: its error is raised as it is.
                yield from bench.judge(batches[done]) if found is None else found
                done += 1
    except BrokenProcessPool:
        # A worker was killed, for want of memory most likely: go on alone.
        for batch in batches[done:]:
            yield from bench.judge(batch)
    finally:
        _bench = None


def _judge(batch: list[str]) -> list[Judged] | None:
    assert _bench is not None
    try:
        return _bench.judge(batch)
    except Exception:  # noqa: BLE001 - whatever it is, the parent meets it again and reports it
        return None

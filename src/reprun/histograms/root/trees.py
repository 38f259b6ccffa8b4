"""Trees and RNTuples as digests of their branches: which hold the same, and which do not.

A digest covers the values of a branch in the order of the entries, and nothing of how they are
stored: not the baskets, not the compression, not the writer. As in the content hash of a
histogram -0.0 counts as 0.0 and every NaN as the same one. A branch that uproot does not decode
is known by the bytes of its entries.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reprun.digests import PREFIX, canonical_json, sha256_bytes
from reprun.histograms.events import ENTRIES, STORED, Column, Events, canonical_values, column_of
from reprun.wording import shortened

TREES = re.compile(r"^(TTree|TNtuple|TNtupleD|ROOT::(?:Experimental::)?RNTuple)$")
ENTRIES_AT_A_TIME = 100_000
"""One step for all files: where lists are cut into parts must not depend on the baskets."""
BASKETS_AT_A_TIME = 10
"""As many are read in one go: of those at its ends, which are read twice, there are few."""
MOST_BYTES_AT_A_TIME = 32_000_000


class UndecodedError(Exception):
    """A branch is of a type that is not decoded; the message names it."""


@dataclass(frozen=True, slots=True)
class RootEvents:
    """The entries of a tree or RNTuple in a file."""

    path: Path
    place: str
    """Its path with cycle."""
    entries: int
    columns: Sequence[str]
    """Those that uproot decodes."""

    @contextmanager
    def opened(self) -> Iterator[Events]:
        """Yield the events to read. Raises what uproot raises for a file that has changed since."""
        import uproot  # noqa: PLC0415 - 0.2 s that most files need not pay

        with uproot.open(self.path) as file:
            yield _OpenEvents(self.entries, self.columns, dict(_columns(file[self.place])))


@dataclass(frozen=True, slots=True)
class _OpenEvents:
    """The entries of a tree in a file that is open."""

    entries: int
    columns: Sequence[str]
    branches: Mapping[str, Any]

    def column(self, name: str) -> Column:
        """Read one column."""
        return column_of(self.branches[name].array(library="ak"))


def branch_digests(tree: Any) -> dict[str, str]:
    """Return the digest of each branch of uproot's tree or RNTuple, and the number of entries.

    Raises UndecodedError for the first field of an RNTuple that uproot does not decode.
    """
    entries = int(tree.num_entries)
    found = {ENTRIES: str(entries)}
    with ThreadPoolExecutor(1) as thread:
        hasher = _Hasher(thread)
        # A branch is hashed while the next one is read; then there is one to wait for.
        branches = [
            (name, branch, hasher.started(_read(branch, entries)))
            for name, branch in _columns(tree)
        ]
        for name, branch, hashed in branches:
            try:
                found[name] = hashed()
            except Exception as error:
                # uproot has many errors for what it does not know; each means: not decoded.
                if not hasattr(branch, "num_baskets"):
                    kind = getattr(branch, "typename", None) or "an unknown type"
                    raise UndecodedError(f"field {name} of {shortened(str(kind))}") from error
                found[name + STORED] = _digest_of_bytes(branch)
    return found


def decoded_columns(parts: Sequence[str]) -> list[str]:
    """Return the columns that are among the parts of a tree."""
    return [part for part in parts if part != ENTRIES and not part.endswith(STORED)]


class _Hasher:
    """Hashes in another thread, one array at a time: no more than two are in memory."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._before: Future[None] | None = None

    def started(self, arrays: Iterator[Any]) -> Callable[[], str]:
        """Read arrays to their end; return what waits for their digest, or raises its error."""
        digest = hashlib.sha256()
        parts: list[Future[None]] = []
        try:
            for values in arrays:
                if self._before is not None:
                    wait([self._before])
                self._before = self._thread.submit(_update, digest, values)
                parts.append(self._before)
        except Exception as error:  # noqa: BLE001 - uproot's, of which there are many
            failed: Future[None] = Future()
            failed.set_exception(error)
            parts.append(failed)

        def hashed() -> str:
            for part in parts:
                part.result()
            return PREFIX + digest.hexdigest()

        return hashed


def _update(digest: Any, values: Any) -> None:
    for part in _parts(values):
        digest.update(part)


def _read(branch: Any, entries: int) -> Iterator[Any]:
    """Yield the values of a branch, each time of a multiple of `ENTRIES_AT_A_TIME`."""
    baskets = max(int(getattr(branch, "num_baskets", 0)), 1)
    size = int(getattr(branch, "uncompressed_bytes", 0)) / max(entries, 1)
    wanted = BASKETS_AT_A_TIME * entries / baskets
    wanted = min(wanted, max(MOST_BYTES_AT_A_TIME / max(size, 1.0), 1))
    step = max(int(wanted) // ENTRIES_AT_A_TIME, 1) * ENTRIES_AT_A_TIME
    for start in range(0, entries, step):
        stop = min(start + step, entries)
        yield branch.array(entry_start=start, entry_stop=stop, library="ak")


def _digest_of_bytes(branch: Any) -> str:
    """Return the digest of type, sizes and bytes of all entries, wherever a basket ends."""
    sizes, stored = hashlib.sha256(), hashlib.sha256()
    for number in range(int(branch.num_baskets)):
        basket = branch.basket(number)
        if basket.byte_offsets is not None:
            sizes.update(canonical_values(np.diff(basket.byte_offsets)))
        stored.update(np.ascontiguousarray(basket.data).tobytes())
    kind = str(getattr(branch, "typename", None))
    return sha256_bytes(canonical_json([kind, sizes.hexdigest(), stored.hexdigest()]))


def _columns(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the branches that hold values: of one that is split, those below it."""
    if not hasattr(tree, "branches"):
        for field in tree.fields:
            yield field.name, field
        return
    seen: Counter[str] = Counter()
    for name, branch in tree.iteritems(recursive=True):
        # Of a class with bases or without members there is a branch that stores nothing: it has
        # no basket. How many bytes are in them not every writer counts.
        stores = branch.num_baskets or branch.uncompressed_bytes or not tree.num_entries
        if not branch.branches and stores:
            seen[name] += 1
            yield name if seen[name] == 1 else f"{name}#{seen[name]}", branch


def _parts(values: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an array and of all that is in its lists and records, step by step."""
    import awkward as ak  # noqa: PLC0415 - comes with uproot, and files without trees do without

    if isinstance(values.layout, ak.contents.NumpyArray) and values.ndim == 1:
        # Numbers are cut as numpy's: to cut arrays of awkward costs as much as to hash them.
        form, _, buffers = ak.to_buffers(values)
        described = form.to_dict(verbose=False)
        for numbers in _steps(np.asarray(next(iter(buffers.values())))):
            yield canonical_json([described, len(numbers)])
            yield canonical_values(numbers)
        return
    for some in _steps(values):
        form, length, buffers = ak.to_buffers(ak.to_packed(some))
        yield canonical_json([form.to_dict(verbose=False), length])
        for key in sorted(buffers):
            yield canonical_values(np.asarray(buffers[key]))


def _steps(values: Any) -> Iterator[Any]:
    for start in range(0, len(values), ENTRIES_AT_A_TIME):
        yield values[start : start + ENTRIES_AT_A_TIME]

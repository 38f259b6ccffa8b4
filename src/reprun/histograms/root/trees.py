"""Trees and RNTuples as digests of their branches: which hold the same, and which do not.

A digest covers the values of a branch in the order of the entries, and nothing of how they are
stored: not the baskets, not the compression, not the writer. As in the content hash of a
histogram -0.0 counts as 0.0 and every NaN as the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from reprun.digests import PREFIX, canonical_json, sha256_bytes
from reprun.wording import shortened

TREES = re.compile(r"^(TTree|TNtuple|TNtupleD|ROOT::(?:Experimental::)?RNTuple)$")
ENTRIES = "number of entries"
ENTRIES_AT_A_TIME = 100_000
"""One step for all files: where lists are cut into parts must not depend on the baskets."""


class UndecodedError(Exception):
    """A branch is of a type that is not decoded; the message names it."""


def branch_digests(tree: Any) -> dict[str, str]:
    """Return the digest of each branch of uproot's tree or RNTuple, and of the number of entries.

    Raises UndecodedError for the first branch that uproot does not decode.
    """
    entries = int(tree.num_entries)
    found = {ENTRIES: sha256_bytes(str(entries).encode())}
    for name, branch in _columns(tree):
        digest = hashlib.sha256()
        for start in range(0, entries, ENTRIES_AT_A_TIME):
            stop = min(start + ENTRIES_AT_A_TIME, entries)
            for part in _parts(_values(name, branch, start, stop)):
                digest.update(part)
        found[name] = PREFIX + digest.hexdigest()
    return found


def _columns(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield the branches that hold values: of one that is split, those below it."""
    if not hasattr(tree, "branches"):
        for field in tree.fields:
            yield field.name, field
        return
    for name, branch in tree.iteritems(recursive=True):
        # Of a class with bases or without members there is a branch that stores nothing.
        if not branch.branches and branch.uncompressed_bytes:
            yield name, branch


def _values(name: str, branch: Any, start: int, stop: int) -> Any:
    """Return what uproot makes of some entries of a branch."""
    try:
        return branch.array(entry_start=start, entry_stop=stop, library="ak")
    except Exception as error:
        # uproot has many errors for what it does not know; each means that it is not decoded.
        kind = getattr(branch, "typename", None) or "an unknown type"
        raise UndecodedError(f"branch {name} of {shortened(str(kind))}") from error


def _parts(values: Any) -> Iterator[bytes]:
    """Yield the bytes of an array and of all that is in its lists and records."""
    import awkward as ak  # noqa: PLC0415 - comes with uproot, and files without trees do without

    form, length, buffers = ak.to_buffers(ak.to_packed(values))
    yield canonical_json([form.to_dict(verbose=False), length])
    for key in sorted(buffers):
        yield _canonical(np.asarray(buffers[key]))


def _canonical(values: Any) -> bytes:
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype.kind == "f":
        flat = flat + flat.dtype.type(0)
        flat[np.isnan(flat)] = np.nan
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()

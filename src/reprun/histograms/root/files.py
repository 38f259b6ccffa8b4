"""ROOT files: histograms by the direct decoder, everything that it does not know by uproot.

What is in a list, a folder or a canvas is an object of its own, as if that were a directory.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reprun.bounded import limits
from reprun.digests import sha256_bytes
from reprun.errors import OutputMissingError
from reprun.histograms.model import BYTES, DataObject, Objects, Unread
from reprun.histograms.root.containers import CONTAINERS, Member, Payload, Span
from reprun.histograms.root.direct import decoded, efficiency
from reprun.histograms.root.fit_results import FIT_RESULT, fit_result
from reprun.histograms.root.keys import (
    DIRECTORIES,
    BrokenError,
    ForeignError,
    Key,
    newest_keys,
    object_bytes,
    streamers,
)
from reprun.histograms.root.models import HISTOGRAM, UnsupportedError, from_model
from reprun.histograms.root.roofit_workspaces import (
    VARIABLES,
    WORKSPACE,
    workspace_variables,
)
from reprun.histograms.root.trees import (
    TREES,
    RootEvents,
    UndecodedError,
    branch_digests,
    decoded_columns,
)
from reprun.histograms.root.uhi_ntuples import uhi_histogram
from reprun.wording import shortened, size_of

EFFICIENCY = "TEfficiency"
OF_WORKSPACE = " variables"
"""Ends the name of the variables of a workspace."""
ELSEWHERE = re.compile(r"^(TTree|TNtuple|TNtupleD|TChain|TBranch|TBasket|ROOT::.*RNTuple)$")
"""Classes whose own bytes do not say what they hold: the numbers lie elsewhere in the file."""


def read_root(path: Path) -> Objects:
    """Read every histogram of a ROOT file, in sub-directories too, by its path in the file.

    Of several cycles of one name the newest counts, as in ROOT. Raises OutputMissingError if
    the file or an object in it cannot be read.
    """
    source = open_root(path)
    return source.only(source.names)


def open_root(path: Path) -> RootSource:
    """Return what a ROOT file holds, decoded object by object when it is asked for.

    So files of any number of objects take little memory. Raises OutputMissingError if the
    file cannot be read; reading an object later raises it too.
    """
    with _mapped(path) as data:
        try:
            keys = newest_keys(data)
        except BrokenError as error:
            raise _unreadable(path, str(error)) from error
        size = len(data)
        held = {name: key for name, key in keys.items() if key.class_name not in DIRECTORIES}
        whole = sum(key.length for key in held.values())
        if whole > limits.FREE_FILE.value + limits.FILE_RATIO * size:
            raise _unreadable(
                path, f"it has {size_of(whole)} once decompressed, of {size_of(size)} on disk"
            )
        return RootSource(path, _with_members(data, held))


def check_root(path: Path) -> None:
    """Raise OutputMissingError for a ROOT file that uproot would not read within the limits.

    What a tree keeps beside its own object, its baskets, is not looked at.
    """
    with _mapped(path) as data:
        try:
            for key in newest_keys(data).values():
                if key.class_name not in DIRECTORIES:
                    object_bytes(data, key)
        except BrokenError as error:
            raise _unreadable(path, str(error)) from error
        _check_streamers(path, data)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an object is: all of a key, or a part of one that is a container."""

    key: Key
    member: Member | None = None

    @property
    def class_name(self) -> str:
        """The class of the object."""
        return self.key.class_name if self.member is None else self.member.span.class_name

    def span_in(self, payload: Payload) -> Span:
        """Return where its bytes are among all those that the key has."""
        whole = Span(self.key.class_name, 0, 0, len(payload.data))
        return whole if self.member is None else self.member.span

    def of(self, payload: Payload) -> bytes:
        """Return the bytes of the object, of all those that the key has."""
        span = self.span_in(payload)
        return payload.data[span.start : span.end]

    def undecoded(self, payload: Payload) -> Unread:
        """Return the object as what it is without being decoded."""
        if not payload.data or ELSEWHERE.match(self.class_name):
            return Unread(self.class_name)
        if self.member is None:
            return Unread(self.class_name, {BYTES: sha256_bytes(payload.data)})
        return Unread(self.class_name, {BYTES: payload.digest(self.member.span)})


def _with_members(data: mmap.mmap, keys: Mapping[str, Key]) -> dict[str, Entry]:
    """Return every object by name, those in containers below these."""
    found = {name: Entry(key) for name, key in keys.items()}
    for name, key in keys.items():
        if key.class_name == WORKSPACE and f"{name}{OF_WORKSPACE}" not in keys:
            found |= _with_variables(data, name, key)
        if key.class_name not in CONTAINERS or key.ambiguous:
            continue
        try:
            unpacked = object_bytes(data, key)
        except BrokenError:
            continue  # reported when it is read
        members: list[Member] = []
        try:
            members += Payload(unpacked, key.header).opened(key.class_name, name)
        except BrokenError as error:
            known = Unread(key.class_name, {BYTES: sha256_bytes(unpacked)}, shortened(str(error)))
            members = [Member(name, Span(key.class_name, 0, 0, len(unpacked)), known)]
        for member in members:
            taken = member.name in found and member.name != name
            found[member.name] = Entry(replace(key, ambiguous=taken), member)
    return found


def _with_variables(data: mmap.mmap, name: str, key: Key) -> dict[str, Entry]:
    """Return the variables of a workspace as an object of their own, where they are decoded."""
    called = f"{name}{OF_WORKSPACE}"
    try:
        payload = Payload(object_bytes(data, key), key.header)
        workspace_variables(called, payload)
    except (BrokenError, ForeignError):
        return {}  # what is broken is reported when it is read
    return {called: Entry(key, Member(called, Span(VARIABLES, 0, 0, len(payload.data))))}


@dataclass(frozen=True, slots=True)
class RootSource:
    """The objects of one ROOT file by name, not yet decoded."""

    path: Path
    entries: Mapping[str, Entry]

    @property
    def names(self) -> Collection[str]:
        """The names of all objects, those included that cannot be decoded."""
        return self.entries.keys()

    def only(self, names: Iterable[str]) -> Objects:
        """Decode the objects of some names; those whose bytes are broken are among the unread.

        Raises OutputMissingError where the file cannot be read at all.
        """
        found: dict[str, DataObject] = {}
        unread: dict[str, Unread] = {}
        rest: dict[str, _Waiting] = {}
        with _mapped(self.path) as data:
            payload, of = Payload(b"", 0), None
            for name in names:
                if (entry := self.entries.get(name)) is None:
                    continue
                if entry.key.ambiguous:
                    unread[name] = Unread(entry.class_name, fault="two objects have this path")
                    continue
                if entry.member is not None and entry.member.container is not None:
                    unread[name] = entry.member.container
                    continue
                try:
                    if entry.key.start != of:
                        payload, of = Payload(b"", 0), None
                        payload = Payload(object_bytes(data, entry.key), entry.key.header)
                        of = entry.key.start
                    thing = _directly(name, entry, payload)
                except BrokenError as error:
                    unread[name] = _broken(entry.undecoded(payload), str(error))
                else:
                    if thing is None:
                        undecoded = entry.undecoded(payload)
                        rest[name] = _Waiting(entry, undecoded, payload if entry.member else None)
                    else:
                        found[name] = thing
            if rest:
                _check_streamers(self.path, data)
        left = _by_uproot(self.path, rest) if rest else Objects()
        return Objects(found | dict(left.by_name), unread | dict(left.unread))

    def taking(self, names: Mapping[str, str]) -> RootSource:
        """Return the objects of some names under new ones; `names` maps new to old."""
        moved = {new: self.entries[old] for new, old in names.items() if old in self.entries}
        return RootSource(self.path, moved)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An object that the direct decoder does not know."""

    entry: Entry
    undecoded: Unread
    """What it is where uproot does not decode it either."""
    payload: Payload | None
    """The bytes of the container that it is in."""


def _broken(undecoded: Unread, what: str) -> Unread:
    return replace(undecoded, fault=shortened(what))


def _directly(name: str, entry: Entry, payload: Payload) -> DataObject | None:
    """Return what the direct decoder makes of an object, None if it does not know it.

    Raises BrokenError for an object whose bytes no reader may go on with, uproot included.
    """
    try:
        if HISTOGRAM.match(entry.class_name):
            return decoded(name, entry.class_name, entry.of(payload))
        if entry.class_name == EFFICIENCY:
            most = limits.FREE_CELLS.value + entry.key.size
            return efficiency(name, entry.of(payload), most, payload.classes)
        if entry.class_name == VARIABLES:
            return workspace_variables(name, payload)
        if entry.class_name == FIT_RESULT:
            return fit_result(name, payload, entry.span_in(payload))
    except ForeignError:
        return None
    return None


def _check_streamers(path: Path, data: mmap.mmap) -> None:
    """Refuse descriptions of classes that uproot would decompress without a limit."""
    try:
        if (key := streamers(data)) is not None:
            object_bytes(data, key)
    except BrokenError as error:
        raise _unreadable(path, f"descriptions of classes: {error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """Yield the bytes of a file."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
        yield data


def _unreadable(path: Path, what: str) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable ROOT file: {shortened(what)}", place=str(path)
    )


def _by_uproot(path: Path, wanted: Mapping[str, _Waiting]) -> Objects:
    """Read some objects whose bytes the direct reader has seen, and does not know."""
    import uproot  # noqa: PLC0415 - 0.2 s that most files need not pay

    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    try:
        with uproot.open(path) as file:
            for name, waiting in wanted.items():
                entry, undecoded = waiting.entry, waiting.undecoded
                try:
                    thing: DataObject | Unread | None
                    if TREES.match(entry.class_name) and entry.member is None:
                        model = _model(file, waiting)
                        thing = uhi_histogram(name, model) or _tree(path, entry, model)
                    else:
                        most = limits.FREE_CELLS.value + entry.key.size
                        get = partial(_model, file, waiting)
                        thing = from_model(name, entry.class_name, get, most) or undecoded
                    if isinstance(thing, Unread):
                        unread[name] = thing
                    else:
                        found[name] = thing
                except (UnsupportedError, UndecodedError) as reason:
                    unread[name] = _broken(undecoded, str(reason))
                # Broken bytes lead uproot into whatever they decode to: zlib.error, struct.error,
                # IndexError, KeyError, AssertionError and more. All of them mean the same.
                except Exception as error:  # noqa: BLE001
                    unread[name] = _broken(undecoded, _first_line(error))
    # Of the file as a whole, as of an object below: uproot has many errors for broken bytes.
    except Exception as error:
        raise _unreadable(path, _first_line(error)) from error
    return Objects(found, unread)


def _tree(path: Path, entry: Entry, model: Any) -> Unread:
    parts = branch_digests(model)
    place = f"{entry.key.path};{entry.key.cycle}"
    events = RootEvents(path, place, int(model.num_entries), decoded_columns(list(parts)))
    return Unread(entry.class_name, parts, events=events)


def _model(file: Any, waiting: _Waiting) -> Any:
    """Return uproot's model of an object; of a container only what is asked for is decoded."""
    import uproot  # noqa: PLC0415 - as above

    key, member, payload = waiting.entry.key, waiting.entry.member, waiting.payload
    if member is None or payload is None:
        return file[f"{key.path};{key.cycle}"]
    whole = file.file
    bytes_of = np.frombuffer(payload.data, np.uint8)
    chunk = uproot.source.chunk.Chunk.wrap(whole.source, bytes_of)
    known = {
        place: whole.class_named(name)
        for place, name in payload.classes.items()
        if name in uproot.classes or name in whole.streamers
    }
    cursor = uproot.source.cursor.Cursor(member.span.start, -key.header, known)
    model = whole.class_named(member.span.class_name)
    context = {"breadcrumbs": (), "TKey": None}
    return model.read(chunk, cursor, context, whole, whole.detached, None)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

"""Containers in a ROOT file: the objects in a list, a folder, a stack or a canvas.

Before each object that a pointer leads to, ROOT writes how long it is and of which class: by name,
or by the place where that name stands already (TBufferFile::WriteObjectAny). So they are found in
the bytes of any container, whatever else its class has. What is between them belongs to the
container itself and counts by its digest.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reprun.bounded import limits
from reprun.digests import PREFIX, canonical_json, sha256_bytes
from reprun.histograms.model import Unread, printable
from reprun.histograms.root.keys import BrokenError, text_at

COLLECTIONS = frozenset(
    {"TList", "TSortedList", "THashList", "TObjArray", "TOrdCollection", "TMap"}
)
CONTAINERS = COLLECTIONS | {"TFolder", "THStack", "TMultiGraph", "TPad", "TCanvas"}
DRAWING = frozenset({"TColor"})
"""Classes of which a canvas keeps hundreds: no results, so they count among its own fields."""
MEMBERS, FIELDS = "its list of objects", "its own fields"
"""What a container is besides the objects in it: their order, names and classes, and the rest."""

HAS_BYTE_COUNT = 0x40000000
CLASS_REFERENCE = 0x80000000
MAP_OFFSET = 2
"""References count from two bytes before the key."""
IS_REFERENCED = 1 << 4
NEW_CLASS = re.compile(rb"\xff\xff\xff\xff([A-Za-z_][\w:<>,\* ]{0,300})\x00")
POINTER = re.compile(rb"[\x40-\x7f].{3}(?=[\x80-\xff])", re.DOTALL)
"""A byte count, and what may be the class after it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the bytes of an object are, within those of its key."""

    class_name: str
    pointer: int
    """Where the pointer to it starts."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Member:
    """An object in a container."""

    name: str
    span: Span
    container: Unread | None = None
    """What it is besides the objects in it, if it is a container again."""


@dataclass(slots=True)
class Payload:
    """The decompressed bytes of a key, and the classes that are named in them."""

    data: bytes
    header: int
    """Bytes of the key before them: references count those too."""
    classes: Mapping[int, str] = field(init=False)
    """Every class by what refers to it."""
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._left = limits.ROOT_MEMBERS.value
        shift = self.header + MAP_OFFSET
        self.classes = {
            found.start() + shift: found[1].decode("ascii")
            for found in NEW_CLASS.finditer(self.data)
        }

    def opened(self, class_name: str, name: str) -> Iterator[Member]:
        """Yield a container called `name`, and everything that it and containers in it hold.

        Raises BrokenError for one that holds too much, or too deeply.
        """
        yield from self._opened(name, Span(class_name, 0, 0, len(self.data)), 0)

    def digest(self, span: Span, depth: int = 0) -> str:
        """Return the digest of an object, without its sizes and without where classes are named.

        Both change with what is before it in the container.
        """
        at = self._after_sizes(span)[0]
        versions = [self.data[place + 4 : place + 6] for place in range(span.start, at, 6)]
        digest = hashlib.sha256(b"".join(versions))
        for inner in self.pointers(at, span.end):
            _check(depth)
            digest.update(self.data[at : inner.pointer])
            digest.update(canonical_json([inner.class_name, self.digest(inner, depth + 1)]))
            at = inner.end
        digest.update(self.data[at : span.end])
        return PREFIX + digest.hexdigest()

    def _opened(self, name: str, span: Span, depth: int) -> Iterator[Member]:
        _check(depth)
        own: list[str] = []
        taken: dict[str, Span] = {}
        for number, (called, inner) in enumerate(self._held(span, own, depth), start=1):
            unique = first = f"{name}/{printable(called or self.name_of(inner)) or number}"
            again = 1
            while unique in taken:
                again += 1
                unique = f"{first}#{again}"
            if len(unique) > limits.ROOT_PATH.value:
                raise BrokenError(f"a path has more than {limits.ROOT_PATH.words}")
            taken[unique] = inner
        listed = [[each.removeprefix(name), one.class_name] for each, one in taken.items()]
        parts = {MEMBERS: sha256_bytes(canonical_json(listed)), FIELDS: _of_all(own)}
        yield Member(name, span, Unread(span.class_name, parts))
        for each, inner in taken.items():
            if inner.class_name in CONTAINERS:
                yield from self._opened(each, inner, depth + 1)
            else:
                yield Member(each, inner)

    def _held(self, span: Span, own: list[str], depth: int) -> Iterator[tuple[str, Span]]:
        """Yield the objects that a container holds, each with the key that a map has it under.

        What is in a list of its own is the container's; fields are added to `own`.
        """
        at = self._after_name(span)
        key: Span | None = None
        for inner in self.pointers(at, span.end):
            own.append(sha256_bytes(self.data[at : inner.pointer]))
            follows = key is not None and at == inner.pointer
            at = inner.end
            if span.class_name == "TMap" and not follows:
                key = inner
                own.append(self.digest(inner))
                continue
            if inner.class_name in DRAWING:
                own.append(self.digest(inner))
                continue
            called = self.name_of(key) or self._string(key) if key is not None else ""
            key = None
            if span.class_name not in COLLECTIONS and inner.class_name in COLLECTIONS:
                _check(depth + 1)
                yield from self._held(inner, own, depth + 1)
            else:
                yield called, inner
        own.append(sha256_bytes(self.data[at : span.end]))

    def pointers(self, start: int, end: int) -> Iterator[Span]:
        """Yield the objects that pointers lead to, those that are in others left out."""
        at = start
        while (found := POINTER.search(self.data, at, end)) is not None:
            self._left -= 1
            if self._left < 0:
                raise BrokenError(f"it holds more than {limits.ROOT_MEMBERS.words}")
            span = self.pointed(found.start(), end)
            at = found.start() + 1 if span is None else span.end
            if span is not None:
                yield span

    def every(self, class_name: str) -> Iterator[Span]:
        """Yield all objects of a class that pointers lead to, those that are in others too."""
        at = 0
        while (found := POINTER.search(self.data, at)) is not None:
            at = found.start() + 1
            span = self.pointed(found.start(), len(self.data))
            if span is None or span.class_name != class_name:
                continue
            self._left -= 1
            if self._left < 0:
                raise BrokenError(f"it holds more than {limits.ROOT_MEMBERS.words}")
            yield span

    def pointed(self, at: int, end: int) -> Span | None:
        """Return the object behind a pointer, None if there is none."""
        if at + 8 > end:
            return None
        count, tag = struct.unpack_from(">II", self.data, at)
        stop = at + 4 + (count & ~HAS_BYTE_COUNT)
        if (new := NEW_CLASS.match(self.data, at + 4)) is not None:
            class_name, start = new[1].decode("ascii"), new.end()
        else:
            named = tag & ~CLASS_REFERENCE
            if named not in self.classes or named >= at + self.header + MAP_OFFSET:
                return None
            class_name, start = self.classes[named], at + 8
        return Span(class_name, at, start, stop) if start <= stop <= end else None

    def _after_sizes(self, span: Span) -> tuple[int, int]:
        """Return where the first member of the innermost base class is, and where that ends."""
        at, end = span.start, span.end
        while at + 6 <= end:
            (count,) = struct.unpack_from(">I", self.data, at)
            stop = at + 4 + (count & ~HAS_BYTE_COUNT)
            if not count & HAS_BYTE_COUNT or not at + 6 <= stop <= end:
                break
            at, end = at + 6, stop
        return at, end

    def _after_object(self, span: Span) -> tuple[int, int]:
        """Return where the members after those of TObject are, and where their class ends."""
        at, end = self._after_sizes(span)
        if at + 10 > end:
            return at, end
        (bits,) = struct.unpack_from(">I", self.data, at + 6)
        return min(at + (12 if bits & IS_REFERENCED else 10), end), end

    def _after_name(self, span: Span) -> int:
        """Return where the fields of a container are that count."""
        at, end = self._after_object(span)
        try:
            if span.class_name in COLLECTIONS:
                return text_at(self.data, at)[1]
            after = text_at(self.data, text_at(self.data, at)[1])[1]
        except (IndexError, struct.error):
            return at
        return after if after == end else at

    def name_of(self, span: Span) -> str:
        """Return the name of an object: that of a TNamed, or of a collection."""
        at, end = self._after_object(span)
        try:
            name, at = text_at(self.data, at)
            named = span.class_name in COLLECTIONS or span.class_name.startswith("TParameter<")
            return name if named or text_at(self.data, at)[1] == end else ""
        except (IndexError, struct.error):
            return ""

    def _string(self, span: Span) -> str:
        """Return what a TObjString says."""
        if span.class_name != "TObjString":
            return ""
        at, end = self._after_object(span)
        try:
            text, after = text_at(self.data, at)
        except (IndexError, struct.error):
            return ""
        return text if after == end else ""


def _check(depth: int) -> None:
    if depth >= limits.ROOT_NESTING.value:
        raise BrokenError(f"its objects are more than {limits.ROOT_NESTING.words} deep")


def _of_all(digests: list[str]) -> str:
    return sha256_bytes(canonical_json(digests))

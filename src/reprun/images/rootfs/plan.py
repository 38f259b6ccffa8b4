"""What a layer makes, known from its headers before a byte is written.

Every rule about what may be where is here, and nothing here touches the disk:

* names are those of the image: `/usr/bin/x`, `./usr/bin/x` and `usr/bin/x` are one;
* a hard link means a file of the image, in this layer (before or after it) or in one below;
* a path twice is what the last member says, as for every tool that unpacks layers in order;
* device nodes and named pipes are left out, with a note where they are not in `dev/`;
* nothing leaves the tree, is put below a link or a file, or exceeds `reprun.images.bounds`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from reprun.errors import IntegrityError
from reprun.images.archives.tarmembers import Member, MemberKind, Segment
from reprun.images.archives.tree import Kind, kept_mode
from reprun.images.bounds import (
    DEEPEST_PATH,
    FLATTEN_HINT,
    LARGEST_HOLES,
    LONGEST_LINK,
    LONGEST_NAME,
    LONGEST_PATH,
    MOST_ENTRIES,
    shown,
)
from reprun.images.rootfs.paths import Paths
from reprun.wording import count_of, listed, size_of

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
METADATA = ".wh..wh."
"""What AUFS kept for itself; of no meaning outside it (moby's `WhiteoutMetaPrefix`)."""
IMPLICIT_MODE = 0o755


class Bound(NamedTuple):
    """How many paths a layer may have, and how that is said."""

    most: int
    limit: str
    hint: str = FLATTEN_HINT

    def __str__(self) -> str:
        """Return it for a message."""
        return self.limit


WHOLE = Bound(MOST_ENTRIES, f"{MOST_ENTRIES:,} in an image")


@dataclass(slots=True, eq=False)
class Node:
    """A file, directory or link: two paths with one node are hard links to one file."""

    kind: Kind
    mode: int
    target: str = ""
    """Of a symbolic link what it says, of a hard link the path it means."""
    size: int = 0
    segments: tuple[Segment, ...] = ()
    implicit: bool = False
    """A directory that has members below it, but none of its own."""
    sha256: str = ""
    """Of a file, once it has been copied."""


@dataclass(slots=True)
class Plan:
    """A layer as it will be on disk, filled member by member."""

    name: str
    blob_size: int
    bound: Bound
    nodes: Paths[Node] = field(default_factory=Paths)
    hidden: dict[str, None] = field(default_factory=dict)
    """Whiteouts, in order."""
    below: dict[str, str] = field(default_factory=dict)
    """Hard links to files of layers below."""
    _left_out: dict[str, MemberKind] = field(default_factory=dict)
    _noted: dict[str, MemberKind] = field(default_factory=dict)
    _replaced: dict[str, None] = field(default_factory=dict)
    _holes: int = 0
    _links: bool = False

    @property
    def count(self) -> int:
        """How many paths there are, whiteouts included."""
        return len(self.nodes) + len(self.hidden) + len(self.below)

    def fill(self, members: Iterable[Member]) -> None:
        """Take all members; raise IntegrityError, naming layer and path, for what is not read."""
        for count, member in enumerate(members, start=1):
            self._take(member)
            if max(count, self.count) > self.bound.most:
                raise self._refusal(
                    f"has too many paths: more than {self.bound} are not read", self.bound.hint
                )
        if self._links:
            self._resolve_links()

    def notes(self) -> Iterator[str]:
        """Yield what people should know of: what was left out, and what was ambiguous."""
        for kind in (MemberKind.DEVICE, MemberKind.PIPE, MemberKind.HARDLINK):
            if paths := [shown(path) for path, each in self._noted.items() if each is kind]:
                meaning = " to such" if kind is MemberKind.HARDLINK else ""
                counted = f"{count_of(len(paths), kind)}{meaning}"
                yield f"{self.name}: {counted} left out: {listed(paths)}"
        if self._replaced:
            paths = [shown(path) for path in self._replaced]
            yield (
                f"{self.name}: {count_of(len(paths), 'path')} more than once, "
                f"the last one counts: {listed(paths)}"
            )

    def _refusal(self, fault: str, hint: str = FLATTEN_HINT) -> IntegrityError:
        return IntegrityError(f"{self.name} {fault}", hint=hint)

    def _take(self, member: Member) -> None:
        path = self._inside(member.name, "member")
        if not path:
            if member.kind is not MemberKind.DIRECTORY:
                raise self._refusal(f"has a {member.kind} in place of the root: {member.name}")
        elif WHITEOUT in path and self._is_whiteout(path):
            pass
        elif member.kind in (MemberKind.DEVICE, MemberKind.PIPE):
            self._leave_out(path, member.kind)
        elif member.kind is MemberKind.HARDLINK:
            self._link(path, member)
        else:
            self._put(path, self._node(path, member))

    def _inside(self, name: str, what: str) -> str:
        """Return the path in the image that a name means; the root is the empty string."""
        if "\0" in name or "\n" in name:
            raise self._refusal(f"has a {what} with a control character: {shown(repr(name))}")
        parts: list[str] = []
        for part in name.split("/"):
            if part == "..":
                if not parts:
                    raise self._refusal(f"has a {what} that leaves the tree: {shown(name)}")
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        if len(parts) > DEEPEST_PATH:
            raise self._refusal(
                f"has a {what} {len(parts):,} directories deep, more than {DEEPEST_PATH} "
                f"are not read: {shown(name)}"
            )
        path = "/".join(parts)
        if len(path) > LONGEST_NAME // 4:  # as bytes it may be four times as long
            if (size := len(os.fsencode(path))) > LONGEST_PATH:
                raise self._refusal(
                    f"has a {what} with a path of {size:,} bytes, more than {LONGEST_PATH:,} "
                    f"are not read: {shown(name)}"
                )
            if (size := max(len(os.fsencode(part)) for part in parts)) > LONGEST_NAME:
                raise self._refusal(
                    f"has a {what} with a name of {size:,} bytes, no file may have more than "
                    f"{LONGEST_NAME}: {shown(name)}"
                )
        return path

    def _is_whiteout(self, path: str) -> bool:
        parent, _, base = path.rpartition("/")
        if base == OPAQUE:
            self.hidden[path] = None
            return True
        if any(part.startswith(METADATA) for part in path.split("/")):
            return True
        if parent.startswith(WHITEOUT) or f"/{WHITEOUT}" in parent:
            raise self._refusal(f"has a member below a whiteout: {shown(path)}")
        if not base.startswith(WHITEOUT):
            return False
        if base.removeprefix(WHITEOUT) in ("", ".", ".."):
            raise self._refusal(f"has a whiteout of nothing: {shown(path)}")
        self.hidden[path] = None
        return True

    def _leave_out(self, path: str, kind: MemberKind) -> None:
        self.nodes.forget(path)  # the last member counts
        self._left_out[path] = kind
        if not path.startswith("dev/"):  # engines give every container a /dev of its own
            self._noted[path] = kind

    def _node(self, path: str, member: Member) -> Node:
        if member.kind is MemberKind.DIRECTORY:
            return Node(Kind.DIRECTORY, kept_mode(Kind.DIRECTORY, member.mode))
        if member.kind is MemberKind.SYMLINK:
            self._check_link(path, member.target)
            return Node(Kind.SYMLINK, 0o777, member.target)
        self._holes += member.size - sum(each.length for each in member.segments)
        if self._holes > LARGEST_HOLES + self.blob_size:
            raise self._refusal(
                f"has sparse files with holes of more than {size_of(LARGEST_HOLES)} beyond its "
                f"own size, up to {shown(path)}"
            )
        mode = kept_mode(Kind.FILE, member.mode)
        return Node(Kind.FILE, mode, size=member.size, segments=member.segments)

    def _check_link(self, path: str, target: str) -> None:
        if not target or "\0" in target:
            raise self._refusal(f"has a symbolic link without a proper target: {shown(path)}")
        if (size := len(os.fsencode(target))) > LONGEST_LINK:
            raise self._refusal(
                f"has a symbolic link of {size:,} bytes, no link may have more than "
                f"{LONGEST_LINK:,}: {shown(path)}"
            )

    def _link(self, path: str, member: Member) -> None:
        source = self._inside(member.target, "hard link")
        if not source:
            raise self._refusal(f"has a hard link to the root: {shown(path)}")
        node = self.nodes.get(source)
        if node is None:
            self._links = True
            self._put(path, Node(Kind.HARDLINK, 0o644, source))
        elif node.kind is Kind.DIRECTORY:
            raise self._refusal(f"has a hard link to a directory: {shown(path)} -> {shown(source)}")
        elif path != source:
            self._put(path, node)

    def _put(self, path: str, node: Node) -> None:
        present = self.nodes.get(path)
        if present is None:
            self._make_parents(path)
            self._left_out.pop(path, None)
            self._noted.pop(path, None)
        elif not (present.kind is Kind.DIRECTORY and node.kind is Kind.DIRECTORY):
            self._replaced[path] = None
            self.nodes.clear(path)
        self.nodes.put(path, node)

    def _make_parents(self, path: str) -> None:
        missing = []
        parent = path.rpartition("/")[0]
        while parent and (present := self.nodes.get(parent)) is None:
            missing.append(parent)
            parent = parent.rpartition("/")[0]
        if parent and present is not None and present.kind is not Kind.DIRECTORY:
            raise self._refusal(
                f"puts {shown(path)} below {shown(parent)}, which is not a directory"
            )
        for each in reversed(missing):
            self.nodes.put(each, Node(Kind.DIRECTORY, IMPLICIT_MODE, implicit=True))

    def _resolve_links(self) -> None:
        """Find what hard links mean whose file came later, is in a layer below, or was left out."""
        for link in [path for path, node in self.nodes.sorted() if node.kind is Kind.HARDLINK]:
            path = link
            chain: list[str] = []
            seen: set[str] = set()
            node = self.nodes.get(path)
            while node is not None and node.kind is Kind.HARDLINK:
                chain.append(path)
                seen.add(path)
                path = node.target
                if path in seen:
                    raise self._refusal(
                        f"has hard links in a loop: {' -> '.join(map(shown, chain[:3]))}"
                    )
                node = self.nodes.get(path)
            self._settle(chain, path, node)

    def _settle(self, chain: list[str], source: str, node: Node | None) -> None:
        """Give all paths of a chain of hard links what its last one means."""
        for path in chain:
            if node is not None and node.kind is Kind.DIRECTORY:
                raise self._refusal(
                    f"has a hard link to a directory: {shown(path)} -> {shown(source)}"
                )
            if node is not None:
                self.nodes.put(path, node)
                continue
            self.nodes.forget(path)
            if source in self._left_out:
                self._left_out[path] = self._noted[path] = MemberKind.HARDLINK
            else:
                self.below[path] = self.below.get(source, source)

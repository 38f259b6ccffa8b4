"""Which of the manifests of an index is the image: the same one on every machine.

Two tags of one image are one image. What is not an image (attestations, SBOMs, signatures, other
artifacts) and images for other platforms are passed over. Of several variants of amd64 the lowest
is taken, never what fits this processor best: a run would be another one on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from reprun.errors import IntegrityError, SpecificationError
from reprun.images.bounds import MOST_INDEXES, MOST_LAYERS, shown
from reprun.images.oci.documents import (
    ARCHITECTURE,
    OS,
    Descriptor,
    ImageManifest,
    Index,
    Platform,
    checked,
    config_facts,
    parsed,
    read,
)
from reprun.wording import listed

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
REFERENCE_TYPE = "vnd.docker.reference.type"
"""Annotation of what BuildKit attaches to an image, such as `attestation-manifest`."""
NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
ONE_HINT = "docker save ONE_IMAGE -o FILE   # or: skopeo copy oci-archive:FILE:TAG oci-archive:NEW"
VARIANTS = {None: 1, "": 1, "v1": 1, "v2": 2, "v3": 3, "v4": 4}
_UNKNOWN_VARIANT = 99


class Blobs(NamedTuple):
    """Give documents by their digests, verified; None when one is not there."""

    manifest: Callable[[str], bytes | None]
    """Of manifests and indexes, which registries hold apart."""
    config: Callable[[str], bytes | None]


class Selected(NamedTuple):
    """The manifest of the image, its bytes, and its config."""

    manifest: ImageManifest
    data: bytes
    config: bytes


@dataclass(slots=True)
class _Candidate:
    selected: Selected
    platform: Platform
    names: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Search:
    blobs: Blobs
    place: str
    expected: str | None
    found: dict[str, _Candidate] = field(default_factory=dict)
    """By image ID."""
    others: dict[str, None] = field(default_factory=dict)
    """Platforms of images for something else."""
    absent: list[str] = field(default_factory=list)
    _seen: dict[str, str | None] = field(default_factory=dict)
    _indexes: int = 0

    def look(self, data: bytes, what: str) -> None:
        """Look through an index and all it names, or at a manifest."""
        left = [(data, what, Descriptor.model_validate({"digest": ""}))]
        while left:
            data, what, descriptor = left.pop()
            document = parsed(data, what, self.place)
            if isinstance(document, dict) and "manifests" in document:
                self._indexes += 1
                if self._indexes > MOST_INDEXES:
                    raise SpecificationError(
                        f"it has more than {MOST_INDEXES} indexes, the most that are read",
                        place=self.place,
                        hint=ONE_HINT,
                    )
                entries = read(Index, document, what, self.place).manifests or ()
                left += reversed(list(self._entries(entries)))
                continue
            if isinstance(document, dict) and "fsLayers" in document:
                raise SpecificationError(
                    f"{what} is of schema 1, which no current tool reads any more",
                    place=self.place,
                    hint="skopeo copy --format v2s2 …   # with an old skopeo",
                )
            self._take(data, read(ImageManifest, document, what, self.place), descriptor)

    def _entries(self, entries: tuple[Descriptor, ...]) -> Iterator[tuple[bytes, str, Descriptor]]:
        for each in entries:
            digest = checked(each.digest, "its index", self.place)
            if digest in self._seen:
                if (known := self.found.get(self._seen[digest] or "")) is not None:
                    known.names |= _names(each)
                continue
            if not _may_be_an_image(each):
                continue
            if each.platform is not None and not _fits(each.platform):
                self.others[str(each.platform)] = None
                continue
            self._seen[digest] = None
            if (data := self.blobs.manifest(digest)) is None:
                self.absent.append(digest)
            else:
                yield data, f"manifest {digest[:19]}…", each

    def _take(self, data: bytes, manifest: ImageManifest, descriptor: Descriptor) -> None:
        if not _is_an_image(manifest):
            return
        image_id = checked(manifest.config.digest, "its manifest", self.place)
        if len(manifest.layers or ()) > MOST_LAYERS:
            raise IntegrityError(
                f"it has {len(manifest.layers or ()):,} layers, more than {MOST_LAYERS:,} are "
                "not read",
                place=self.place,
            )
        self._seen[descriptor.digest] = image_id
        if (known := self.found.get(image_id)) is not None:
            known.names |= _names(descriptor)
            return
        config = self.blobs.config(image_id)
        if config is None:
            self.absent.append(image_id)
            return
        platform = config_facts(config, "it").platform
        if descriptor.platform is not None and descriptor.platform.variant:
            platform = platform.model_copy(update={"variant": descriptor.platform.variant})
        if not _fits(platform):
            self.others[str(platform)] = None
            return
        selected = Selected(manifest, data, config)
        self.found[image_id] = _Candidate(selected, platform, _names(descriptor))

    def selected(self) -> Selected:
        """Return the one image; raise SpecificationError when there is none or it is not clear."""
        if self.expected is not None and self.expected in self.found:
            return self.found[self.expected].selected
        ranks = {image_id: _rank(each.platform) for image_id, each in self.found.items()}
        lowest = [image_id for image_id in ranks if ranks[image_id] == min(ranks.values())]
        if len(lowest) == 1:
            return self.found[lowest[0]].selected
        if self.absent and not lowest:
            raise IntegrityError(
                f"it lacks blobs/sha256/{self.absent[0].partition(':')[2]}", place=self.place
            )
        fault = f"it holds {len(lowest)} images for {OS}/{ARCHITECTURE}, not one"
        if lowest:
            names = (
                " = ".join(map(shown, self.found[image_id].names)) or "one without a tag"
                for image_id in lowest
            )
            fault += f": {listed(names)}"
        elif self.others:
            fault += f", only for {listed(map(shown, self.others))}"
        raise SpecificationError(fault, place=self.place, hint=ONE_HINT)


def select(
    data: bytes, what: str, blobs: Blobs, place: str, *, expected: str | None = None
) -> Selected:
    """Return the image that an index or manifest names.

    With `expected`, an image ID, that one is taken if it is there. Raises SpecificationError when
    there is no image for this platform or more than one, and IntegrityError for documents that
    are malformed or lack a part.
    """
    search = _Search(blobs, place, expected)
    search.look(data, what)
    return search.selected()


def _names(descriptor: Descriptor) -> dict[str, None]:
    annotations = descriptor.annotations or {}
    return {str(annotations[key]): None for key in NAMES[:2] if annotations.get(key)}


def _rank(platform: Platform) -> int:
    return VARIANTS.get(platform.variant, _UNKNOWN_VARIANT)


def _fits(platform: Platform) -> bool:
    return (platform.os or OS, platform.architecture or ARCHITECTURE) == (OS, ARCHITECTURE)


def _may_be_an_image(descriptor: Descriptor) -> bool:
    """Tell whether to look at an entry of an index; the specification has others ignored."""
    platform = descriptor.platform or Platform()
    return (
        (descriptor.media_type or MANIFEST_TYPES[0]) in (*MANIFEST_TYPES, *INDEX_TYPES)
        and (descriptor.artifact_type or CONFIG_TYPES[0]) in CONFIG_TYPES
        and REFERENCE_TYPE not in (descriptor.annotations or {})
        and "unknown" not in (platform.os, platform.architecture)
    )


def _is_an_image(manifest: ImageManifest) -> bool:
    """Tell an image from an artifact, which may name an image's config but has no tars."""
    layers = [each.media_type or "" for each in manifest.layers or ()]
    return (
        (manifest.artifact_type or CONFIG_TYPES[0]) in CONFIG_TYPES
        and (manifest.config.media_type or CONFIG_TYPES[0]) in CONFIG_TYPES
        and (not layers or any(not each or _is_layer(each) for each in layers))
    )


def _is_layer(media_type: str) -> bool:
    return ".layer." in media_type or re.search(r"\btar\b", media_type) is not None

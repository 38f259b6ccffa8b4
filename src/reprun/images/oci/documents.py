"""The JSON documents of images that others built: typed, bounded, and never believed blindly.

They follow the OCI image specification 1.1 (image index, manifest, config) and the
docker-archive of `docker save` (Docker image specification 1.2). Fields that are not used here
are ignored; any optional one may be null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from reprun.digests import PREFIX
from reprun.documents.reading import Document
from reprun.documents.validation import DIGEST, faults_of
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.bounds import (
    DEEPEST_DOCUMENT,
    LARGEST_DOCUMENT,
    LARGEST_ENVIRONMENT,
    LARGEST_VARIABLE,
    MOST_LAYERS,
    shown,
)
from reprun.wording import size_of

OS, ARCHITECTURE = "linux", "amd64"


class Foreign(Document):
    """A part of a document of others: what is not known is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Platform(Foreign):
    """What an index says an image runs on."""

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        """Return it as `docker --platform` takes it."""
        return "/".join(part or "?" for part in (self.os, self.architecture)) + (
            f"/{self.variant}" if self.variant else ""
        )


class Descriptor(Foreign):
    """A reference to a blob."""

    digest: str
    media_type: str | None = Field(None, alias="mediaType")
    size: int | None = Field(None, ge=0)
    platform: Platform | None = None
    annotations: Mapping[str, Any] | None = None
    artifact_type: str | None = Field(None, alias="artifactType")


class Index(Foreign):
    """`index.json`, or an index of platforms."""

    manifests: tuple[Descriptor, ...] | None = None


class ImageManifest(Foreign):
    """The manifest of one image, or of something else that has the same form."""

    config: Descriptor
    layers: tuple[Descriptor, ...] | None = None
    artifact_type: str | None = Field(None, alias="artifactType")


class Saved(Foreign):
    """One entry of `manifest.json`, as `docker save` writes it."""

    config: str = Field(alias="Config")
    layers: tuple[str, ...] | None = Field(None, alias="Layers")
    tags: tuple[str, ...] | None = Field(None, alias="RepoTags")


class _Execution(Foreign):
    environment: tuple[str, ...] | None = Field(None, alias="Env")


class _RootFs(Foreign):
    type: str | None = None
    diff_ids: tuple[str, ...] | None = None


class _Config(Foreign):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    config: _Execution | None = None
    rootfs: _RootFs


M = TypeVar("M", bound=Foreign)


def parsed(data: bytes, what: str, place: str | None = None) -> Any:
    """Return a JSON document; raise IntegrityError for one too large, too deep or not JSON."""
    if len(data) > LARGEST_DOCUMENT:
        raise IntegrityError(
            f"{what} is larger than {size_of(LARGEST_DOCUMENT)}, the most that is read", place=place
        )
    deep = IntegrityError(
        f"{what} is nested more than {DEEPEST_DOCUMENT} deep, which is not read", place=place
    )
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise deep from error
    except ValueError as error:
        raise IntegrityError(f"{what} is not JSON: {shown(str(error))}", place=place) from error
    level = [document]
    for _ in range(DEEPEST_DOCUMENT + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return document
    raise deep


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read(model: type[M], document: Any, what: str, place: str | None = None) -> M:
    """Return a parsed document as its model; raise IntegrityError with its first error."""
    if not isinstance(document, dict):
        raise IntegrityError(f"{what} is not a JSON object", place=place)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fault = shown(str(faults_of(error, model)[0]))
        raise IntegrityError(f"{what} is malformed: {fault}", place=place) from error


def checked(digest: str, what: str, place: str | None = None) -> str:
    """Return a digest that is a sha256; raise an error for any other string."""
    if re.fullmatch(DIGEST, digest):
        return digest
    if re.fullmatch(r"sha512:[0-9a-f]{128}", digest):
        raise SpecificationError(f"{what} names a blob by sha512; only sha256 is read", place=place)
    raise IntegrityError(
        f"{what} is malformed: {shown(repr(digest))} is not a digest {PREFIX}…", place=place
    )


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What an OCI config says that reprun needs."""

    platform: Platform
    diff_ids: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def architecture(self) -> str:
        """What the image was built for; Docker takes one that says nothing for its own kind."""
        return self.platform.architecture or ARCHITECTURE


def config_facts(config: bytes, name: str) -> ConfigFacts:
    """Read an OCI config; raise IntegrityError when it is none, or no job could start with it."""
    what = f"the config of image '{name}'"
    document = read(_Config, parsed(config, what), what)
    if document.rootfs.type not in (None, "", "layers"):
        raise IntegrityError(f"{what} has a root of type {document.rootfs.type!r}, not 'layers'")
    diff_ids = document.rootfs.diff_ids or ()
    if len(diff_ids) > MOST_LAYERS:
        raise IntegrityError(
            f"image '{name}' has {len(diff_ids):,} layers, more than {MOST_LAYERS:,} are not read"
        )
    execution = document.config or _Execution.model_validate({})
    return ConfigFacts(
        Platform(os=document.os, architecture=document.architecture, variant=document.variant),
        tuple(checked(each, what) for each in diff_ids),
        _environment(execution.environment or (), what),
    )


def _environment(pairs: tuple[str, ...], what: str) -> dict[str, str]:
    """Return the variables, of which Linux must take each and all together."""
    found, total = {}, 0
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            size = len(pair.encode())
        except UnicodeEncodeError as error:
            raise IntegrityError(
                f"{what} has a variable that is not a string of Unicode: {shown(name)}"
            ) from error
        if "\0" in pair:
            raise IntegrityError(f"{what} has a variable with a NUL: {shown(name)}")
        total += size
        if size > LARGEST_VARIABLE or total > LARGEST_ENVIRONMENT:
            limit = LARGEST_VARIABLE if size > LARGEST_VARIABLE else LARGEST_ENVIRONMENT
            which = f"a variable {shown(name)}" if size > LARGEST_VARIABLE else "an environment"
            raise IntegrityError(
                f"{what} has {which} of more than {size_of(limit)}: no program starts with it"
            )
        if name:
            found[name] = value
    return found

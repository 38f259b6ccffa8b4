"""What an image is to the rest of the program: identity, layers, default environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One uncompressed layer tar; its digest is both blob digest and diff_id."""

    digest: str
    size: int
    comment: str


@dataclass(frozen=True, slots=True)
class Image:
    """A container image whose config, manifest and layers lie in the store by digest."""

    name: str
    image_id: str
    """Digest of the OCI config: what Docker calls the image ID."""
    manifest: str
    """Digest of the OCI manifest: what a registry calls the digest."""
    layers: tuple[Layer, ...]
    environment: Mapping[str, str]

    @property
    def reference(self) -> str:
        """`name@sha256:…` with the image ID: how a rule's `container:` names the image."""
        return f"{self.name}@{self.image_id}"

"""Images by their IDs: from the catalogue, the store, or a definition that Git has."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reprun.blame.sources import Sources
from reprun.digests import short
from reprun.documents.project import Project
from reprun.documents.validation import DIGEST
from reprun.errors import ReprunError
from reprun.files import make_directory
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import IMAGE_TOML
from reprun.images.catalogue.external import External, ExternalLock, write_external_lock
from reprun.images.catalogue.image_toml import Needs, Published
from reprun.images.model import Layer
from reprun.images.oci.layout import manifest_of
from reprun.store.store import Store

DEFINITIONS = "definitions"
DESCRIBED = """\
name = {name}
title = "As the store holds it"

[external]
repository = "reprun.invalid/store"
tag = "none"
reason = "an image of an earlier run, known by its ID"
"""


class Images:
    """Directories that define images, each by name and ID."""

    def __init__(self, project: Project, sources: Sources, home: Path, store: Store) -> None:
        self._project = project
        self._sources = sources
        self._home = home / DEFINITIONS
        self._store = store
        self._known: dict[tuple[str, str], Path | None] = {}

    def find(self, name: str, image_id: str) -> Path | None:
        """Return a directory that defines the image; None where nothing of it is left."""
        key = name, image_id
        if key not in self._known:
            self._known[key] = next(self._every(name, image_id), None)
        return self._known[key]

    def _every(self, name: str, image_id: str) -> Iterator[Path]:
        catalogue = Catalogue.of(self._project)
        for images in catalogue.directories:
            if _is(catalogue, name, image_id) and (images / name / IMAGE_TOML).is_file():
                yield images / name
        kept = self._home / short(image_id) / name
        if self._described(name, image_id, kept):
            yield kept
        for tree in self._sources.trees(self._project.images / name):
            if _is(Catalogue(tree.parent), name, image_id):
                shutil.copytree(tree, kept, symlinks=True)
                yield kept

    def _described(self, name: str, image_id: str, place: Path) -> bool:
        """Describe an image that is whole in the store as one that nobody builds."""
        if not self._store.has(image_id):
            return False
        data = self._store.verified(image_id).read_bytes()
        config = json.loads(data)
        digests = config["rootfs"]["diff_ids"]
        if not all(re.fullmatch(DIGEST, each) and self._store.has(each) for each in digests):
            return False
        layers = tuple(
            Layer(each, self._store.blob_path(each).stat().st_size, f"layer {number}")
            for number, each in enumerate(digests)
        )
        manifest = self._store.add_bytes(manifest_of(data, layers))
        pairs = (each.partition("=") for each in config.get("config", {}).get("Env") or ())
        make_directory(place)
        (place / IMAGE_TOML).write_text(DESCRIBED.format(name=json.dumps(name)))
        external = External(
            place,
            name,
            "",
            Published(repository="reprun.invalid/store", tag="none", reason="an earlier run"),
            Needs(),
        )
        environment = {key: value for key, _, value in pairs}
        write_external_lock(external, ExternalLock(image_id, None, manifest, layers, environment))
        return True


def _is(catalogue: Catalogue, name: str, image_id: str) -> bool:
    try:
        return catalogue.locked(name).image_id == image_id
    except ReprunError:
        return False

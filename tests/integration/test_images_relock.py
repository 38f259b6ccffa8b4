"""When locked inputs are gone, the same requirements are resolved again, outside the project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reprun.errors import InputsGoneError, SpecificationError
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.builder.resolve import resolve_debs
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.lockfiles import debs_text, read_debs, wheels_text
from reprun.images.ensure import ensure
from reprun.images.lock import lock
from reprun.images.relock import relock
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import IMAGE_TOML, tiny

PACKAGES = '["base-files", "base-passwd", "dash", "tzdata"]'


@pytest.fixture
def gone(tmp_path: Path) -> Catalogue:
    """A real image whose lock names a version of dash that no archive has any more."""
    home = tmp_path / "images" / "small"
    home.mkdir(parents=True)
    text = IMAGE_TOML.format(name="small").replace('["hello"]', PACKAGES)
    (home / "image.toml").write_text(text.replace('["greet"]', "[]"))
    catalogue = Catalogue(tmp_path / "images")
    definition = catalogue.definition("small")
    (home / "wheels.lock").write_text(wheels_text([]))
    store = Store(tmp_path / "first")
    debs = resolve_debs(definition, Sources.from_environment(), Silent())
    (home / "debs.lock").write_text(debs_text(debs))
    lock("small", catalogue, store, Silent(), Sources.from_environment(), image_only=True)
    aged = [
        replace(each, version="0.0.1", sha256="0" * 64, path=each.path.replace("dash_", "dash_0"))
        if each.name == "dash"
        else each
        for each in read_debs(home / "debs.lock")
    ]
    (home / "debs.lock").write_text(debs_text(aged))
    return catalogue


def test_what_is_gone_is_resolved_anew_and_the_difference_is_named(
    gone: Catalogue, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in gone.directories[0].rglob("*") if path.is_file()}
    store = Store(tmp_path / "store")
    with pytest.raises(InputsGoneError, match=r"no source has 1 locked file any more: dash_0"):
        fetch(gone.definition("small"), store, Silent(), Sources.from_environment())
    made = relock("small", gone, store, Silent())
    assert [(change.kind, change.name, change.before) for change in made.changes] == [
        ("package", "dash", "0.0.1")
    ]
    assert made.sentence().startswith("image small is a re-lock (small@sha256:")
    assert "1 packages differ: dash " in made.sentence()
    assert (unpacked_root(made.image, store) / "usr/bin/dash").is_file()
    assert ensure(made.image, made.catalogue, store, Silent()) == made.image
    after = {path: path.read_bytes() for path in gone.directories[0].rglob("*") if path.is_file()}
    assert after == before
    assert relock("small", gone, store, Silent()).image == made.image


def test_without_any_loss_the_image_is_the_locked_one(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    nothing = Sources(index=False)
    again = relock("tiny", catalogue, made.store, Silent(), nothing)
    assert again.changes == ()
    assert again.image.layers[:2] == catalogue.locked("tiny").layers[:2]


def test_without_an_archive_nothing_can_be_done(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    with pytest.raises((InputsGoneError, SpecificationError), match="no Debian mirror is known"):
        relock("tiny", catalogue, Store(tmp_path / "empty"), Silent(), Sources(index=False))

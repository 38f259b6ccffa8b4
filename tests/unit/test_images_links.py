"""Symbolic links that an image's definition asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.errors import SpecificationError
from reprun.images.builder.build import build
from reprun.images.builder.fetch import Sources
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.parent import read_parent_lock
from reprun.images.lock import check_twice, lock, verify
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from tests.images_support import IMAGE_TOML, SITE, Kitchen, tiny

NOTHING = Sources(index=False)
LINK, TARGET = "/usr/local/bin/greeting", f"/{SITE}/greet/__init__.py"


def with_links(made: Kitchen, *links: tuple[str, str]) -> Catalogue:
    """Return the catalogue of the tiny image with links."""
    catalogue = made.catalogue()
    lines = "".join(f'"{link}" = "{target}"\n' for link, target in links)
    place = made.directory / made.name / "image.toml"
    place.write_text(IMAGE_TOML.format(name=made.name) + f"\n[links]\n{lines}")
    return catalogue


def test_links_are_a_layer_of_their_own(tmp_path: Path) -> None:
    """Also into a directory with a mode of its own, which stays."""
    made = tiny(tmp_path)
    plain = build(made.definition(), made.store, Silent())
    catalogue = with_links(made, (LINK, TARGET), (f"/{SITE}/hello", f"/{SITE}"))
    built = lock(made.name, catalogue, made.store, Silent(), NOTHING, image_only=True)
    assert [layer.comment for layer in built.image.layers[2:]] == ["links", "reprun documents"]
    assert built.image.layers[:2] == plain.image.layers[:2]
    assert check_twice(made.name, catalogue, made.store, Silent()).lock == built.lock
    assert verify(made.name, catalogue, made.store) == built.image
    root = unpacked_root(built.image, made.store)
    assert (root / LINK[1:]).readlink() == Path(TARGET)
    assert (root / SITE / "hello").readlink() == Path(f"/{SITE}")
    assert "ADD 3-links.tar /" in (made.directory / made.name / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("link", "target", "sentence"),
    [
        ("/usr/nowhere/x", TARGET, "links: /usr/nowhere/x needs a directory /usr/nowhere, which"),
        (f"{TARGET}/x", TARGET, "needs a directory .*__init__.py, which is not there"),
        (LINK, "/usr/bin/nothing", f"links: {LINK} points to /usr/bin/nothing, which is not in"),
        ("/usr/local/bin/python", TARGET, "links: /usr/local/bin/python is in the image already"),
    ],
)
def test_what_does_not_go_together_with_the_packages_is_refused(
    tmp_path: Path, link: str, target: str, sentence: str
) -> None:
    made = tiny(tmp_path)
    catalogue = with_links(made, (link, target))
    with pytest.raises(SpecificationError, match=sentence) as caught:
        build(catalogue.definition(made.name), made.store, Silent())
    place = made.directory / made.name / "image.toml"
    line = place.read_text().splitlines().index("[links]") + 1
    assert caught.value.place == f"{place}:{line}"
    assert caught.value.hint == f"${{EDITOR:-vi}} +{line} {place}"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("usr/bin/x", TARGET),
        ("/", TARGET),
        ("/usr/../etc/x", TARGET),
        ("/usr//x", TARGET),
        ("/usr/bin/", TARGET),
        (LINK, "../x"),
        (LINK, "/usr/./x"),
        (LINK, "/usr/a\\nb"),
        (LINK, "/" + "x" * 256),
        ("/usr" + "/long" * 205, TARGET),
    ],
)
def test_paths_are_absolute_plain_and_bounded(tmp_path: Path, link: str, target: str) -> None:
    made = tiny(tmp_path)
    catalogue = with_links(made, (link, target))
    with pytest.raises(SpecificationError, match=r"^links"):
        catalogue.definition(made.name)


def test_their_number_is_bounded(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = with_links(made, *((f"/usr/local/bin/l{n}", TARGET) for n in range(101)))
    with pytest.raises(SpecificationError, match=r"^links"):
        catalogue.definition(made.name)


def test_a_derived_image_has_those_of_its_parent_and_its_own(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = with_links(made, (LINK, TARGET), ("/usr/local/bin/other", TARGET))
    lock(made.name, catalogue, made.store, Silent(), NOTHING, image_only=True)
    child = made.directory / "child" / "image.toml"
    child.parent.mkdir()
    child.write_text(f'extends = "tiny"\n[links]\n"/usr/local/bin/other" = "/{SITE}"\n')
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    assert read_parent_lock(child.parent / "parent.lock").links["/usr/local/bin/other"] == TARGET
    root = unpacked_root(image, made.store)
    assert (root / LINK[1:]).readlink() == Path(TARGET)
    assert (root / "usr/local/bin/other").readlink() == Path(f"/{SITE}")
    assert catalogue.definition("child").title == "tiny with more links"

"""The images that come with reprun, beside those of a project."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reprun.documents.project import Project
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.builder.fetch import Sources
from reprun.images.catalogue import packaged
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.lock import lock
from reprun.images.transfer import import_file, pin, pull, push
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import external_toml, tiny

DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "package" / "store")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images of an installed reprun: `tiny`, locked, and `far`, published elsewhere."""
    made = tiny(tmp_path / "package")
    made.locked()
    (made.directory / "far").mkdir()
    (made.directory / "far" / "image.toml").write_text(external_toml("far", "docker.io/a/b"))
    monkeypatch.setattr(packaged, "INSTALLED", made.directory)
    return made.directory


@pytest.fixture
def project(tmp_path: Path, installed: Path) -> Project:
    """A project with an image of its own."""
    own = tmp_path / "project" / "images" / "mine"
    shutil.copytree(installed / "tiny", own)
    text = (own / "image.toml").read_text()
    (own / "image.toml").write_text(text.replace('name = "tiny"', 'name = "mine"'))
    return Project(tmp_path / "project")


# -- looking up -------------------------------------------------------------------------------


def test_own_images_stand_beside_those_of_the_package(project: Project, installed: Path) -> None:
    catalogue = Catalogue.of(project)
    assert catalogue.names() == ["far", "mine", "tiny"]
    assert catalogue.definition("mine").directory == project.images / "mine"
    assert catalogue.definition("tiny").directory == installed / "tiny"
    assert catalogue.by_reference("tiny") == Catalogue(installed).locked("tiny")
    assert catalogue.external("far").directory == installed / "far"


def test_without_a_project_there_are_those_of_the_package(installed: Path) -> None:
    assert Catalogue.of(None).directories == (installed,)


def test_a_project_may_do_without_those_of_the_package(project: Project, installed: Path) -> None:
    alone = Project(project.root, packaged_images=False)
    assert Catalogue.of(alone).names() == ["mine"]


def test_an_unknown_name_says_where_it_was_looked_for(project: Project, installed: Path) -> None:
    with pytest.raises(SpecificationError, match="Did you mean 'tiny'") as error:
        Catalogue.of(project).definition("tinny")
    assert error.value.place == f"{project.images}, {installed}"


def test_a_name_of_the_package_cannot_be_used_again(project: Project, installed: Path) -> None:
    """Neither wins: an analysis would be locked to one and run in the other."""
    own = project.images / "tiny"
    shutil.copytree(installed / "tiny", own)
    catalogue = Catalogue.of(project)
    look: Callable[[str], object]
    for look in (
        catalogue.definition,
        catalogue.locked,
        catalogue.by_reference,
        catalogue.external,
        catalogue.is_external,
    ):
        with pytest.raises(SpecificationError) as error:
            look("tiny")
        assert error.value.message == (
            f"there are two images 'tiny': the second is {installed / 'tiny'}"
        )
        assert error.value.place == str(own)
        assert str(error.value.hint).startswith(f"mv {own} {project.images / 'my-tiny'} ")
    assert catalogue.definition("mine").name == "mine"


def test_a_checkout_has_no_second_catalogue() -> None:
    root = Path(__file__).resolve().parents[2]
    assert packaged.packaged_images() == root / "images"
    assert Catalogue.of(Project(root)).directories == (root / "images",)
    assert "columnar" in Catalogue.of(None).names()


def test_a_changed_package_is_to_be_installed_again(installed: Path) -> None:
    place = installed / "tiny" / "image.toml"
    place.write_text(place.read_text().replace("UTC", "CET"))
    with pytest.raises(IntegrityError, match="changed after it was locked") as error:
        Catalogue.of(None).locked("tiny")
    assert error.value.hint == "pip install --force-reinstall reprun"


# -- writing ----------------------------------------------------------------------------------


def test_what_would_write_into_the_package_is_refused(
    project: Project, installed: Path, store: Store, tmp_path: Path
) -> None:
    catalogue = Catalogue.of(project)
    before = {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()}
    nothing = Sources(index=False)

    def refused(act: Callable[[], object]) -> SpecificationError:
        with pytest.raises(SpecificationError, match="comes with reprun and is read-only") as error:
            act()
        return error.value

    for image_only in (True, False):
        error = refused(
            lambda only=image_only: lock(  # type: ignore[misc]
                "tiny", catalogue, store, Silent(), nothing, image_only=only
            )
        )
        assert error.place == str(installed / "tiny")
        assert error.hint == (
            'write extends = "tiny" in images/my-tiny/image.toml, then: reprun images lock my-tiny'
        )
    refused(lambda: push("tiny", "127.0.0.1:1/a", catalogue, store, record=True))
    for act in (
        lambda: pin("far", catalogue),
        lambda: import_file("far", tmp_path / "none.tar", catalogue, store, Silent()),
    ):
        error = refused(act)
        assert error.hint == (
            f"mkdir -p images && cp -r {installed / 'far'} images/my-far   "
            "# set its name in image.toml, then: reprun images pin my-far"
        )
    after = {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()}
    assert after == before


def test_a_pinned_image_of_the_package_is_not_pulled_where_that_would_write(
    installed: Path, store: Store
) -> None:
    (installed / "far" / "external.lock").write_text(f'image = "{DIGEST}"\n')
    with pytest.raises(SpecificationError, match="comes with reprun and is read-only"):
        pull("far", Catalogue(installed), store, Silent())


def test_an_image_of_ones_own_is_locked_where_it_is_defined(project: Project, store: Store) -> None:
    lock("mine", Catalogue.of(project), store, Silent(), Sources(index=False), image_only=True)
    assert Catalogue.of(project).locked("mine").name == "mine"
    assert (project.images / "mine" / "Dockerfile").is_file()

"""Images that extend another: what they take over, what they add, and every refusal."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprun.cli.images import app
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.audit import Outcome, audit
from reprun.images.builder import derive
from reprun.images.builder.build import build
from reprun.images.builder.fetch import Sources
from reprun.images.builder.sbom import SBOM_NAME
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import DebEntry, WheelEntry
from reprun.images.catalogue.parent import parent_lock_text, read_parent_lock
from reprun.images.ensure import ensure
from reprun.images.lock import check_twice, lock, verify
from reprun.images.relock import relock
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.table import table
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import (
    MORE,
    SITE,
    Kitchen,
    deb_bytes,
    external_toml,
    member,
    tiny,
    wheel_bytes,
    wheel_entry,
)
from tests.projects import mark_project

NOTHING = Sources(index=False)
CHILD = 'extends = "tiny"\nrequirements = ["more>=1"]\n'
PINNED = "more==1.5\ngreet==2.0\n"


class Spoken(Silent):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def write(made: Kitchen, name: str, text: str) -> Path:
    """Write an image.toml into the catalogue."""
    place = made.directory / name / "image.toml"
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    return place


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    """A catalogue with one locked image, and one that is to extend it."""
    made = tiny(tmp_path)
    made.locked()
    write(made, "child", CHILD)
    return made


@pytest.fixture
def index(made: Kitchen, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An index that has `more` 1.5, whose only dependency is `greet`; what was downloaded."""
    downloaded: list[str] = []

    def compiled(
        definition: Definition, requirements: Sequence[str], *options: str
    ) -> subprocess.CompletedProcess[str]:
        constraints = Path(options[options.index("--constraint") + 1]).read_text()
        assert "greet==2.0\n" in constraints
        home = Path(options[options.index("--find-links") + 1])
        assert (home / "greet-2.0-py3-none-any.whl").read_bytes() == wheel_bytes()
        assert "greet" not in requirements
        return subprocess.CompletedProcess([], 0, PINNED, "")

    def download(
        pins: str, definition: Definition, store: Store, progress: object
    ) -> tuple[WheelEntry, ...]:
        downloaded.extend(pins.split())
        return (wheel_entry(store, wheel_bytes(MORE), "more", "1.5"),)

    monkeypatch.setattr(derive, "compile_pins", compiled)
    monkeypatch.setattr(derive, "download", download)
    return downloaded


def test_it_takes_its_parent_over_and_adds_a_layer(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    parent = catalogue.locked("tiny")
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    assert index == ["more==1.5"]
    assert image.layers[:2] == parent.layers[:2]
    assert [layer.comment for layer in image.layers[2:]] == [
        *("Python wheels of child", "reprun documents")
    ]
    home = made.directory / "child"
    assert (home / "debs.lock").read_bytes() == (made.directory / "tiny/debs.lock").read_bytes()
    definition = catalogue.definition("child")
    assert [each.name for each in definition.wheels] == ["greet", "more"]
    assert definition.title == "tiny with more>=1"
    assert definition.environment == catalogue.definition("tiny").environment
    assert read_parent_lock(home / "parent.lock").image == parent.image_id
    assert "3-python-wheels-of-child.tar /\n" in (home / "Dockerfile").read_text()
    assert {
        "name": "reprun:parent",
        "value": parent.reference,
    } in json.loads((home / SBOM_NAME).read_text())["metadata"]["properties"]
    root = unpacked_root(image, made.store)
    assert (root / SITE / "more/__init__.py").is_file()
    assert (root / SITE / "greet/__init__.py").is_file()
    inside = root / "usr/share/reprun/parent.lock"
    assert inside.read_bytes() == (home / "parent.lock").read_bytes()


def test_locked_again_it_is_the_same_image(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    first = lock("child", catalogue, made.store, Silent(), NOTHING)
    files = {path: path.read_bytes() for path in (made.directory / "child").iterdir()}
    assert lock("child", catalogue, made.store, Silent(), NOTHING).lock == first.lock
    assert lock("child", catalogue, made.store, Silent(), NOTHING, image_only=True) == first
    assert files == {path: path.read_bytes() for path in (made.directory / "child").iterdir()}
    assert check_twice("child", catalogue, made.store, Silent()).lock == first.lock
    assert verify("child", catalogue, made.store) == first.image


def test_what_is_gone_is_resolved_again_with_what_the_parent_wants(
    made: Kitchen, index: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(made.directory)
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    gone = next(each for each in catalogue.definition("child").wheels if each.name == "more")
    made.store.blob_path(gone.digest).unlink()
    other = {name.replace("1.5", "1.6"): data for name, data in MORE.items()}
    other["more-1.6.dist-info/METADATA"] = MORE["more-1.5.dist-info/METADATA"].replace(
        b"1.5", b"1.6"
    )
    asked: list[str] = []

    def resolve(definition: Definition, store: Store, _: object) -> tuple[WheelEntry, ...]:
        asked.extend(definition.requirements)
        return (*made.wheels, wheel_entry(store, wheel_bytes(other), "more", "1.6"))

    monkeypatch.setattr("reprun.images.relock.resolve_wheels", resolve)
    relocked = relock("child", catalogue, made.store, Silent(), NOTHING)
    assert asked == ["greet", "more>=1"]
    assert [str(change) for change in relocked.changes] == ["~ wheel more 1.5 -> 1.6"]
    assert relocked.image.layers[:2] == image.layers[:2]
    assert relocked.catalogue.locked("child") == relocked.image


def test_it_needs_its_parent_no_more(made: Kitchen, index: list[str], tmp_path: Path) -> None:
    image = lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING).image
    shutil.rmtree(made.directory / "tiny")
    catalogue, other = Catalogue(made.directory), Store(tmp_path / "other")
    sources = Sources(mirrors=(str(made.store.root),), index=False)
    assert ensure("child", catalogue, other, Silent(), sources) == image
    parentage = catalogue.parentage("child")
    assert parentage is not None
    assert parentage.now is None
    assert parentage.changed.endswith("and tiny is not a locked image any more")


def test_a_line_of_images_shares_every_layer(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    child = lock("child", catalogue, made.store, Silent(), NOTHING).image
    text = 'extends = "child"\n[environment]\nTZ = "CET"\nMORE = "1"\n'
    write(made, "grandchild", text)
    image = lock("grandchild", catalogue, made.store, Silent(), NOTHING).image
    assert image.layers[:3] == child.layers[:3]
    assert len(image.layers) == 4
    assert image.environment == {"MORE": "1", "PATH": child.environment["PATH"], "TZ": "CET"}
    assert catalogue.definition("grandchild").title == "child with another environment"
    assert catalogue.locked("grandchild") == image


def test_it_says_that_its_parent_has_changed(
    made: Kitchen, index: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    catalogue = Catalogue(made.directory)
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    before = catalogue.locked("tiny")
    assert audit("child", catalogue, made.store, Silent(), NOTHING).detail == image.image_id
    place = made.directory / "tiny" / "image.toml"
    place.write_text(place.read_text().replace('TZ = "UTC"', 'TZ = "CET"'))
    after = lock("tiny", catalogue, made.store, Silent(), NOTHING, image_only=True).image
    assert catalogue.locked("child") == image, "what is locked stays as it is"
    said = (
        f"child was locked from another state of tiny: from {before.image_id[7:19]}, "
        f"and tiny is {after.image_id[7:19]} now"
    )
    found = audit("child", catalogue, made.store, Silent(), NOTHING)
    assert (found.outcome, found.detail) == (Outcome.SAME, f"{image.image_id}; {said}")
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    monkeypatch.setenv("REPRUN_STORE", str(made.store.root))
    hint = "reprun images lock child   # takes over tiny as it is now"
    for command in ("show", "verify", "build"):
        text = CliRunner().invoke(app, [command, "child"], catch_exceptions=False).stdout
        assert f"note       {said}\ntry        {hint}\n" in text, command
    progress = Spoken()
    new = lock("child", catalogue, made.store, progress, NOTHING).image
    assert said in progress.said
    assert new.environment["TZ"] == "CET"
    assert audit("child", catalogue, made.store, Silent(), NOTHING).detail == new.image_id


def test_list_and_show_name_the_parent(
    made: Kitchen, index: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    catalogue = Catalogue(made.directory)
    lock("child", catalogue, made.store, Silent(), NOTHING)
    parent = catalogue.locked("tiny")

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout

    assert "tiny with more>=1 (extends tiny)\n" in run("list")
    assert f"extends    {parent.reference}\n" in run("show", "child")
    child, tiny_one = json.loads(run("list", "--format", "json"))["images"]
    image = parent.image_id
    assert child["parent"] == {"name": "tiny", "image": image, "image_now": image}
    assert tiny_one["parent"] is None
    assert "| yes, from its locks, extends tiny |" in table(catalogue)


def test_an_image_that_is_not_locked_does_not_hide_the_others(
    made: Kitchen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    write(made, "faulty", 'extend = "tiny"\n')
    listed = CliRunner().invoke(app, ["list"], catch_exceptions=False).stdout.splitlines()
    assert listed[0].split("  ")[0] == "child"
    assert listed[0].endswith(
        "no digest yet         not built  image 'child' is not locked: it has no image.lock"
    )
    assert "extend: unknown field. Did you mean 'extends'?" in listed[1]
    assert listed[-1].split()[:2] == [
        "tiny",
        f"{Catalogue(made.directory).locked('tiny').image_id[:19]}…",
    ]
    text = CliRunner().invoke(app, ["list", "--format", "json"], catch_exceptions=False).stdout
    child = json.loads(text)["images"][0]
    assert (child["image"], child["rebuildable"]) == (None, True)
    assert child["reason"] == "image 'child' is not locked: it has no image.lock"


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ('extends = "tinny"\n', "child:1", "extends: there is no image 'tinny'. Did you mean", ""),
        (
            'extends = "child"\n',
            "child:1",
            "extends: the image extends itself: child -> child$",
            "",
        ),
        (
            'title = "x"\nextends = "second"\n',
            "second:1",
            "extends: the image extends itself: child -> second -> child$",
            "",
        ),
        ('extends = "far"\n', "child:1", "extends: image 'far' is published elsewhere; only", ""),
        (
            'extends = "unlocked"\n',
            "child:1",
            "extends: image 'unlocked' is not locked",
            "reprun images lock unlocked",
        ),
        ('extend = "tiny"\n', "child:1", "extend: unknown field. Did you mean 'extends'?", ""),
        ('extends = "tiny"\nextra = []\n', "child:2", "extra: unknown field", ""),
        ('extends = "tiny"\nname = "kid"\n', "child:2", "name: this is 'kid', but the dir", ""),
    ],
)
def test_a_parent_that_cannot_be_extended_is_an_error(
    made: Kitchen, text: str, place: str, message: str, hint: str
) -> None:
    write(made, "far", external_toml("far", "docker.io/a/b"))
    write(made, "second", 'extends = "child"\npackages = ["hello"]\n')
    unlocked = (made.directory / "tiny" / "image.toml").read_text()
    write(made, "unlocked", unlocked.replace('"tiny"', '"unlocked"'))
    write(made, "child", f'{text}requirements = ["more"]\n')
    name, _, line = place.partition(":")
    toml = made.directory / name / "image.toml"
    with pytest.raises(SpecificationError, match=message) as caught:
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    assert caught.value.place == f"{toml}:{line}"
    assert caught.value.hint == (hint or f"${{EDITOR:-vi}} +{line} {toml}")
    assert sorted(path.name for path in (made.directory / "child").iterdir()) == ["image.toml"]


def test_an_image_that_adds_nothing_is_an_error(made: Kitchen) -> None:
    write(made, "child", 'extends = "tiny"\n')
    with pytest.raises(SpecificationError, match="extends tiny and adds nothing: give it requir"):
        Catalogue(made.directory).definition("child")


def test_a_parent_whose_lock_does_not_fit_is_an_error(made: Kitchen) -> None:
    place = made.directory / "tiny" / "image.toml"
    place.write_text(place.read_text() + "# changed\n")
    with pytest.raises(IntegrityError, match=r"image 'tiny' is not what its image\.lock says"):
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)


@pytest.mark.parametrize("file", ["image.toml", "debs.lock", "wheels.lock", "parent.lock"])
def test_a_document_that_changed_after_locking_is_noticed(
    made: Kitchen, index: list[str], file: str
) -> None:
    catalogue = Catalogue(made.directory)
    lock("child", catalogue, made.store, Silent(), NOTHING)
    place = made.directory / "child" / file
    place.write_text(f"{place.read_text()}# changed\n")
    with pytest.raises(IntegrityError, match=r"wheels\.lock or parent\.lock changed after"):
        catalogue.locked("child")


def test_extending_another_image_asks_for_a_new_lock(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    lock("child", catalogue, made.store, Silent(), NOTHING)
    shutil.copytree(made.directory / "tiny", made.directory / "small")
    place = made.directory / "small" / "image.toml"
    place.write_text(place.read_text().replace('"tiny"', '"small"'))
    lock("small", catalogue, made.store, Silent(), NOTHING, image_only=True)
    write(made, "child", CHILD.replace("tiny", "small"))
    with pytest.raises(IntegrityError, match="changed after it was locked"):
        catalogue.locked("child")
    lock("child", catalogue, made.store, Silent(), NOTHING)
    parentage = catalogue.parentage("child")
    assert parentage is not None
    assert parentage.name == "small"


def test_an_image_that_extends_nothing_any_more_has_no_parent_lock(
    made: Kitchen, index: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(made.directory)
    lock("child", catalogue, made.store, Silent(), NOTHING)
    text = (made.directory / "tiny" / "image.toml").read_text()
    write(made, "child", text.replace('"tiny"', '"child"'))
    monkeypatch.setattr("reprun.images.lock.resolve_debs", lambda *_: tuple(made.debs))
    monkeypatch.setattr("reprun.images.lock.resolve_wheels", lambda *_: tuple(made.wheels))
    lock("child", catalogue, made.store, Silent(), NOTHING)
    assert not (made.directory / "child" / "parent.lock").exists()
    assert catalogue.parentage("child") is None


def test_a_broken_parent_lock_is_written_again(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    place = made.directory / "child" / "parent.lock"
    place.write_text(place.read_text().replace("suite", "suit"))
    with pytest.raises(SpecificationError, match=r"debian\.suit: unknown field\. Did") as caught:
        catalogue.locked("child")
    assert caught.value.hint == "reprun images lock child"
    assert lock("child", catalogue, made.store, Silent(), NOTHING).image == image
    text = place.read_text()
    place.write_text(text.replace('"TZ" = "UTC"', '"TZ" = 3'))
    line = text.splitlines().index('"TZ" = "UTC"') + 1
    with pytest.raises(SpecificationError, match=r"environment\.TZ: must be") as caught:
        catalogue.locked("child")
    assert caught.value.place == f"{place}:{line}"


def test_a_parent_lock_says_every_character(made: Kitchen, index: list[str]) -> None:
    catalogue = Catalogue(made.directory)
    lock("child", catalogue, made.store, Silent(), NOTHING)
    place = made.directory / "child" / "parent.lock"
    before = read_parent_lock(place)
    odd = before.model_copy(update={"environment": {"A": 'q"\\ ü\n\x7f\t#', "B": "", "C-1": "x=y"}})
    place.write_text(parent_lock_text(odd))
    assert read_parent_lock(place) == odd


# -- conflicts ----------------------------------------------------------------------------------


def test_a_requirement_for_another_python_is_no_conflict(made: Kitchen, index: list[str]) -> None:
    write(made, "child", CHILD.replace("]", ", 'greet<2; python_version < \"3\"']"))
    lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    assert index == ["more==1.5"]


def test_a_requirement_against_a_pin_of_the_parent(made: Kitchen, index: list[str]) -> None:
    write(made, "child", 'extends = "tiny"\n\nrequirements = ["more", "Greet<2"]\n')
    with pytest.raises(
        SpecificationError,
        match=r"requirements: 'Greet<2' conflicts with tiny, which is locked to Greet 2\.0$",
    ) as caught:
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    place = made.directory / "child" / "image.toml"
    assert caught.value.place == f"{place}:3"
    assert caught.value.hint == (
        f"${{EDITOR:-vi}} +3 {place}   # ask for a version that goes together with Greet 2.0"
    )


UNSOLVED = """\
error: No solution found when resolving dependencies
  cause: Because more==1.5 depends on greet<2 and greet==2.0, we can conclude that
         more==1.5 cannot be used.

  hint: try something
"""
UNKNOWN = "error: No solution found\n  cause: Because nowhere was not found in the registry.\n"


CONFLICT = "with tiny, which is locked to greet 2.0: Because more==1.5 depends on greet<2 and"


@pytest.mark.parametrize(
    ("guilty", "stderr", "message"),
    [
        (("more",), UNSOLVED, f"requirements: 'more' conflicts {CONFLICT}"),
        ((), UNSOLVED, f"requirements: 'other' and 'more' together conflict {CONFLICT}"),
        (("more",), UNSOLVED, "more==1.5 cannot be used."),
        (("more",), UNKNOWN, "'more' cannot be resolved: Because nowhere was not found in the r"),
        (("more",), "error: no network\n", "'more' cannot be resolved: no network"),
    ],
)
def test_the_resolver_refuses(
    made: Kitchen,
    monkeypatch: pytest.MonkeyPatch,
    guilty: tuple[str, ...],
    stderr: str,
    message: str,
) -> None:
    write(made, "child", 'extends = "tiny"\nrequirements = ["other", "more"]\n')

    def compiled(
        _: Definition, requirements: Sequence[str], *options: str
    ) -> subprocess.CompletedProcess[str]:
        refused = len(requirements) > 1 or requirements[0] in guilty
        return subprocess.CompletedProcess([], int(refused), "", stderr)

    monkeypatch.setattr(derive, "compile_pins", compiled)
    with pytest.raises(SpecificationError, match=re.escape(message)) as caught:
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    assert "hint" not in caught.value.message
    assert caught.value.place == f"{made.directory / 'child' / 'image.toml'}:2"


class Archive:
    """An archive whose apt answers with given packages."""

    def __init__(self, *found: DebEntry) -> None:
        self.found = found
        self.installed = ""
        self.wanted: Sequence[str] = ()

    @contextmanager
    def __call__(self, *_: object, installed: str) -> Iterator[Archive]:
        self.installed = installed
        yield self

    def resolve(self, packages: Sequence[str]) -> tuple[DebEntry, ...]:
        self.wanted = packages
        return self.found


def test_debian_packages_are_added_beside_the_parents(
    made: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = list(made.debs)
    new = made.deb(deb_bytes([member("./usr/lib/more", b"more")], name="more"), "more")
    archive = Archive(new)
    monkeypatch.setattr(derive, "archive", archive)
    write(made, "child", 'extends = "tiny"\npackages = ["hello", "more"]\n')
    catalogue = Catalogue(made.directory)
    image = lock("child", catalogue, made.store, Silent(), NOTHING).image
    assert archive.wanted == ["more"], "hello is there already"
    assert "Package: hello\nStatus: install ok installed\n" in archive.installed
    assert [each.name for each in catalogue.definition("child").debs] == ["hello", "more"]
    assert catalogue.definition("child").debs[0].line() == old[0].line()
    parent = catalogue.locked("tiny").layers
    assert [layer.comment for layer in image.layers] == [layer.comment for layer in parent]
    assert image.layers[1] == parent[1], "its wheels are those of the parent"
    status = unpacked_root(image, made.store) / "var/lib/dpkg/status"
    assert status.read_text().count("Package: ") == 2


def test_a_package_that_would_move_one_of_the_parents(
    made: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = replace(made.debs[0], name="more", path="pool/main/m/more_1_amd64.deb")
    moved = replace(made.debs[0], version="1.1-1", path="pool/main/h/hello_1.1-1_amd64.deb")
    monkeypatch.setattr(derive, "archive", Archive(moved, more))
    write(made, "child", 'extends = "tiny"\npackages = ["more"]\n')
    with pytest.raises(
        SpecificationError,
        match=r"packages: more from the archive of today needs hello 1\.1-1, but tiny is locked "
        r"to hello 1\.0-1$",
    ) as caught:
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    assert caught.value.place == f"{made.directory / 'child' / 'image.toml'}:2"
    assert (caught.value.hint or "").startswith("reprun images lock tiny ")


def test_a_wheel_may_not_replace_a_file_of_the_parent(
    made: Kitchen, index: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**MORE, "greet/__init__.py": b"another\n"}
    monkeypatch.setattr(
        derive,
        "download",
        lambda _, __, store, ___: (wheel_entry(store, wheel_bytes(files), "more", "1.5"),),
    )
    with pytest.raises(IntegrityError, match=r"'Python wheels of child' replaces .*greet/__init"):
        lock("child", Catalogue(made.directory), made.store, Silent(), NOTHING)
    assert not (made.directory / "child" / "image.lock").exists()


def test_a_definition_that_is_not_locked_yet_follows_its_parent(made: Kitchen) -> None:
    definition = Catalogue(made.directory).definition("child")
    assert definition.parent is not None
    assert definition.added_requirements == ("more>=1",)
    assert definition.requirements == ("greet", "more>=1")
    with pytest.raises(SpecificationError, match=r"'child' is not locked: it has no debs\.lock"):
        build(definition, made.store, Silent())

"""The catalogue: names, references, and locks that no longer fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.images import ensure as ensure_module
from reprun.images.audit import Outcome, audit, exit_code, rebuildable
from reprun.images.builder.fetch import Sources
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.stored import is_stored
from reprun.images.table import BEGIN, END, table, with_table, write_table
from reprun.progress import Silent
from reprun.store.store import Store
from reprun.wording import size_of
from tests.images_support import deb_bytes, external_toml, member, tiny

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_locked_image_is_found_by_name_and_by_digest(tmp_path: Path) -> None:
    catalogue = tiny(tmp_path).locked()
    image = catalogue.locked("tiny")
    assert catalogue.names() == ["tiny"]
    assert catalogue.by_reference("tiny") == image
    assert catalogue.by_reference(image.reference) == image
    assert catalogue.by_reference(f"tiny@{image.manifest}") == image
    assert image.environment == {"PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"}


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("tinny", SpecificationError, "no image 'tinny'. Did you mean 'tiny'"),
        ("", SpecificationError, "no image ''"),
        ("../images/tiny", SpecificationError, "is a file or an address, not an image"),
        ("/images/tiny.sif", SpecificationError, "is a file or an address, not an image"),
        ("tiny.sif", SpecificationError, "is a file or an address, not an image"),
        ("oras://example.org/tiny:1", SpecificationError, "is a file or an address, not an"),
        ("shub://tiny", SpecificationError, "is a file or an address, not an image of the"),
        ("library/tiny:1", SpecificationError, "is an image of a registry, not an image of"),
        ("localhost:5000/tiny", SpecificationError, "is an image of a registry, not an image"),
        ("tinny:1", SpecificationError, "no image 'tinny:1'. Did you mean 'tiny'"),
        ("tiny:latest", SpecificationError, "by a tag, which may move"),
        ("tiny@sha256:12", SpecificationError, "has no digest sha256:<64"),
        ("tiny@md5:" + "a" * 64, SpecificationError, "has no digest sha256:<64"),
        ("tiny@sha256:" + "a" * 64, IntegrityError, "requested as aaaaaaaaaaaa.*locked to"),
    ],
)
def test_a_wrong_reference_is_refused(
    tmp_path: Path, reference: str, error: type[Exception], message: str
) -> None:
    catalogue = tiny(tmp_path).locked()
    with pytest.raises(error, match=message):
        catalogue.by_reference(reference)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("image.toml", "A tiny image", "Another title"),
        ("image.toml", 'TZ = "UTC"', 'TZ = "CET"'),
        ("image.toml", "# nothing", "# nothing"),
        ("debs.lock", "1.0-1 amd64", "1.0-2 amd64"),
        ("wheels.lock", "# name", "#  name"),
        ("image.lock", "Python wheels", "Other wheels"),
    ],
)
def test_a_lock_that_no_longer_fits_is_noticed_without_a_build(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    catalogue = tiny(tmp_path).locked()
    place = tmp_path / "images" / "tiny" / file
    text = place.read_text()
    place.write_text(text.replace(old, new) if old in text else text + f"{new}\n")
    with pytest.raises(IntegrityError, match=r"not what its image\.lock says") as caught:
        catalogue.locked("tiny")
    assert "reprun images lock tiny" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('name = "tiny"', 'name = "other"', 1, "name: this is 'other', but the directory"),
        ('name = "tiny"', "", 1, "name: this field is missing"),
        ('name = "tiny"', 'name = ""', 1, "name: must be a name"),
        (
            'suite = "bookworm"',
            'suit = "bookworm"',
            5,
            "debian.suit: unknown field. Did you mean 'suite'",
        ),
        ("[python]", "[pyton]", 9, "pyton: unknown field. Did you mean 'python'"),
        ('packages = ["hello"]', 'packages = "hello"', 7, "debian.packages: must be a list"),
        ('packages = ["hello"]', 'packages = ["-o"]', 7, "packages.0: must be the name of a Deb"),
        ('requirements = ["greet"]', "requirements = [1]", 15, "python.requirements.0: must be"),
        (
            'requirements = ["greet"]',
            'requirements = ["greet=1"]',
            15,
            "python.requirements.0: 'greet=1' is not a requirement: Expected",
        ),
        (
            'requirements = ["greet"]',
            'requirements = ["greet @ file:///greet.whl"]',
            15,
            "python.requirements.0: .* names a URL: locked wheels come from a package index",
        ),
        ('TZ = "UTC"', "TZ = 0", 19, "environment.TZ: must be .*, is the number 0"),
        ("[environment]", "[environment", 17, "not valid TOML"),
        ('title = "A tiny image"', 'title = "x"\npython = 3', 10, "not valid TOML"),
    ],
)
def test_a_malformed_definition_names_its_field_and_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    made = tiny(tmp_path)
    catalogue = made.catalogue()
    place = made.directory / "tiny" / "image.toml"
    place.write_text(place.read_text().replace(old, new))
    with pytest.raises(SpecificationError, match=message) as caught:
        catalogue.definition("tiny")
    assert caught.value.place == f"{place}:{line}"
    assert caught.value.hint == f"${{EDITOR:-vi}} +{line} {place}"


def test_ensure_builds_once_and_then_returns_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    fresh = Store(tmp_path / "fresh")
    sources = Sources(mirrors=(str(made.store.root),), index=False)
    image = ensure("tiny", catalogue, fresh, Silent(), sources)
    assert is_stored(image, fresh)
    monkeypatch.setattr(ensure_module, "fetch", None)
    monkeypatch.setattr(ensure_module, "build", None)
    assert ensure(image, catalogue, fresh, Silent()) == image


def test_ensure_refuses_a_build_that_is_not_the_locked_image(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    expected = catalogue.lock("tiny").layers[0].digest
    made.store.blob_path(expected).unlink()
    place = made.directory / "tiny" / "image.lock"
    # A layer of another build, with everything that follows from it recomputed.
    other = tiny(tmp_path / "other")
    other.debs.clear()
    other.deb(deb_bytes([member("./usr/lib/other", b"x")]))
    lock = other.locked().lock("tiny")
    text = place.read_text().replace(expected, lock.layers[0].digest)
    text = text.replace(f"size = {catalogue.lock('tiny').layers[0].size}", "size = 1", 1)
    place.write_text(text)
    definition = catalogue.definition("tiny")
    from reprun.images.oci import layout  # noqa: PLC0415

    layers = catalogue.lock("tiny").layers
    config = layout.config_of(definition, layers)
    manifest = layout.manifest_of(config, layers)
    old = catalogue.lock("tiny")
    text = text.replace(old.image_id, layout.digest(config))
    place.write_text(text.replace(old.manifest, layout.digest(manifest)))
    with pytest.raises(IntegrityError, match="layer 'Debian packages' is") as caught:
        ensure("tiny", catalogue, made.store, Silent(), Sources(index=False))
    assert caught.value.exit_code == 6


def test_ensure_says_when_inputs_are_gone(tmp_path: Path) -> None:
    catalogue = tiny(tmp_path).locked()
    with pytest.raises(InputsGoneError, match=r"hello_1\.0.*deb, greet-2\.0.*whl"):
        ensure("tiny", catalogue, Store(tmp_path / "empty"), Silent(), Sources(index=False))


def test_an_image_without_a_lock_is_refused(tmp_path: Path) -> None:
    catalogue = tiny(tmp_path).catalogue()
    with pytest.raises(SpecificationError, match="not locked"):
        catalogue.locked("tiny")
    assert Catalogue(tmp_path / "nowhere").names() == []


def test_the_table_of_images_is_current() -> None:
    place = REPOSITORY / "docs" / "images.md"
    text = place.read_text()
    assert with_table(text, Catalogue(REPOSITORY / "images"), place) == text


def test_a_table_has_a_row_for_each_image_and_needs_its_place(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    (made.directory / "far").mkdir()
    (made.directory / "far" / "image.toml").write_text(external_toml("far", "docker.io/a/b"))
    rows = table(catalogue).splitlines()
    assert rows[2] == "| far | Made elsewhere | | not pinned yet | no: others build it |"
    size = size_of(sum(layer.size for layer in catalogue.locked("tiny").layers))
    assert rows[3].startswith(f"| tiny | A tiny image (1 Debian packages, 1 wheels) | {size} | `")
    place = tmp_path / "page.md"
    place.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(catalogue, place)
    assert place.read_text() == f"before\n{BEGIN}\n{table(catalogue)}{END}\nafter\n"
    with pytest.raises(SpecificationError, match="no place for the table"):
        with_table("nothing here", catalogue, place)
    with pytest.raises(SpecificationError, match="cannot be read: No such file"):
        write_table(catalogue, tmp_path / "none.md")


def test_what_is_checked_of_an_image_is_no_part_of_it(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    before = catalogue.definition("tiny").documents()
    place = made.directory / "tiny" / "image.toml"
    text = place.read_text()
    check = '\n\n[check]\ncommands = [\n  "true",\n  """one\ntwo""",\n]\n'
    place.write_text(text.rstrip("\n") + check)
    definition = Catalogue(made.directory).definition("tiny")
    assert definition.checks == ("true", "one\ntwo")
    assert definition.documents() == before
    place.write_text(text.replace("[python]", '[check]\ncommands = ["true"]\n[python]'))
    assert Catalogue(made.directory).definition("tiny").documents() == before
    place.write_text(text + "\n[check]\ncommands = []\n")
    with pytest.raises(SpecificationError, match=r"check\.commands"):
        Catalogue(made.directory).definition("tiny")


def test_an_audit_tells_gone_inputs_from_changed_bytes(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    catalogue = made.locked()
    nothing = Sources(index=False)
    good = audit("tiny", catalogue, made.store, Silent(), nothing)
    assert (good.outcome, exit_code([good])) == (Outcome.SAME, 0)
    assert good.detail == catalogue.locked("tiny").image_id
    gone = audit("tiny", catalogue, Store(tmp_path / "empty"), Silent(), nothing)
    assert (gone.outcome, exit_code([good, gone])) == (Outcome.INPUTS_GONE, 3)
    assert "hello_1.0-1_amd64.deb" in gone.detail
    assert "cannot be locked again: no Debian mirror is known" in gone.detail
    place = made.directory / "tiny" / "image.lock"
    lock = catalogue.lock("tiny")
    place.write_text(place.read_text().replace(lock.tree, f"sha256:{'0' * 64}"))
    changed = audit("tiny", catalogue, made.store, Silent(), nothing)
    assert (changed.outcome, exit_code([good, gone, changed])) == (Outcome.CHANGED, 6)
    assert "file tree" in changed.detail
    failed = replace(good, outcome=Outcome.CHECK_FAILED)
    assert (exit_code([gone, failed]), exit_code([failed, changed])) == (4, 6)
    assert rebuildable(catalogue) == ["tiny"]

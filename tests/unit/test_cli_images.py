"""`reprun images …`: what is printed, and the frozen keys of its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reprun.cli.images import GROUPS, app
from reprun.errors import SpecificationError
from reprun.wording import size_of
from tests.images_support import Kitchen, external_toml, tiny
from tests.projects import mark_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    """A project with one locked image."""
    made = tiny(tmp_path)
    made.locked()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    monkeypatch.setenv("REPRUN_STORE", str(made.store.root))
    monkeypatch.setenv("REPRUN_DEBIAN_MIRROR", "http://127.0.0.1:9")
    return made


def run(*arguments: str) -> str:
    """Return the stdout of a command that must succeed."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_list_and_show(project: Kitchen) -> None:
    image = project.catalogue().locked("tiny")
    assert run("list").split()[:2] == ["tiny", f"{image.image_id[:19]}…"]
    text = run("show", "tiny")
    assert image.reference in text
    assert "Debian bookworm (1): hello 1.0-1" in text
    (listed,) = json.loads(run("list", "--format", "json"))["images"]
    assert set(listed) == {
        *(
            "name",
            "title",
            "rebuildable",
            "image",
            "manifest",
            "reference",
            "tree",
            "size",
            "layers",
            "reason",
            "parent",
        )
    }
    shown = json.loads(run("show", "tiny", "--format", "json"))
    of_external = ("repository", "entry_point", "user", "conditions", "external_because")
    head = ("schema_version", "kind", "reprun")
    assert set(shown) == {*listed, *head, "debs", "wheels", "environment", *of_external}
    assert all(shown[key] is None for key in of_external)
    assert shown["wheels"] == {"greet": "2.0"}


def test_fetch_build_verify_and_lock(project: Kitchen, tmp_path: Path) -> None:
    reference = project.catalogue().locked("tiny").reference
    assert run("fetch", "tiny") == "all 2 locked files of tiny are in the store, none new\n"
    assert reference in run("build", "tiny", "--docker-context", str(tmp_path / "context"))
    assert (tmp_path / "context" / "Dockerfile").is_file()
    assert reference in run("build", "tiny", "--check-twice")
    assert reference in run("verify", "tiny")
    document = json.loads(run("lock", "tiny", "--image-only", "--format", "json"))
    assert document["reference"] == reference
    keys = ("action", "name", "image", "manifest", "reference", "size", "place", "parent")
    assert set(document) == {"schema_version", "kind", "reprun", *keys}


def test_fetch_says_what_is_new(
    project: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_MIRRORS", str(project.store.root))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "another"))
    said = run("fetch", "tiny")
    definition = project.definition()
    size = sum(e.size for e in definition.debs) + sum(e.size for e in definition.wheels)
    assert said == f"all 2 locked files of tiny are in the store, 2 of them new ({size_of(size)})\n"


def test_an_unknown_image_is_an_error_for_the_command_line_to_show(project: Kitchen) -> None:
    result = CliRunner().invoke(app, ["show", "tinny"])
    assert isinstance(result.exception, SpecificationError)
    assert "Did you mean 'tiny'" in result.exception.message


def test_the_help_groups_every_command_and_cuts_no_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run("--help")
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(typer.main.get_group(app).commands)
    assert all(f"\n  {name} " in text for name in grouped)
    assert "..." not in text.partition("Look:")[2]


def test_what_an_external_image_has_no_answer_for(project: Kitchen) -> None:
    home = project.directory / "foreign"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("foreign", "docker.io/some/thing"))
    result = CliRunner().invoke(app, ["sbom", "foreign"])
    assert isinstance(result.exception, SpecificationError)
    assert "no lock says what packages are in it" in result.exception.message

"""`reprun clean`: what is where, what goes, and that nothing goes unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprun.cli import main as cli
from reprun.errors import ReprunError, SpecificationError, StorageError
from reprun.progress import Silent
from reprun.runs.clean import remove
from reprun.runs.directory import alone
from reprun.store.store import Store
from tests.projects import mark_project

RUNS = ("one/columnar", "one/root", "other/columnar")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of a project with three runs, and of one on a cluster."""
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("reprun.engines.choose.sweep", lambda _: [])
    home = tmp_path / "project" / "results"
    for name in (*RUNS, "one/columnar.reana"):
        (home / name / "workspace").mkdir(parents=True)
        (home / name / "workspace" / "file").write_bytes(bytes(100_000))
        (home / name / "record.json").write_text("{}")
    return home


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli.program(), ["clean", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def refused(*arguments: str) -> ReprunError:
    with pytest.raises(ReprunError) as raised:
        CliRunner().invoke(cli.program(), ["clean", *arguments], catch_exceptions=False)
    return raised.value


def there(results: Path, what: str = ".") -> list[str]:
    return sorted(
        str(path.parent.relative_to(results) if what != "." else path.relative_to(results))
        for path in results.glob(f"*/*/{what}" if what != "." else "*/*")
    )


def test_it_explains_and_removes_nothing(results: Path) -> None:
    store = Store.default()
    data = store.add_bytes(b"data")
    store.note_origin(data, "https://x/data")
    store.add_bytes(b"a layer")
    found = json.loads(run("--format", "json"))
    rows = {each["what"]: (each["count"], each["command"]) for each in found["holdings"]}
    assert rows == {
        "data": (1, "reprun data gc"),
        "packages and layers of images": (1, "reprun images prune"),
        "workspaces of all runs": (3, "reprun clean --workspaces"),
        "runs of one": (2, "reprun clean one"),
        "runs of other": (1, "reprun clean other"),
    }
    assert found["holdings"][2]["size"] >= 300_000
    text = run()
    assert f"store: {store.root}\nresults: {results}\n" in text
    assert "reprun clean other" in text
    named = json.loads(run("--results", str(results), "--format", "json"))["holdings"]
    assert f"reprun clean one --results {results}" in [each["command"] for each in named]
    assert len(there(results)) == 4


def test_nothing_goes_unasked(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused("one")
    assert isinstance(error, SpecificationError)
    assert error.message.startswith("2 runs, 2")
    assert error.hint == "reprun clean one --yes"
    hint = f"reprun clean one --results {results} --yes"
    assert refused("one", "--results", str(results)).hint == hint
    assert refused("--workspaces").hint == "reprun clean --workspaces --yes"
    monkeypatch.setattr("reprun.cli.console.is_asked", lambda: True)
    monkeypatch.setattr("reprun.cli.console.confirmed", lambda _: False)
    assert run("one") == ""
    assert refused("one", "--format", "json").hint == "reprun clean one --yes"
    assert "would be removed" in run("one", "--dry-run")
    assert len(there(results)) == 4
    monkeypatch.setattr("reprun.cli.console.confirmed", lambda _: True)
    assert "2 runs, " in run("one")
    assert there(results) == ["one/columnar.reana", "other/columnar"]


def test_workspaces_go_and_reports_stay(results: Path) -> None:
    assert "2 workspaces, " in run("o*e", "--workspaces", "--yes")
    assert there(results, "workspace") == ["one/columnar.reana", "other/columnar"]
    assert len(there(results, "record.json")) == 4
    assert "1 run, " in run("other", "--yes")
    assert not (results / "other").exists()


def test_a_name_without_results(results: Path) -> None:
    error = refused("ones", "--yes")
    assert error.message == f"there are no results of 'ones' in {results}. Did you mean 'one'?"


def test_a_run_that_is_under_way_stays(results: Path) -> None:
    place = results / "other" / "columnar"
    with (
        alone(place, Store.default(), Silent()),
        pytest.raises(StorageError, match="another reprun is running"),
    ):
        remove([place], Store.default(), Silent(), workspaces=False)
    assert (place / "record.json").is_file()

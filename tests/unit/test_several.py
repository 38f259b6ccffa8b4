"""`lock`, `run` and `bless` of several analyses: one that fails hides no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reprun.cli.main import program
from reprun.cli.options import expanded
from reprun.digests import sha256_file
from reprun.documents.record import write_record
from reprun.errors import InterruptedRunError, SpecificationError
from reprun.images.model import Image
from tests.projects import mark_project
from tests.unit import builders
from tests.unit.builders import ANALYSIS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three analyses that have run; the second cannot be read."""

    def locked(_: object, name: str) -> Image:
        return builders.image(name)

    (tmp_path / "images").mkdir()
    for name in ("cms-a", "cms-b", "other"):
        directory = tmp_path / "examples" / name
        (directory / "code").mkdir(parents=True)
        (directory / "Snakefile").touch()
        (directory / "analysis.yaml").write_text(re.sub("name: demo", f"name: {name}", ANALYSIS))
        outputs = tmp_path / "results" / name / "columnar" / "outputs"
        outputs.mkdir(parents=True)
        for file in ("a.csv", "b.csv"):
            (outputs / file).write_text("row,value\nx,10\n")
        digests = {file: sha256_file(outputs / file) for file in ("a.csv", "b.csv")}
        write_record(builders.record(outputs=digests, analysis=name), outputs.parent)
    (tmp_path / "examples" / "cms-b" / "analysis.yaml").write_text("schema_version: 1\n")
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("reprun.images.catalogue.catalogue.Catalogue.locked", locked)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program(), list(arguments))


def test_globs_are_analyses_of_the_project(project: Path) -> None:
    assert expanded(["cms-*", "other", "cms-a"]) == ["cms-a", "cms-b", "other"]
    with pytest.raises(SpecificationError, match=r"no analysis matches 'cmss-\*'") as error:
        expanded(["cmss-*"])
    assert error.value.hint == "reprun list"


def test_each_is_locked_whatever_comes_of_the_others(project: Path) -> None:
    done = call("lock", "*")
    assert done.exit_code == 2
    lines = done.stdout.splitlines()
    assert lines[0] == "✓ cms-a  locked: nothing changed"
    assert lines[1].startswith("✗ cms-b  name: this field is missing")
    assert "✓ other  locked: nothing changed" in lines
    assert lines[-1] == "2 of 3 done, 1 failed"
    assert (project / "examples" / "other" / "analysis.lock").is_file()
    (project / "examples" / "other" / "code" / "x.py").write_text("")
    done = call("lock", "cms-a", "other")
    assert done.exit_code == 0
    assert "✓ other  locked: 1 change\n    code: code/x.py is new" in done.stdout
    assert done.stdout.endswith("all 2 done\n")


def test_json_has_an_entry_for_each(project: Path) -> None:
    said = json.loads(call("lock", "cms-*", "--format", "json").stdout)
    assert said["kind"] == "lock-list"
    good, bad = said["analyses"]
    assert (good["analysis"], good["exit_code"], bad["exit_code"]) == ("cms-a", 0, 2)
    assert good["result"]["changes"] == []
    assert (bad["result"], bad["place"] is not None) == (None, True)


def test_each_is_blessed_with_one_reason(project: Path) -> None:
    done = call("bless", "*", "--reason", "numpy", "--author", "A. Nobody")
    assert done.exit_code == 2
    for name in ("cms-a", "other"):
        assert (
            f"✓ {name}  blessed and locked: 2 objects (2 new)\n    new  a\n    new  b"
            in done.stdout
        )
        blessed = project / "examples" / name / "reference" / "blessed.json"
        assert json.loads(blessed.read_text())["reason"] == "numpy"


def outcome(directory: Path, sentence: str, reproduced: bool) -> Any:
    report = SimpleNamespace(
        sentence=sentence, exit_code=not reproduced, status=sentence.partition(":")[0]
    )
    return SimpleNamespace(report=report, directory=directory, lock_changes=["image: x changed"])


def test_each_is_run_and_the_exit_code_is_the_worst(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(request: Any, *_: object) -> Any:
        assert request.update_lock
        name = request.selection.analysis.name
        said = "reproduced: 1 object" if name == "cms-a" else "not reproduced: 1 of 1"
        return outcome(project / "results" / name, said, name == "cms-a")

    monkeypatch.setattr("reprun.runs.run.run", run)
    done = call("run", "--update-lock", "cms-a", "other")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "✓ cms-a  reproduced: 1 object",
        "    lock updated: image: x changed",
        "    report: results/cms-a/report.html",
        "✗ other  not reproduced: 1 of 1",
        "    lock updated: image: x changed",
        "    report: results/other/report.html",
        "1 of 2 done, 1 failed",
    ]
    assert call("run", "--update-lock", "*").exit_code == 2


def test_who_stops_one_stops_all(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(request: Any, *_: object) -> Any:
        ran.append(request.selection.analysis.name)
        raise InterruptedRunError("interrupted")

    monkeypatch.setattr("reprun.runs.run.run", run)
    assert isinstance(call("run", "cms-a", "other").exception, InterruptedRunError)
    assert ran == ["cms-a"]


def test_reports_on_one_analysis_are_not_written_for_several(project: Path) -> None:
    error = call("run", "*", "--junit", "x.xml").exception
    assert isinstance(error, SpecificationError)
    assert error.hint == "reprun matrix --junit FILE"

"""`reprun init`: what it writes, what it refuses, and that it leaves nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reprun.authoring import init as module
from reprun.authoring.ci import CI_FILES, CiSystem
from reprun.authoring.init import EXAMPLE, init_project
from reprun.authoring.rendering import TEMPLATES
from reprun.cli.main import program
from reprun.documents.analysis import load_analysis
from reprun.documents.project import Project, read_project
from reprun.documents.selection import select
from reprun.errors import SpecificationError, StorageError
from reprun.histograms import Histogram
from reprun.runs.blessed import read_blessing
from reprun.runs.lock import enforce_lock, read_lock
from reprun.runs.reference import load_reference

REFERENCE = TEMPLATES / "example" / "reference"
OUT_OF_DATE = "type tools/init-example, and look at what differs"


@pytest.fixture(autouse=True)
def _no_project_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRUN_PROJECT", raising=False)


# -- what is written --------------------------------------------------------------------------


def test_a_project_that_is_complete(tmp_path: Path) -> None:
    made = init_project(tmp_path / "mine")
    assert made.directory == tmp_path / "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o755
    found = {str(f.relative_to(made.directory)) for f in made.directory.rglob("*") if f.is_file()}
    assert found == set(made.files)
    assert {"reprun.toml", "README.md", ".gitignore", ".github/workflows/reprun.yml"} <= found
    project = Project.find(made.directory / "analyses" / EXAMPLE)
    assert project == Project(made.directory)
    assert project.analysis_names() == [made.example] == [EXAMPLE]
    directory = project.analysis_directory(EXAMPLE)
    analysis = load_analysis(directory)
    enforce_lock(select(project, EXAMPLE))
    assert analysis.datasets["events"].doi == "10.7483/OPENDATA.CMS.CB8H.MFFA"
    assert all(not file.uris for file in analysis.datasets["events"].files)


def test_nothing_in_it_points_out_of_it(tmp_path: Path) -> None:
    made = init_project(tmp_path / "mine")
    for path in made.directory.rglob("*"):
        assert not path.is_symlink()
        if path.is_file():
            text = path.read_text()
            for word in (str(tmp_path), str(TEMPLATES.parents[3]), ".venv", "examples/"):
                assert word not in text, path


def test_the_reference_of_the_example_is_what_its_table_has() -> None:
    """Counted here in another way: numpy, and the axes as the code has them."""
    table = np.genfromtxt(
        TEMPLATES / "example" / "dimuon.csv", delimiter=",", names=True, skip_header=2
    )
    histograms = {
        name: one for name, one in load_reference(REFERENCE).items() if isinstance(one, Histogram)
    }
    edges = histograms["mass"].axes[0].edges
    kept = table[(table["mass"] >= edges[0]) & (table["mass"] < edges[-1])]
    assert len(table) == 1000
    assert (REFERENCE / "yields.csv").read_text() == (
        f"cut,events\nall,1000\nmass in range,{len(kept)}\n"
    )
    assert sorted(histograms) == ["mass", "pt1", "pt2"]
    for name, histogram in histograms.items():
        edges = histogram.axes[0].edges
        inside = kept[name][kept[name] < edges[-1]]
        assert (histogram.values[1:-1] == np.histogram(inside, edges)[0]).all()
        assert histogram.values.sum() == len(kept)


def test_the_reference_of_the_example_is_of_today(tmp_path: Path) -> None:
    """A template or an image that changed may give other numbers: they are to be made again."""
    directory = init_project(tmp_path / "mine").directory / "analyses" / EXAMPLE
    lock, blessing = read_lock(directory), read_blessing(REFERENCE)
    assert lock is not None
    assert blessing is not None
    assert blessing.inputs.code == lock.code, OUT_OF_DATE
    assert blessing.inputs.images == {"columnar": lock.images["columnar"]}, OUT_OF_DATE
    assert blessing.inputs.datasets == lock.datasets, OUT_OF_DATE


@pytest.mark.parametrize("ci", ["github", "gitlab", None])
def test_a_ci_file_for_each_system(tmp_path: Path, ci: CiSystem | None) -> None:
    made = init_project(tmp_path / "mine", ci)
    there = {path for path in CI_FILES.values() if (made.directory / path).exists()}
    readme = (made.directory / "README.md").read_text()
    assert there == (set() if ci is None else {CI_FILES[ci]})
    assert ("REPRUN" in readme) == (ci is not None)
    if ci is not None:
        assert f"`{CI_FILES[ci]}` runs all analyses" in readme
        assert "/.cache/" in (made.directory / ".gitignore").read_text()


def test_an_empty_directory_stays_the_one_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    made = init_project(Path())
    assert tmp_path.stat().st_ino == before
    assert Project.find() == read_project(tmp_path)
    assert {path.name for path in Path.cwd().iterdir()} == {
        *(".github", ".gitignore", "README.md", "analyses", "reprun.toml")
    }
    assert made.directory == tmp_path


def test_directories_above_are_made(tmp_path: Path) -> None:
    assert init_project(tmp_path / "a" / "b" / "c").directory == tmp_path / "a" / "b" / "c"


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["notes.txt"], "notes.txt"),
        (["c", "b", "a"], "a, b, c"),
        ([".git", "a", "b", "c", "d"], ".git, a, b and 2 more"),
    ],
)
def test_a_directory_that_holds_anything(tmp_path: Path, names: list[str], named: str) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    for name in names:
        (home / name).write_text("as it was")
    (tmp_path / "mine-2").mkdir()
    with pytest.raises(SpecificationError) as error:
        init_project(home)
    assert error.value.message == f"{home} is not empty: it has {named}"
    assert error.value.place == str(home)
    assert error.value.hint == f"reprun init {home}-3"
    assert sorted(path.name for path in home.iterdir()) == sorted(names)


def test_a_project_is_not_made_again(tmp_path: Path) -> None:
    home = init_project(tmp_path / "mine").directory
    with pytest.raises(SpecificationError, match="is a project already") as error:
        init_project(home)
    assert error.value.hint == f"cd {home} && reprun list"


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("as it was")
    with pytest.raises(SpecificationError, match="is a file, not a directory"):
        init_project(tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "as it was"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, there: bool
) -> None:
    home = tmp_path / "mine"
    if there:
        home.mkdir()

    def full(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(module, "lock_analysis", full)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        init_project(home)
    assert list(tmp_path.rglob("*")) == ([home] if there else [])


# -- the command ------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = program()
    run = CliRunner()
    done = run.invoke(app, ["init", "my analyses"], catch_exceptions=False)
    first, *listed = done.stdout.splitlines()
    assert first == "my analyses: a project with the example dimuon"
    assert "   analyses/dimuon/reference/histograms.json" in listed
    assert listed[-3:] == [
        "next: cd 'my analyses'",
        "      reprun run dimuon",
        "      reprun new NAME --from FILE",
    ]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    arguments = ["init", ".", "--ci", "none", "--format", "json"]
    document = json.loads(run.invoke(app, arguments, catch_exceptions=False).stdout)
    assert list(document) == [
        "schema_version",
        "kind",
        "reprun",
        "directory",
        "files",
        "example",
        "next",
    ]
    assert document["directory"] == str(tmp_path / "here")
    assert document["next"] == ["reprun run dimuon", "reprun new NAME --from FILE"]
    assert run.invoke(program(), ["init", "x", "--ci", "travis"]).exit_code == 2

"""Finding the project and its analyses."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.errors import SpecificationError
from reprun.project import Project


@pytest.fixture(autouse=True)
def _no_project_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRUN_PROJECT", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "images").mkdir()
    for name in ("cms-h4l", "atlas-zmumu"):
        (tmp_path / "examples" / name).mkdir(parents=True)
        (tmp_path / "examples" / name / "analysis.yaml").touch()
    (tmp_path / "examples" / "no-analysis").mkdir()
    return Project(tmp_path)


def test_found_from_a_directory_below(project: Project) -> None:
    assert Project.find(project.analyses / "cms-h4l") == project


def test_environment_wins(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(project.root))
    assert Project.find(tmp_path_factory.mktemp("elsewhere")) == project


def test_environment_that_names_no_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(tmp_path))
    with pytest.raises(SpecificationError, match="has no images/ directory") as error:
        Project.find()
    assert error.value.hint == "unset REPRUN_PROJECT"


def test_source_tree_is_the_last_resort(tmp_path: Path) -> None:
    assert Project.find(tmp_path).root == Path(__file__).resolve().parents[2]


def test_no_project_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprun.project.__file__", str(tmp_path / "a" / "b" / "c" / "project.py"))
    with pytest.raises(SpecificationError, match="no reprun project here") as error:
        Project.find(tmp_path)
    assert "REPRUN_PROJECT" in str(error.value.hint)


def test_names_are_those_with_an_analysis_yaml(project: Project) -> None:
    assert project.analysis_names() == ["atlas-zmumu", "cms-h4l"]


def test_analysis_by_name_by_directory_and_by_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = project.analyses / "cms-h4l"
    assert project.analysis_directory("cms-h4l") == directory
    assert project.analysis_directory(str(directory)) == directory
    assert project.analysis_directory(str(directory / "analysis.yaml")) == directory
    monkeypatch.chdir(directory)
    assert project.analysis_directory(".") == directory


def test_unknown_analysis_names_the_nearest(project: Project) -> None:
    with pytest.raises(SpecificationError) as error:
        project.analysis_directory("cms-h4")
    assert error.value.message == "there is no analysis 'cms-h4'. Did you mean 'cms-h4l'?"
    assert error.value.hint == "reprun list"


def test_a_name_like_no_other_gets_no_suggestion(project: Project) -> None:
    with pytest.raises(SpecificationError) as error:
        project.analysis_directory("zzz")
    assert error.value.message == "there is no analysis 'zzz'."


@pytest.mark.parametrize("path", ["images", "examples/no-analysis", "examples/none", ""])
def test_a_directory_without_analysis_yaml_is_refused(
    project: Project, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(SpecificationError, match=r"is not an analysis: it has no analysis\.yaml"):
        project.analysis_directory(path)

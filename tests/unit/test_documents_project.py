"""Finding the project and its analyses."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.documents.project import PROJECT_FILE, Project, read_project
from reprun.errors import SpecificationError
from tests.projects import mark_project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_project_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRUN_PROJECT", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    mark_project(tmp_path)
    (tmp_path / "images").mkdir()
    for name in ("cms-h4l", "atlas-zmumu"):
        (tmp_path / "examples" / name).mkdir(parents=True)
        (tmp_path / "examples" / name / "analysis.yaml").touch()
    (tmp_path / "examples" / "no-analysis").mkdir()
    return read_project(tmp_path)


def refused(directory: Path, text: str) -> SpecificationError:
    (directory / PROJECT_FILE).write_text(text)
    with pytest.raises(SpecificationError) as error:
        read_project(directory)
    assert str(error.value.place).startswith(f"{directory / PROJECT_FILE}:")
    return error.value


# -- where it is ------------------------------------------------------------------------------


def test_found_from_a_directory_below(project: Project) -> None:
    assert Project.find(project.analyses / "cms-h4l") == project


def test_the_nearest_one_is_taken(project: Project) -> None:
    inner = mark_project(project.root / "inner")
    assert Project.find(inner).root == inner


def test_environment_wins(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(project.root))
    assert Project.find(tmp_path_factory.mktemp("elsewhere")) == project


def test_results_belong_to_the_project_and_not_to_the_current_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert project.results == project.root / "results"
    monkeypatch.setenv("REPRUN_RESULTS", "elsewhere")
    assert project.results == Path("elsewhere")


def test_environment_that_names_no_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRUN_PROJECT", str(tmp_path))
    for look in (Project.find, Project.look_up):
        with pytest.raises(SpecificationError, match=r"has no reprun\.toml") as error:
            look()
        assert error.value.hint == "unset REPRUN_PROJECT"


def test_no_project_anywhere(tmp_path: Path) -> None:
    """Not even this checkout, though reprun is imported from it."""
    assert Project.look_up(tmp_path) is None
    with pytest.raises(SpecificationError) as error:
        Project.find(tmp_path)
    assert error.value.message == (
        f"no reprun project here: neither {tmp_path} nor a directory above it has a reprun.toml, "
        "and REPRUN_PROJECT is not set"
    )
    assert error.value.hint == "reprun init my-analyses"


# -- reprun.toml ------------------------------------------------------------------------------


def test_the_smallest_project_file(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text("schema_version = 1\n")
    found = read_project(tmp_path)
    assert found == Project(tmp_path, "analyses", packaged_images=True)
    assert (found.analyses, found.images) == (tmp_path / "analyses", tmp_path / "images")
    assert found.analysis_names() == []


def test_this_repository_is_a_project() -> None:
    found = read_project(ROOT)
    assert "cms-h4l" in found.analysis_names()
    assert not found.packaged_images


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("analyses = [", "not valid TOML: "),
        ('analyses = "a"', "schema_version: this field is missing"),
        ("schema_version = true", "schema_version is True; this version of reprun reads 1"),
        ("schema_version = 2", "schema_version is 2; this version of reprun reads 1"),
        (
            'schema_version = 1\nanalysis = "a"',
            "analysis: unknown field. Did you mean 'analyses'?",
        ),
        ("schema_version = 1\nanalyses = 3", "analyses: must be a string, is the number 3"),
        ('schema_version = 1\nanalyses = ""', "analyses: must not be empty"),
        (
            'schema_version = 1\nanalyses = "../a"',
            "analyses: must be a directory inside the project, not ../a",
        ),
        (
            'schema_version = 1\nanalyses = "/a"',
            "analyses: must be a directory inside the project, not /a",
        ),
        (
            'schema_version = 1\npackaged_images = "no"',
            "packaged_images: must be true or false, is 'no'",
        ),
    ],
)
def test_a_project_file_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text).message.startswith(message)


def test_every_fault_of_a_project_file_has_its_line(tmp_path: Path) -> None:
    text = 'schema_version = 1\n\nanalysis = "a"\npackaged_images = 1\n'
    error = refused(tmp_path, text)
    assert error.message == (
        "analysis: unknown field. Did you mean 'analyses'?"
        "\n    line 4: packaged_images: must be true or false, is the number 1"
    )
    assert error.place == f"{tmp_path / PROJECT_FILE}:3"
    assert error.hint == f"${{EDITOR:-vi}} +3 {tmp_path / PROJECT_FILE}"


def test_a_project_file_that_is_not_toml_has_the_line(tmp_path: Path) -> None:
    assert refused(tmp_path, "schema_version = 1\nanalyses = a").place == (
        f"{tmp_path / PROJECT_FILE}:2"
    )


def test_a_project_file_of_a_later_version(tmp_path: Path) -> None:
    """Its other fields are not reported: they may be right in that version."""
    error = refused(tmp_path, "moved = 1\nschema_version = 2\n")
    assert error.message == "schema_version is 2; this version of reprun reads 1"
    assert error.place == f"{tmp_path / PROJECT_FILE}:2"
    assert error.hint == "pip install --upgrade reprun"


def test_the_analyses_may_be_in_the_root(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text('schema_version = 1\nanalyses = "."\n')
    assert read_project(tmp_path).analyses == tmp_path


def test_a_project_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(SpecificationError, match=r"cannot read reprun\.toml: .*utf-8"):
        Project.find(tmp_path)


# -- its analyses -----------------------------------------------------------------------------


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
    assert error.value.message == "there is no analysis 'zzz'"


@pytest.mark.parametrize("path", ["images", "examples/no-analysis", "examples/none", ""])
def test_a_directory_without_analysis_yaml_is_refused(
    project: Project, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(SpecificationError, match=r"is not an analysis: it has no analysis\.yaml"):
        project.analysis_directory(path)

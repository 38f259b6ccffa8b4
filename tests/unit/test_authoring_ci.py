"""`reprun ci init`: what the pipelines say, where they go, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from reprun.authoring.ci import CI_FILES, INCLUDED, CiSystem, pipeline, write_pipeline
from reprun.cli.main import program
from reprun.errors import SpecificationError, StorageError
from tests.pipelines import commands_of, with_comment
from tests.projects import mark_project

SYSTEMS: tuple[CiSystem, ...] = ("github", "gitlab")
BELOW = "it's $HOME"
"""A directory with what a shell, YAML and an expression of GitHub each take for something."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is a clone of its own."""
    monkeypatch.delenv("REPRUN_PROJECT", raising=False)
    root = mark_project(tmp_path / "mine")
    (root / ".git").mkdir()
    monkeypatch.chdir(root)
    return root


def document_of(system: CiSystem, project: Path, repository: Path | None = None) -> Any:
    return yaml.safe_load(pipeline(system, project, repository or project).text)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_matrix_is_last_and_ends_the_job(project: Path, system: CiSystem) -> None:
    commands = commands_of(document_of(system, project))
    install, doctor, matrix = (
        next(n for n, line in enumerate(commands) if line.startswith(start))
        for start in ("python -m pip install", "reprun doctor", "reprun matrix --again ")
    )
    assert install < doctor < matrix
    for option in ("--markdown matrix.md", "--junit matrix.xml", "--json matrix.json"):
        assert option in commands[matrix]
    for hidden in ("||", "allow_failure", "continue-on-error"):
        assert hidden not in commands[matrix]
    assert all("always()" in line or "matrix.md" in line for line in commands[matrix + 1 :])


def test_what_github_keeps(project: Path) -> None:
    steps = document_of("github", project)["jobs"]["matrix"]["steps"]
    caches = [step for step in steps if "actions/cache" in step.get("uses", "")]
    paths = [(step["uses"].split("@")[0], step["with"]["path"]) for step in caches]
    blobs, history = "~/.cache/reprun/blobs", "results/history.sqlite"
    assert paths == [
        ("actions/cache/restore", blobs),
        ("actions/cache/restore", history),
        ("actions/cache/save", blobs),
        ("actions/cache/save", history),
    ]
    # A red night is the one whose history is asked for: it is kept as well.
    assert all(step["if"].startswith("always()") for step in caches[2:])
    assert caches[1]["with"]["key"] == caches[3]["with"]["key"]
    restored = caches[1]["with"]["restore-keys"].split("\n")
    assert caches[1]["with"]["key"].startswith(restored[0])
    assert document_of("github", project)["permissions"] == {"contents": "read"}


def test_what_gitlab_keeps(project: Path) -> None:
    job = document_of("gitlab", project)["reprun"]
    assert [cache["paths"] for cache in job["cache"]] == [
        [".cache/reprun/blobs"],
        ["results/history.sqlite"],
    ]
    assert all(cache["when"] == "always" for cache in job["cache"])
    assert job["artifacts"]["reports"]["junit"] == "matrix.xml"
    # Nothing but the job: the file can be included in a pipeline that has jobs of its own.
    assert list(document_of("gitlab", project)) == ["reprun"]


def test_nights(project: Path) -> None:
    # YAML 1.1 reads the word `on` as true.
    on = document_of("github", project)[True]
    assert on["schedule"] == [{"cron": "17 3 * * *"}]
    assert 'glab schedule create --cron "17 3 * * *"' in pipeline("gitlab", project, project).text


LINKED = (
    "matrix/index.html", "matrix/cells/a.v.html", "matrix/cells/a.v.json",
    "a/v.d/report.html", "a/v.d/logs/step-1.log", "a/v.d/snakemake.log",
    "a/v.d/outputs/plots/m.pdf", "a/v.d/outputs/m.svg", "a/v.d/outputs/results/large.png",
)  # fmt: skip
NOT_LINKED = ("a/v.d/inputs/data/events.root", "a/v.d/outputs/h.root", "a/v.d/workspace/m.pdf")
FILES = ("matrix.md", "matrix.xml", "matrix.json")


@pytest.mark.parametrize("below", ["", BELOW])
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_pages_link_is_published_with_them(
    tmp_path: Path, system: CiSystem, below: str
) -> None:
    repository = tmp_path / "clone"
    project = repository / below
    document = document_of(system, project, repository)
    globs = (
        document["jobs"]["matrix"]["steps"][-1]["with"]["path"].splitlines()
        if system == "github"
        else document["reprun"]["artifacts"]["paths"]
    )
    names = (*FILES, *(f"results/{name}" for name in (*LINKED, *NOT_LINKED)))
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    found = {path for glob in globs for path in repository.glob(glob)}
    wanted = {*FILES, *(f"results/{name}" for name in LINKED)}
    assert {str(path.relative_to(project)) for path in found} == wanted


def test_a_project_below_its_repository(tmp_path: Path) -> None:
    repository = tmp_path / "clone"
    github = document_of("github", repository / BELOW, repository)
    assert github["defaults"]["run"]["working-directory"] == BELOW
    keys = [s["with"]["key"] for s in github["jobs"]["matrix"]["steps"] if "id" in s]
    assert "'it''s $HOME/analyses/*/analysis.lock'" in keys[0]
    gitlab = document_of("gitlab", repository / BELOW, repository)["reprun"]
    assert gitlab["script"][0] == """cd 'it'"'"'s $HOME'"""
    assert gitlab["artifacts"]["reports"]["junit"] == f"{BELOW}/matrix.xml"


@pytest.mark.parametrize("below", ["", BELOW])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_job_that_comments_is_yaml_once_it_is_wanted(
    tmp_path: Path, system: CiSystem, below: str
) -> None:
    text = pipeline(system, tmp_path / below, tmp_path).text
    jobs = yaml.safe_load(with_comment(text))
    jobs = jobs["jobs"] if system == "github" else jobs
    assert set(jobs) == {"comment", "matrix" if system == "github" else "reprun"}
    assert jobs["comment"]["needs"]


# -- the command ------------------------------------------------------------------------------


def typed(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(program(), ["ci", "init", *arguments])
    assert done.exit_code == code if code == 0 else done.exit_code != 0, done.output
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_a_file_for_each_system(project: Path) -> None:
    for system in SYSTEMS:
        told = typed(system)
        assert told.splitlines()[0] == f"{CI_FILES[system]}: the pipeline of the project"
        assert (project / CI_FILES[system]).read_text() == pipeline(system, project, project).text


def test_nothing_is_overwritten(project: Path) -> None:
    own = project / ".gitlab-ci.yml"
    own.write_text("mine: {script: [true]}\n")
    with pytest.raises(SpecificationError, match="is there already") as error:
        typed("gitlab", code=2)
    assert error.value.hint is not None
    assert error.value.hint.startswith(f"reprun ci init gitlab --output {INCLUDED}   #")
    told = typed("gitlab", "--output", INCLUDED)
    assert f'in .gitlab-ci.yml: include: {{local: "/{INCLUDED}"}}' in told
    assert own.read_text() == "mine: {script: [true]}\n"
    with pytest.raises(SpecificationError) as error:
        typed("gitlab", code=2)
    assert error.value.hint == "reprun ci init gitlab --output .gitlab-ci.yml --force"
    typed("gitlab", "--force")
    assert own.read_text() == pipeline("gitlab", project, project).text


@pytest.mark.parametrize(
    ("system", "path"),
    [("github", "x.yml"), ("gitlab", "../x.yml"), ("gitlab", "/x.yml"), ("gitlab", "x.toml")],
)
def test_a_file_that_no_service_reads(project: Path, system: CiSystem, path: str) -> None:
    with pytest.raises(SpecificationError, match="the service does not read"):
        pipeline(system, project, project, path)


def test_what_would_be_written(project: Path) -> None:
    assert typed("github", "--dry-run") == pipeline("github", project, project).text
    assert not (project / ".github").exists()


def test_for_machines(project: Path) -> None:
    (project / "sub").mkdir()
    document = json.loads(typed("gitlab", "-o", INCLUDED, "--format", "json"))
    assert document["kind"] == "pipeline"
    assert document["file"] == INCLUDED
    assert document["include"] == f'include: {{local: "/{INCLUDED}"}}'
    assert document["next"][0] == f"git -C {project} add {INCLUDED}"


def test_a_disk_that_refuses(project: Path) -> None:
    (project / ".github").write_text("a file where a directory has to be")
    with pytest.raises(StorageError):
        write_pipeline(pipeline("github", project, project))

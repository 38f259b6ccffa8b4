"""REANA projects: what is read, refused, replaced and judged, before and after anything runs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from reprun.engines.box import Box
from reprun.errors import ImageNotHereError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.reana.local.images import choose, normalised, parse_image_map
from reprun.reana.local.lint import lint_project
from reprun.reana.local.parameters import expanded, parameters_for
from reprun.reana.local.specification import project_file, read_project
from reprun.reana.local.staging import Staged, declared_files, stage
from reprun.reana.local.workflows import prepare_serial, refuse_resources
from reprun.store.store import Store
from reprun.workflow.resources import cpus, memory_mb

SERIAL = """\
version: "0.9"
inputs:
  files: [code/a.py]
  parameters: {name: world, numbers: [1, 2]}
workflow:
  type: serial
  specification:
    steps:
      - name: hello
        environment: python:3.12
        commands: ["python3 code/a.py ${name}"]
outputs: {files: [out.txt]}
"""


def project(directory: Path, text: str = SERIAL, name: str = "reana.yaml") -> Path:
    (directory / "code").mkdir(parents=True, exist_ok=True)
    (directory / "code" / "a.py").write_text("print(1)\n")
    path = directory / name
    path.write_text(textwrap.dedent(text))
    return path


# -- reana.yaml --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("outputs:", "output:", 12, "output"),
        ("        environment: python:3.12\n", "", 9, "environment"),
        ("type: serial", "type: serail", 6, "serial"),
        ("[code/a.py]", "[../a.py]", 3, "without '..'"),
        ("commands: [", "comands: [", 11, "comands"),
        (' ["python3 code/a.py ${name}"]', " []", 11, "commands"),
        ("name: hello", "kubernetes_job_timeout: 0", 9, "greater than 0"),
        ("  specification:\n", "  file: no.json\n  resources:\n", 9, "resources.steps"),
    ],
)
def test_every_fault_has_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in SERIAL
    path = project(tmp_path, SERIAL.replace(old, new))
    with pytest.raises(SpecificationError) as caught:
        read_project(path)
    said = f"{caught.value.message} at {caught.value.place}"
    assert words in said
    assert f":{line}" in said or f"line {line}:" in said


@pytest.mark.parametrize(("kind", "called"), [("yadage", "Yadage"), ("cwl", "CWL")])
def test_other_workflows_are_recognised_and_refused(tmp_path: Path, kind: str, called: str) -> None:
    path = project(tmp_path, f"workflow: {{type: {kind}, file: code/a.py}}\nmetadata: {{}}\n")
    with pytest.raises(SpecificationError, match=f"this is a {called} workflow") as caught:
        read_project(path)
    assert caught.value.exit_code == 2
    assert "reana-client run" in (caught.value.hint or "")
    project(tmp_path, name="reana-serial.yaml")
    with pytest.raises(SpecificationError) as caught:
        read_project(path)
    assert f"reprun run {tmp_path}/reana-serial.yaml" in (caught.value.hint or "")


def test_what_a_workflow_needs_of_files(tmp_path: Path) -> None:
    for text, words in (
        ("workflow: {type: snakemake, specification: {steps: []}}", "steps"),
        ("workflow: {type: snakemake}", "needs `file:`"),
        ("workflow: {type: snakemake, file: Snakefile}", "Snakefile, which does not exist"),
        ("workflow: {type: serial}", "needs `specification:`"),
    ):
        with pytest.raises(SpecificationError, match=words):
            read_project(project(tmp_path, text))


def test_the_steps_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "steps.json").write_text('{"steps": [{"environment": "a", "commands": ["b"]}]}')
    read = read_project(project(tmp_path, "workflow: {type: serial, file: steps.json}"))
    specification = read.specification.workflow.specification
    assert specification is not None
    assert specification.steps[0].commands == ("b",)
    (tmp_path / "steps.json").write_text('{"steps": [{"environment": "a"}]}')
    with pytest.raises(SpecificationError, match="commands"):
        read_project(read.path)


def test_a_project_is_told_from_an_analysis(tmp_path: Path) -> None:
    path = project(tmp_path)
    assert project_file(str(path)) == path
    assert project_file(str(tmp_path)) == path
    other = project(tmp_path, name="other.yml")
    assert project_file(str(other)) == other
    (tmp_path / "plain.yaml").write_text("a: 1\n")
    assert project_file(str(tmp_path / "plain.yaml")) is None
    assert project_file("cms-h4l") is None
    (tmp_path / "analysis.yaml").write_text("workflow: 1\n")
    assert project_file(str(tmp_path)) is None
    assert project_file(str(tmp_path / "analysis.yaml")) is None


def test_what_a_cluster_only_has_is_refused(tmp_path: Path) -> None:
    text = SERIAL.replace("type: serial", "type: serial\n  resources: {cvmfs: [cms.cern.ch]}")
    with pytest.raises(SpecificationError, match="requires cvmfs"):
        refuse_resources(read_project(project(tmp_path, text)))
    text = SERIAL.replace("name: hello", "kerberos: true")
    read = read_project(project(tmp_path, text))
    with pytest.raises(SpecificationError, match="requires kerberos") as caught:
        prepare_serial(read, parse_image_map([]), Catalogue(tmp_path))
    assert (caught.value.place or "").endswith("reana.yaml:9")


# -- workspace and parameters --------------------------------------------------------------------


def test_the_workspace_holds_what_is_declared_and_nothing_else(tmp_path: Path) -> None:
    read = read_project(project(tmp_path / "p"))
    (tmp_path / "p" / "secret.txt").write_text("")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "old").write_text("")
    assert stage(read, workspace).files == ("code/a.py",)
    assert [path.name for path in workspace.rglob("*") if path.is_file()] == ["a.py"]


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("files: [code/b.py]", "names code/b.py, which is not a file"),
        ("directories: [data]", "names data, which is not a directory"),
        ("files: [link]", "link that leads out"),
        ("directories: [linked]", "link that leads out"),
    ],
)
def test_inputs_that_are_not_there(tmp_path: Path, new: str, words: str) -> None:
    path = project(tmp_path / "p", SERIAL.replace("files: [code/a.py]", new))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("")
    (tmp_path / "p" / "link").symlink_to(tmp_path / "out" / "x")
    (tmp_path / "p" / "linked").symlink_to(tmp_path / "out")
    with pytest.raises(SpecificationError, match=words) as caught:
        declared_files(read_project(path))
    assert (caught.value.place or "").endswith(":3")


def test_a_directory_that_holds_a_link_out_is_refused(tmp_path: Path) -> None:
    read = read_project(
        project(tmp_path / "p", SERIAL.replace("files: [code/a.py]", "directories: [code]"))
    )
    (tmp_path / "x").write_text("")
    (tmp_path / "p" / "code" / "link").symlink_to(tmp_path / "x")
    with pytest.raises(SpecificationError, match="code/link is a link that leads out"):
        stage(read, tmp_path / "workspace")


IGNORES = {
    "*.root": ["data/keep.txt", "data/sub/x.txt"],
    "data/sub": ["data/keep.txt", "data/made.root"],
    "/data/*.root\n": ["data/keep.txt", "data/sub/deep.root", "data/sub/x.txt"],
    "*.root\n!deep.root\n": ["data/keep.txt", "data/sub/deep.root", "data/sub/x.txt"],
    "# data\n\n": ["data/keep.txt", "data/made.root", "data/sub/deep.root", "data/sub/x.txt"],
}


@pytest.mark.parametrize("file", [".gitignore", ".reanaignore"])
@pytest.mark.parametrize("patterns", IGNORES)
def test_what_reana_client_would_not_upload_is_left_out(
    tmp_path: Path, file: str, patterns: str
) -> None:
    path = project(tmp_path, SERIAL.replace("files: [code/a.py]", "directories: [data]"))
    every = ("data/keep.txt", "data/made.root", "data/sub/deep.root", "data/sub/x.txt")
    for name in every:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / file).write_text(patterns)
    staged = stage(read_project(path), tmp_path / "workspace")
    assert list(staged.files) == IGNORES[patterns]
    left_out = [name for name in every if name not in staged.files]
    assert [name for name in left_out if not any(name in note for note in staged.notes)] == []


def test_a_file_that_is_named_is_uploaded_whatever_is_ignored(tmp_path: Path) -> None:
    path = project(tmp_path)
    (tmp_path / ".gitignore").write_text("*\n")
    assert stage(read_project(path), tmp_path / "workspace") == Staged(("code/a.py",), ())


def test_parameters_are_replaced_as_reana_does() -> None:
    values: dict[str, Any] = {"name": "world", "n": 3}
    assert expanded("a ${name} $n $$HOME $${x}", values, "") == "a world 3 $HOME ${x}"
    with pytest.raises(SpecificationError, match=r"uses \$\{nam\}.*Did you mean 'name'"):
        expanded("${nam}", values, "here:1")
    with pytest.raises(SpecificationError, match="cannot expand it"):
        expanded("$(date)", values, "here:1")


def test_parameters_of_the_command_line(tmp_path: Path) -> None:
    read = read_project(project(tmp_path))
    assert parameters_for(read, {"name": "you"}) == {"name": "you", "numbers": [1, 2]}
    with pytest.raises(SpecificationError, match=r"no parameter 'nam'\. Did you mean 'name'"):
        parameters_for(read, {"nam": "you"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2024-01-01", "'name' is a date to YAML"),
        ("2024-01-01 10:00:00", "'name' is a datetime to YAML"),
        ("[1, {day: 2024-01-01}]", "'name.1.day' is a date to YAML"),
        ("!!set {a, b}", "'name' is a set to YAML"),
        ("!!binary aGk=", "'name' is a bytes to YAML"),
    ],
)
def test_what_json_has_not_is_no_parameter(tmp_path: Path, value: str, words: str) -> None:
    path = project(tmp_path, SERIAL.replace("name: world", f"name: {value}"))
    with pytest.raises(SpecificationError, match=words) as caught:
        parameters_for(read_project(path), {})
    assert (caught.value.place or "").startswith(f"{path}:")


def test_a_file_of_parameters_takes_the_place_of_all(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: {c: 2}\n")
    (tmp_path / "two.yaml").write_text("a: 5\n")
    text = "inputs: {parameters: {input: one.yaml}}\nworkflow: {type: snakemake, file: code/a.py}\n"
    read = read_project(project(tmp_path, text))
    assert parameters_for(read, {"a": 3}) == {"a": 3, "b": {"c": 2}}
    assert parameters_for(read, {"input": "two.yaml"}) == {"a": 5}
    with pytest.raises(SpecificationError, match=r"three\.yaml, which does not exist"):
        parameters_for(read, {"input": "three.yaml"})


# -- images --------------------------------------------------------------------------------------


def test_images_are_compared_in_one_spelling() -> None:
    spellings = ("python:3.12", "docker://python:3.12", "docker.io/library/python:3.12")
    assert {normalised(name) for name in spellings} == {"python:3.12"}


def test_a_replacement_is_a_deviation(catalogue: Catalogue) -> None:
    images = parse_image_map(["docker.io/library/python:3.12=columnar"])
    chosen = choose("docker://python:3.12", images, catalogue, who="step a", place="here:1")
    assert chosen.image.name == "columnar"
    assert chosen.deviation is not None
    assert "docker://python:3.12 was replaced by columnar" in chosen.deviation
    own = choose("columnar", parse_image_map([]), catalogue, who="step a", place="here:1")
    assert own.deviation is None


def test_an_image_nobody_has_is_refused_naming_the_option(catalogue: Catalogue) -> None:
    none = parse_image_map([])
    with pytest.raises(SpecificationError, match=r"step a runs in python:3\.12") as caught:
        choose("python:3.12", none, catalogue, who="step a", place="here:1")
    assert "--image-map python:3.12=IMAGE" in (caught.value.hint or "")
    assert "columnar" in (caught.value.hint or "")
    with pytest.raises(SpecificationError, match="rule a names no image") as caught:
        choose(None, none, catalogue, who="rule a", place="here:1")
    assert "--image-map default=IMAGE" in (caught.value.hint or "")
    # It is in the catalogue, but was never brought here.
    name = "docker.io/reanahub/reana-env-root6:6.18.04"
    with pytest.raises(ImageNotHereError) as gone:
        choose(name, none, catalogue, who="step a", place="here:1")
    assert f"--image-map {name}=IMAGE" in (gone.value.hint or "")


@pytest.mark.parametrize("name", ["default", "docker.io/snakemake/snakemake:v7.32.4"])
def test_reanas_default_image_can_be_replaced(catalogue: Catalogue, name: str) -> None:
    images = parse_image_map([f"{name}=columnar"])
    chosen = choose(None, images, catalogue, who="rule a", place="here:1")
    assert "REANA's default image was replaced by columnar" in (chosen.deviation or "")
    images.refuse_unused([None])
    with pytest.raises(SpecificationError, match="does not use"):
        images.refuse_unused(["python:3.12"])


def test_a_file_maps_several_and_may_name_others(tmp_path: Path, catalogue: Catalogue) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("docker.io/library/python:3.12: columnar\nother:1: columnar\n")
    images = parse_image_map([str(path)])
    assert images.replacement("python:3.12") == "columnar"
    images.refuse_unused(["python:3.12"])
    path.write_text("python:3.12: [columnar]\n")
    with pytest.raises(SpecificationError, match="must be a string"):
        parse_image_map([str(path)])
    with pytest.raises(SpecificationError, match="write NAME=IMAGE"):
        parse_image_map(["nonsense"])
    typo = parse_image_map(["pyton:3.12=columnar"])
    with pytest.raises(SpecificationError, match=r"Did you mean 'python:3\.12'"):
        typo.refuse_unused(["python:3.12"])


# -- amounts -------------------------------------------------------------------------------------


def test_amounts_of_kubernetes() -> None:
    said = {"256Mi": 256, "1Gi": 1024, "1.5Gi": 1536, "1G": 954, "500000": 1, "8Ki": 1}
    assert {text: memory_mb(text) for text in said} == said
    assert [cpus(text) for text in ("2", "0.5", "500m")] == [2.0, 0.5, 0.5]
    for wrong in ("256MB", "lots", ""):
        with pytest.raises(SpecificationError, match="not an amount of memory"):
            memory_mb(wrong)
    for wrong in ("0", "two", "-1"):
        with pytest.raises(SpecificationError, match="not a number of CPUs"):
            cpus(wrong)


# -- lint ----------------------------------------------------------------------------------------


def test_what_a_serial_project_leaves_open_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    text = SERIAL.replace("files: [code/a.py]", "files: []").replace("${name}", "${nam}")
    (tmp_path / "t.feature").write_text("Feature: f\n  Scenario: a\n    Then it is good\n")
    text += "tests: {files: [t.feature, u.feature]}\n"
    found = lint_project(project(tmp_path, text), Box(store))
    said = [(one.file.name, one.line, one.sentence) for one in found]
    assert len(said) == 4
    assert ("t.feature", 3) in [one[:2] for one in said]
    assert any(one[1] == 10 and "the tag `3.12`" in one[2] for one in said)
    assert any(one[1] == 11 and "${nam}" in one[2] for one in said)
    assert any(one[1] == 13 and "u.feature does not exist" in one[2] for one in said)
    text = SERIAL.replace("files: [code/a.py]", "files: []")
    found = lint_project(project(tmp_path, text), Box(store))
    assert any(
        one.line == 11 and "step hello needs code/a.py, which reana.yaml does not" in one.sentence
        for one in found
    )

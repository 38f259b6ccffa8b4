"""The H->4l analysis end to end: it reproduces, and whatever changes is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reprun.histograms import hash_of_objects, read_all
from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.real_data import shared_data

NAME = "cms-h4l"


@pytest.fixture
def h4l(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project of its own with the analysis, so that a test may spoil it."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / NAME, project / "examples" / NAME)
    shutil.copytree(ROOT / "images", project / "images")
    return Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})


def analysis(shell: Shell) -> Path:
    return shell.directory / "project" / "examples" / NAME


def run_directory(shell: Shell, name: str = "columnar.embedded") -> Path:
    return shell.directory / "results" / NAME / name


def content_of(shell: Shell, name: str) -> str:
    results = run_directory(shell, name) / "outputs" / "results"
    return hash_of_objects(read_all([results / "histograms.root", results / "yields.csv"], results))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_it_reproduces_and_then_has_nothing_to_do(h4l: Shell) -> None:
    done = h4l.reprun("run", NAME)
    assert "reproduced: 36 objects, all identical" in done.stdout
    table = [line.split() for line in done.stdout.splitlines()]
    assert ["all", "102", "80.076", "9.73053", "0.069763", "3.8466", "93.7228"] in table
    assert "plot: results/cms-h4l/columnar.embedded/outputs/results/mass4l.png" in done.stdout
    assert (run_directory(h4l) / "outputs/results/mass4l.png").read_bytes()[:4] == b"\x89PNG"
    page = (run_directory(h4l) / "report.html").read_text()
    assert "data:image/png;base64," in page
    record = json.loads((run_directory(h4l) / "record.json").read_text())
    assert record["status"] == "finished"
    assert [step["rule"] for step in record["steps"]] == ["make_histograms", "combine", "plot"]
    for step in record["steps"]:
        assert step["image"].startswith("columnar@sha256:")
        assert step["peak_memory_bytes"] > 0
        assert step["cpu_seconds"] > 0
    again = h4l.reprun("run", NAME)
    assert "nothing ran: nothing changed" in again.stdout
    assert ", unchanged since: 36 objects" in again.stdout
    assert json.loads((run_directory(h4l) / "record.json").read_text()) == record


def test_original_files_give_the_same_histograms(h4l: Shell) -> None:
    mirrors = str(shared_data())
    h4l.reprun("run", NAME)
    done = h4l.reprun("run", NAME, "--data", "original", REPRUN_MIRRORS=mirrors)
    assert "reproduced: 36 objects, all identical" in done.stdout
    assert content_of(h4l, "columnar.embedded") == content_of(h4l, "columnar.original")


def test_docker_gives_the_same_histograms(h4l: Shell, docker_url: str) -> None:
    h4l.reprun("run", NAME, "--engine", "runc")
    first = content_of(h4l, "columnar.embedded")
    done = h4l.reprun("run", NAME, "--engine", "docker", "--again", DOCKER_HOST=docker_url)
    assert "engine: docker" in done.stderr
    assert "reproduced: 36 objects, all identical" in done.stdout
    assert content_of(h4l, "columnar.embedded") == first


def test_json_is_the_report(h4l: Shell) -> None:
    report = json.loads(h4l.reprun("run", NAME, "--format", "json").stdout)
    assert report["status"] == "reproduced"
    assert len(report["items"]) == 36


# -- one thing changed at a time -----------------------------------------------------------------


def one_bin_of_the_reference(directory: Path) -> None:
    path = directory / "reference" / "histograms.json"
    document = json.loads(path.read_text())
    document["m4l/data"]["storage"]["values"][19] += 1
    path.write_text(json.dumps(document))


def one_candidate(directory: Path) -> None:
    path = directory / "data" / "candidates.csv"
    lines = path.read_text().splitlines(keepends=True)
    last = lines[-1].rsplit(",", 1)
    lines[-1] = f"{last[0]},125.0\n"
    path.write_text("".join(lines))


def one_constant(directory: Path) -> None:
    replace(directory / "data" / "normalisation.csv", "1.386", "1.387")


def one_line_of_code(directory: Path) -> None:
    replace(directory / "code" / "combine.py", "yields", "Yields")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "reference": (one_bin_of_the_reference, "reference: histograms.json changed"),
    "candidate": (one_candidate, "data/candidates.csv has changed"),
    "constant": (one_constant, "data/normalisation.csv has changed"),
    "code": (one_line_of_code, "code: code/combine.py changed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_refused_and_named(h4l: Shell, change: str) -> None:
    spoil, named = CHANGES[change]
    spoil(analysis(h4l))
    done = h4l.reprun("run", NAME, code=6)
    assert named in done.stderr
    assert "try: " in done.stderr
    assert not (run_directory(h4l) / "workspace").exists()


def enter_into_manifest(directory: Path, table: str) -> None:
    """Do what a user does who means a change of a table: enter its new size and sha256."""
    import hashlib  # noqa: PLC0415

    import yaml  # noqa: PLC0415

    data = (directory / table).read_bytes()
    for manifest in ("data/embedded.yaml", "data/original.yaml"):
        document = yaml.safe_load((directory / manifest).read_text())
        for file in document["files"]:
            if file["path"] == table:
                file["size"] = len(data)
                file["sha256"] = hashlib.sha256(data).hexdigest()
        (directory / manifest).write_text(yaml.safe_dump(document))


def test_a_changed_bin_of_the_reference_is_found(h4l: Shell) -> None:
    one_bin_of_the_reference(analysis(h4l))
    done = h4l.reprun("run", NAME, "--update-lock", code=1)
    assert "not reproduced: 1 of 36 objects" in done.stdout
    assert "m4l/data" in done.stdout
    assert "histograms.json was edited after it was blessed" in done.stdout


def test_a_changed_candidate_is_found(h4l: Shell) -> None:
    one_candidate(analysis(h4l))
    enter_into_manifest(analysis(h4l), "data/candidates.csv")
    done = h4l.reprun("run", NAME, "--update-lock", code=1)
    assert "not reproduced" in done.stdout
    assert "m4l/data" in done.stdout
    assert "data: data/candidates.csv changed" in done.stdout


def test_a_changed_constant_is_found(h4l: Shell) -> None:
    one_constant(analysis(h4l))
    enter_into_manifest(analysis(h4l), "data/normalisation.csv")
    done = h4l.reprun("run", NAME, "--update-lock", code=1)
    assert "not reproduced" in done.stdout
    assert "zz/" in done.stdout
    assert "data: data/normalisation.csv changed" in done.stdout


def test_a_changed_image_layer_is_refused(h4l: Shell, columnar: Image) -> None:
    lock = h4l.directory / "project" / "images" / "columnar" / "image.lock"
    layer = columnar.layers[-1].digest.removeprefix("sha256:")
    replace(lock, layer, "0" * 64)
    done = h4l.reprun("run", NAME, code=6)
    assert "columnar" in done.stderr


def test_a_flipped_byte_in_a_layer_is_refused(
    h4l: Shell, columnar: Image, store: Store, tmp_path: Path
) -> None:
    copy = Store(tmp_path / "store")
    for digest in [columnar.image_id, columnar.manifest, *(one.digest for one in columnar.layers)]:
        copy.add_file(store.blob_path(digest))
    blob = copy.blob_path(columnar.layers[0].digest)
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    done = h4l.reprun("run", NAME, code=6, REPRUN_STORE=str(copy.root))
    assert "image 'columnar' is corrupt in the store" in done.stderr
    assert "layer" in done.stderr


def test_only_what_depends_on_a_change_runs_again(h4l: Shell) -> None:
    h4l.reprun("run", NAME)
    replace(analysis(h4l) / "code" / "plot.py", '"""', '"""Changed: ')
    done = h4l.reprun("run", NAME, "--update-lock")
    assert "plot done" in done.stderr
    assert "combine done" not in done.stderr
    assert "code: code/plot.py changed" in done.stdout
    record = json.loads((run_directory(h4l) / "record.json").read_text())
    kept = {step["rule"]: step["kept"] for step in record["steps"]}
    assert kept == {"make_histograms": True, "combine": True, "plot": False}


@pytest.mark.parametrize("place", ["workspace", "outputs"])
def test_an_edited_output_is_made_again(h4l: Shell, place: str) -> None:
    h4l.reprun("run", NAME)
    output = run_directory(h4l) / place / "results" / "yields.csv"
    good = output.read_text()
    output.write_text(good.replace("102", "103"))
    done = h4l.reprun("run", NAME)
    assert "combine done" in done.stderr
    assert output.read_text() == good

"""The H->4l analysis in other generations of software: the same numbers, one reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.container import run_in
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

pytestmark = pytest.mark.slow

NAME = "cms-h4l"
IMAGES = ("root-6.40", "root-6.37", "legacy-py2")
COUNTS = {f"data/{c}_{y}" for c in ("4mu", "2e2mu", "4e") for y in (2011, 2012)} | {"m4l/data"}
READ = r"""root -l -b -q -e '
TFile file("histograms.root");
int histograms = 0;
for (auto* key : *file.GetListOfKeys())
  histograms += file.GetDirectory(key->GetName())->GetListOfKeys()->GetSize();
printf("%.6f %.0f %d\n", file.Get<TH1D>("m4l/zz")->Integral(0, 38),
       file.Get<TH1D>("m4l/data")->GetEntries(), histograms);'"""


@pytest.fixture
def h4l(tmp_path: Path, store: Store, catalogue: Catalogue) -> Shell:
    """A project of its own with the analysis; the images of its variants are in the store."""
    for image in IMAGES:
        ensure(catalogue.locked(image), catalogue, store, Silent())
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / NAME, project / "examples" / NAME)
    (project / "images").symlink_to(ROOT / "images")
    return Shell(tmp_path, store, {"REPRUN_PROJECT": str(mark_project(project))})


@pytest.mark.parametrize("variant", IMAGES)
def test_a_variant_reproduces_the_reference(
    h4l: Shell, variant: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    report = json.loads(h4l.reprun("run", NAME, "--variant", variant, "--format", "json").stdout)
    assert report["status"] == "reproduced"
    verdicts = {item["name"]: item["verdict"] for item in report["items"]}
    assert len(verdicts) == 36
    assert {verdicts[name] for name in COUNTS} == {"identical"}
    assert set(verdicts.values()) <= {"identical", "equal"}
    run = h4l.directory / "results" / NAME / f"{variant}.embedded"
    record = json.loads((run / "record.json").read_text())
    assert {step["image"].partition("@")[0] for step in record["steps"]} == {variant}
    assert (run / "outputs/results/mass4l.png").read_bytes()[:4] == b"\x89PNG"
    # ROOT itself reads the file (ZZ with flow, candidates, objects): where uproot 3 wrote it, our
    # own code made its directories.
    results = {
        "destination": "/work",
        "type": "bind",
        "source": str(run / "outputs/results"),
        "options": ["rbind", "ro"],
    }
    root = catalogue.locked("root-6.40")
    done = run_in(root, h4l.store, tmp_path, ["bash", "-c", READ], [results])
    assert done.stdout.split()[-3:] == ["295.229520", "278", "35"], done.stdout + done.stderr


def test_a_wrong_error_in_one_variant_is_found_and_named(h4l: Shell) -> None:
    code = h4l.directory / "project" / "examples" / NAME / "code" / "legacy" / "make_stack.py"
    text = code.read_text()
    assert "counts.values * scale**2" in text
    code.write_text(text.replace("counts.values * scale**2", "counts.values * scale"))
    done = h4l.reprun("run", NAME, "--variant", "legacy-py2", "--update-lock", code=1)
    # The errors are wrong, so all weighted histograms that hold an event: 22 of 28.
    assert "not reproduced: 22 of 36 objects changed" in done.stdout
    assert "has error" in done.stdout
    assert "code: code/legacy/make_stack.py changed" in done.stdout

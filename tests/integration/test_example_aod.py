"""The chain from AOD: what of it can run here does, and the rest is planned and refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import uproot

from reprun.images.model import Image
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project
from tests.real_data import shared_data

NAME = "cms-h4l-aod"


@pytest.fixture
def aod(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project of its own with the analysis, so that a test may change it."""
    assert columnar.name == "columnar"
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / NAME, project / "examples" / NAME)
    for name in ("images", "conditions"):
        (project / name).symlink_to(ROOT / name)
    mirrors = {"REPRUN_PROJECT": str(mark_project(project)), "REPRUN_MIRRORS": str(shared_data())}
    return Shell(tmp_path, store, mirrors)


def test_the_last_steps_reproduce_the_published_histograms(aod: Shell) -> None:
    done = aod.reprun("run", NAME)
    assert "reproduced: 10 objects, all identical" in done.stdout
    table = [line.split() for line in done.stdout.splitlines()]
    # The sums of 2012 that cms-h4l gives, whose stack an independent notebook has as well.
    assert ["all", "82", "66.2592", "7.99991"] in table


def test_merged_files_of_an_own_run_are_added_and_left_out_of_the_verdict(aod: Shell) -> None:
    home = aod.directory / "project" / "examples" / NAME
    text = (home / "Snakefile.plot").read_text()
    text += """
rule merge:
    input: "code/merge.py", chunks=["data/published/DoubleMu12.root", "data/published/HZZ12.root"]
    output: "results/own.root"
    container: config["image"]
    shell: "python3 code/merge.py {output} {input.chunks}"
"""
    text = text.replace('"code/stack.py",', '"code/stack.py", own="results/own.root",')
    text = text.replace("{output.yields}", "{output.yields} {input.own} {input.own}")
    (home / "Snakefile.plot").write_text(text)
    done = aod.reprun("run", NAME, "--update-lock")
    assert "reproduced: 10 objects" in done.stdout
    assert "level3/" in done.stdout
    results = aod.directory / "results" / NAME / "plot.published" / "workspace"
    found = uproot.open(results / "results/histograms.root")["level3/collisions_4mu"]
    parts = [
        uproot.open(shared_data() / f"cms-h4l/histograms/{name}.root")["demo/mass4mu_8TeV_low"]
        for name in ("DoubleMu12", "HZZ12")
    ]
    expected = np.sum([part.values(flow=True) for part in parts], axis=0)
    assert found.values(flow=True).tolist() == expected.tolist()
    assert expected.sum() > 1000


def test_the_whole_chain_is_planned_and_refused_by_name(aod: Shell) -> None:
    told = json.loads(aod.reprun("plan", NAME, "--variant", "cmssw", "--format", "json").stdout)
    rules = [step["rule"] for step in told["steps"]]
    assert rules[:2] == ["fetch", "build"]
    assert sorted(rules[2:-2]) == [
        *("analyse_collisions_0", "analyse_higgs_0"),
        *("merge_collisions", "merge_higgs"),
    ]
    assert rules[-2:] == ["stack", "plot"]
    by_rule = {step["rule"]: step for step in told["steps"]}
    assert by_rule["build"]["image"] == "cmssw-5.3.32@not-pinned"
    assert by_rule["merge_higgs"]["image"].startswith("columnar@sha256:")
    assert all(step["network"] for step in told["steps"])
    mounts = {mount["target"]: mount["read_only"] for mount in by_rule["analyse_higgs_0"]["mounts"]}
    assert mounts["/conditions/cms-validated-runs-2012"] is True
    names = ("analyse_collisions_0", "analyse_higgs_0")
    masks = [by_rule[name]["command"].split()[-3] for name in names]
    assert masks[0].endswith("Collisions12_JSON.txt")
    assert masks[1] == "none"
    done = aod.reprun("run", NAME, "--variant", "cmssw", code=2)
    assert "image 'cmssw-5.3.32' is external" in done.stderr
    assert "error" not in aod.reprun("lint", NAME).stdout.replace("0 errors", "")


def test_a_variant_that_needs_a_network_says_so(aod: Shell) -> None:
    document = aod.directory / "project" / "examples" / NAME / "analysis.yaml"
    text = document.read_text().replace("image: cmssw-5.3.32", "image: columnar")
    document.write_text(text)
    aod.reprun("lock", NAME)
    done = aod.reprun("run", NAME, "--variant", "cmssw", code=2)
    assert "needs a network, which nothing locks: it fetches the public analyzer" in done.stderr
    assert "--variant cmssw --allow-network" in done.stderr

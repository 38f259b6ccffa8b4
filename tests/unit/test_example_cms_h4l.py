"""The H->4l example: its tables, its manifests, and its counts against the original files."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import shutil
import sys
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reprun.documents.analysis import Analysis, load_analysis
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.errors import SpecificationError
from reprun.runs.lock import enforce_lock
from tests.real_data import shared_data

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "cms-h4l"

BINNINGS = {
    "7TeV": (51, 98.0, 608.0),
    "8TeV": (74, 70.0, 810.0),
    "8TeV_low": (37, 70.0, 181.0),
    "full": (300, 0.0, 900.0),
}
# Sums in 70-181 GeV, with flow bins, and in 121-130 GeV.
SUMS = {
    "zx": (3.846596, 4.201393, 0.354797),
    "ttbar": (0.069763, 0.102319, 0.0),
    "zz": (80.075956, 295.229520, 4.300429),
    "higgs": (9.730530, 9.733025, 8.203649),
}


def load(path: Path, name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # nothing is left in code/
        specification.loader.exec_module(module)
    return module


h4l = load(EXAMPLE / "code" / "h4l.py", "cms_h4l_code")


@pytest.fixture
def original() -> Path:
    """The original files, which are never part of the repository."""
    return shared_data() / "cms-h4l"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return load_analysis(EXAMPLE)


def table(name: str) -> list[dict[str, str]]:
    lines = (EXAMPLE / "data" / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_the_manifest_states_the_embedded_bytes(analysis: Analysis) -> None:
    for dataset in analysis.datasets.values():
        for file in dataset.files:
            if (EXAMPLE / file.path).is_file():
                content = (EXAMPLE / file.path).read_bytes()
                assert file.size == len(content), file.path
                assert file.digest == "sha256:" + hashlib.sha256(content).hexdigest(), file.path
    assert {file.path for file in analysis.datasets["embedded"].files} == {
        f"data/{path.name}" for path in (EXAMPLE / "data").glob("*.csv")
    }


def test_the_manifest_states_the_original_bytes(analysis: Analysis, original: Path) -> None:
    fetched = [file for file in analysis.datasets["original"].files if file.mirror_path]
    assert len(fetched) == 6 + 4 + 14
    for file in fetched:
        assert file.mirror_path is not None
        content = (original.parent / file.mirror_path).read_bytes()
        assert (file.size, file.digest, file.adler32) == (
            len(content),
            "sha256:" + hashlib.sha256(content).hexdigest(),
            f"{zlib.adler32(content):08x}",
        ), file.path
        assert file.uris, file.path


def test_the_two_files_that_differ_from_the_portal_say_so(analysis: Analysis) -> None:
    notes = {
        Path(file.path).stem: file.note
        for file in analysis.datasets["original"].files
        if file.note and file.mirror_path
    }
    assert notes.keys() == {"4mu_2011", "2e2mu_2011"}
    assert "b6ac4add" in str(notes["4mu_2011"])
    assert "79684aae" in str(notes["4mu_2011"])
    assert "98b32f34" in str(notes["2e2mu_2011"])
    assert "e5c82ef4" in str(notes["2e2mu_2011"])


def test_the_snakefile_declares_every_staged_file(analysis: Analysis) -> None:
    snakefile = (EXAMPLE / "Snakefile").read_text(encoding="utf-8")
    for path in (EXAMPLE / "code").glob("*.py"):
        assert f'"code/{path.name}"' in snakefile
    for file in analysis.datasets["embedded"].files:
        assert f'"{file.path}"' in snakefile
    staged = {file.path for file in analysis.datasets["original"].files}
    names = {f"data/original/events/{h4l.name(c, y)}.csv" for c, y in h4l.CATEGORIES}
    samples = {sample for sample, _, _ in h4l.TEMPLATES} | set(h4l.DATA_FILE.values())
    names |= {f"data/original/histograms/{s}{y}.root" for s in samples for y in (11, 12)}
    assert staged == names | {"data/normalisation.csv"}
    assert all(f'"{sample}"' in snakefile for sample in samples)


@pytest.mark.parametrize("name", ["Snakefile.root", "Snakefile.legacy"])
def test_the_snakefiles_of_other_software_declare_their_own_code(name: str) -> None:
    snakefile = (EXAMPLE / name).read_text(encoding="utf-8")
    home = EXAMPLE / "code" / name.partition(".")[2]
    files = [path.name for path in home.iterdir() if path.is_file()]
    assert len(files) >= 4
    for file in files:
        assert f'"code/{home.name}/{file}"' in snakefile
    others = snakefile.replace(f"code/{home.name}/", "")
    assert "code/" not in others, "a variant shares nothing with the first"


def test_the_tables_name_the_files_they_come_from(analysis: Analysis) -> None:
    digests = {
        f"# {file.digest.removeprefix('sha256:')}  {file.mirror_path.removeprefix('cms-h4l/')}"
        for file in analysis.datasets["original"].files
        if file.mirror_path and "Double" not in file.mirror_path
    }
    comments = [
        line
        for name in ("candidates.csv", "templates.csv")
        for line in (EXAMPLE / "data" / name).read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    ]
    assert digests <= set(comments)
    assert sum("10.7483/OPENDATA.CMS." in line for line in comments) == 2
    assert sum("CC0-1.0" in line for line in comments) == 2


def test_candidates_keep_every_digit_of_the_source(original: Path) -> None:
    committed = table("candidates.csv")
    assert len(committed) == 278
    rows = iter(committed)
    for channel, year in h4l.CATEGORIES:
        with (original / "events" / f"{channel}_{year}.csv").open(encoding="utf-8") as file:
            for source in csv.DictReader(file):
                assert list(next(rows).values()) == [
                    channel,
                    str(year),
                    *(source[name] for name in ("Run", "Event", "mZ1", "mZ2", "M")),
                ]


@pytest.mark.parametrize("binning", BINNINGS)
@pytest.mark.parametrize(("channel", "year"), h4l.CATEGORIES)
def test_candidates_fill_the_data_histograms_of_the_example(
    channel: str, year: int, binning: str, original: Path
) -> None:
    masses = h4l.read_candidates(EXAMPLE / "data" / "candidates.csv")[channel, year]
    sample = h4l.DATA_FILE[channel]
    expected, shape = h4l.read_histogram(
        original / "histograms", sample, channel, year, binning=binning
    )
    assert shape == BINNINGS[binning]
    assert h4l.fill(masses, *shape).tolist() == expected.tolist()
    assert expected.sum() == len(masses)


def test_both_datasets_give_the_same_counts(original: Path) -> None:
    data = EXAMPLE / "data"
    assert h4l.read_candidates(data / "candidates.csv") == h4l.read_event_files(original / "events")
    embedded = h4l.read_templates(data / "templates.csv")
    files = h4l.read_template_files(original / "histograms")
    assert embedded.keys() == files.keys()
    assert all(np.array_equal(embedded[key], files[key]) for key in files)


def test_there_are_102_candidates_from_70_to_181_gev() -> None:
    masses = h4l.read_candidates(EXAMPLE / "data" / "candidates.csv")
    inside = {key: int(h4l.fill(values)[1:-1].sum()) for key, values in masses.items()}
    assert inside == {
        ("4mu", 2011): 10,
        ("4mu", 2012): 42,
        ("2e2mu", 2011): 6,
        ("2e2mu", 2012): 28,
        ("4e", 2011): 4,
        ("4e", 2012): 12,
    }
    total = sum(h4l.fill(values) for values in masses.values())
    assert (total.sum(), total[18:21].sum()) == (278, 12)


@pytest.mark.parametrize("process", SUMS)
def test_the_stack_has_the_known_sums(process: str) -> None:
    templates = h4l.read_templates(EXAMPLE / "data" / "templates.csv")
    scales = h4l.read_scales(EXAMPLE / "data" / "normalisation.csv")
    stack = sum(
        counts * scales[sample, year]
        for (sample, _, year), counts in templates.items()
        if sample in h4l.PROCESSES[process]
    )
    sums = (stack[1:-1].sum(), stack.sum(), stack[18:21].sum())
    assert sums == pytest.approx(SUMS[process], abs=6e-7)


def test_bins_are_closed_below_and_open_above() -> None:
    counts = h4l.fill([69.999, 70.0, 72.999, 73.0, 180.999, 181.0, 1000.0])
    assert counts[[0, 1, 2, 37, 38]].tolist() == [1, 2, 1, 1, 2]
    assert counts.sum() == 7


def test_every_constant_names_its_source() -> None:
    constants = table("normalisation.csv")
    assert len(constants) == 2 + 3 * 14
    for row in constants:
        assert row["source"]
        assert (row["source"] == "none") <= (row["value"] == "1")


@pytest.mark.parametrize(
    ("table_name", "reader", "damage", "message"),
    [
        ("templates.csv", "read_templates", lambda lines: lines[:-1], "does not have the bins"),
        ("templates.csv", "read_templates", lambda lines: [*lines, lines[-1]], "stands twice"),
        ("normalisation.csv", "read_scales", lambda lines: [*lines, lines[-1]], "stands twice"),
    ],
)
def test_a_damaged_table_is_refused(
    table_name: str, reader: str, damage: object, message: str, tmp_path: Path
) -> None:
    lines = (EXAMPLE / "data" / table_name).read_text(encoding="utf-8").splitlines()
    assert callable(damage)
    (tmp_path / table_name).write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        getattr(h4l, reader)(tmp_path / table_name)


def test_every_output_is_compared_and_counts_exactly(analysis: Analysis) -> None:
    assert analysis.outputs.all == (
        "results/histograms.root",
        "results/yields.csv",
        "results/mass4l.png",
    )
    assert [(rule.match, rule.kind) for rule in analysis.compare] == [
        ("data/**", "count"),
        ("m4l/data", "count"),
        ("yields", "float"),
        ("*", "float"),
    ]
    assert all(rule.relative <= 1e-12 and rule.absolute == 0 for rule in analysis.compare)


def test_a_manifest_that_is_gone_is_named(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "analysis.yaml", tmp_path)
    with pytest.raises(SpecificationError, match=r"data/embedded\.yaml does not exist"):
        load_analysis(tmp_path)


def test_the_committed_lock_holds() -> None:
    """A new field of the specification must not change what older locks say."""
    enforce_lock(select(read_project(EXAMPLE.parents[1]), EXAMPLE.name))

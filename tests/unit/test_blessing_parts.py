"""`bless --from RUN --only FAILED|GLOB`: what failed is changed, all else stays byte by byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from reprun.cli.main import program
from reprun.digests import sha256_file
from reprun.documents.analysis import tier_of
from reprun.documents.record import read_record, write_record
from reprun.errors import (
    IntegrityError,
    NothingToCompareError,
    OutputMissingError,
    SpecificationError,
)
from reprun.images.packages import Packages
from reprun.progress import Silent
from reprun.runs.blessed import blessed_packages, causes
from reprun.runs.lock import read_lock
from reprun.runs.mixing import Mix, objects_text, read_contents
from reprun.runs.preview import Preview
from reprun.runs.reference_check import check_references
from reprun.runs.reference_log import read_log
from tests.unit import builders
from tests.unit.bench import ANALYSIS, FIRST, SECOND, Bench, blessed_bench, uhi
from tests.unit.builders import digest


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return blessed_bench(tmp_path, monkeypatch)


CHANGED = {"eta", "t", "fit.json:/limits/1"}
ROOT = Path(__file__).resolve().parents[2]
OTHER_CODE = builders.inputs(code={"code/x.py": digest("f")})


def test_only_what_failed_is_changed(bench: Bench) -> None:
    before = bench.objects()
    report = bench.runs(SECOND, OTHER_CODE)
    assert report is not None
    assert {item.name for item in report.items if not item.passes} == CHANGED
    bench.bless(only=["FAILED"])
    after = bench.objects()
    assert {name for name in before if before[name] != after[name]} == CHANGED
    assert before.keys() == after.keys()
    assert after["t"] == "row,value\nx,11\n"
    again = bench.runs(SECOND, OTHER_CODE)
    assert again is not None
    assert again.reproduced
    lock = read_lock(bench.home)
    assert lock is not None
    assert lock.reference["t.csv"] == sha256_file(bench.reference / "t.csv")


def test_files_of_which_nothing_changed_stay_byte_by_byte(bench: Bench) -> None:
    """Written in another way they would be too, as by a reprun of before."""
    for name in ("histograms.json", "documents.json"):
        path = bench.reference / name
        path.write_text(json.dumps(json.loads(path.read_text()), indent=3))
    reblessed(bench)
    before = {name: bench.text(name) for name in ("histograms.json", "documents.json", "u.csv")}
    bench.runs({**FIRST, "t.csv": SECOND["t.csv"]})
    bench.bless(only=["t"])
    assert {name: bench.text(name) for name in before} == before
    bench.runs(SECOND)
    bench.bless(only=["eta"])
    kept = json.loads(before["histograms.json"])
    assert json.dumps(kept["pt"], indent=3).replace("\n", "\n   ") in bench.text("histograms.json")


def reblessed(bench: Bench) -> None:
    """Let the reference have been blessed as its files are now, before there were logs."""
    path = bench.reference / "blessed.json"
    said = json.loads(path.read_text())
    said["files"] = {name: sha256_file(bench.reference / name) for name in said["files"]}
    said["number"] = None
    path.write_text(json.dumps(said))
    (bench.reference / "log.jsonl").unlink()


def test_globs_choose_objects(bench: Bench) -> None:
    before = bench.objects()
    bench.runs(SECOND)
    bench.bless(only=["fit.json:*", "p?"])
    after = bench.objects()
    assert {name for name in before if before[name] != after[name]} == {"fit.json:/limits/1"}
    assert bench.blessing().objects == (
        *("fit.json:/limits/0", "fit.json:/limits/1", "fit.json:/mu", "pt"),
    )
    with pytest.raises(SpecificationError, match=r"--only et: no object .* Did you mean 'eta'"):
        bench.bless(only=["et"])


def test_new_and_missing_objects_and_new_names(bench: Bench) -> None:
    third = {**FIRST, "h.json": uhi({"pt": 1, "eta_new": 2, "more": 4})}
    before = bench.objects()
    report = bench.runs(third)
    assert report is not None
    assert {item.name: item.verdict for item in report.items if not item.passes} == {
        "eta_new": "renamed",
        "more": "extra",
        "mass": "missing",
    }
    bench.bless(only=["more"])
    assert bench.objects().keys() == before.keys() | {"more"}
    bench.runs(third)
    bench.bless(only=["FAILED"])
    assert bench.objects().keys() == (before.keys() | {"more", "eta_new"}) - {"mass", "eta"}
    report = bench.runs(third)
    assert report is not None
    assert report.reproduced


def test_a_map_gives_old_names_to_what_is_replaced(bench: Bench) -> None:
    document = yaml.safe_load(ANALYSIS) | {"map": {"eta": "eta_new", "mass": "mass_new"}}
    (bench.home / "analysis.yaml").write_text(yaml.safe_dump(document))
    third = {**FIRST, "h.json": uhi({"pt": 1, "eta_new": 9, "mass_new": 3})}
    bench.runs(third)
    bench.bless(only=["FAILED"])
    assert {"eta_new", "mass"} <= bench.objects().keys()
    assert not {"eta", "mass_new"} & bench.objects().keys()
    report = bench.runs(third)
    assert report is not None
    assert report.reproduced


def test_a_reference_of_two_runs_claims_of_each_object_what_it_was_made_from(bench: Bench) -> None:
    bench.runs(SECOND, OTHER_CODE)
    bench.bless(only=["FAILED"], reason="the second")
    found = bench.blessing()
    assert found.objects == tuple(sorted(CHANGED))
    assert found.inputs == OTHER_CODE
    (kept,) = found.kept
    assert kept.objects is not None
    assert set(kept.objects) == bench.objects().keys() - CHANGED
    assert (kept.inputs, kept.reason) == (builders.inputs(), "right")
    assert found.only == ("FAILED",)
    said = causes(found, "columnar", OTHER_CODE, bench.reference)
    assert said
    assert not any(one.startswith("since eta, ") for one in said)
    assert all(" were blessed on 2026-03-01, code: " in one for one in said)
    now = builders.inputs(code={"code/x.py": digest("0")})
    said = causes(found, "columnar", now, bench.reference)
    assert any(
        one.startswith("since eta, fit.json:/limits/1, t were blessed on 2026-03-01, code: ")
        for one in said
    )
    report = bench.runs(SECOND, OTHER_CODE)
    assert report is not None
    assert report.reference is not None
    assert report.reference.earlier == len(kept.objects)
    assert f"; {len(kept.objects)} of its objects were blessed earlier)" in (
        report.reference.sentence
    )


def test_what_changed_since_all_objects_were_blessed_is_said_once(bench: Bench) -> None:
    bench.runs(SECOND, OTHER_CODE)
    bench.bless(only=["FAILED"])
    now = OTHER_CODE.model_copy(update={"parameters": {"bins": 11, "scale": 1.5}})
    said = causes(bench.blessing(), "columnar", now, bench.reference)
    (one,) = [each for each in said if "parameters" in each]
    assert one == ("since the reference was blessed on 2026-03-01, parameters: bins is 11, was 10")
    now = now.model_copy(update={"images": {"columnar": digest("6")}})
    report = bench.runs(FIRST, now)
    assert report is not None
    assert any(each.startswith("since the reference was blessed") for each in report.causes)


def test_three_runs(bench: Bench) -> None:
    bench.runs(SECOND, OTHER_CODE)
    bench.bless(only=["t"], reason="the second")
    third = builders.inputs(code={"code/x.py": digest("0")})
    bench.runs(SECOND, third)
    bench.bless(only=["eta"], reason="the third")
    found = bench.blessing()
    assert [(one.reason, one.inputs) for one in found.origins] == [
        *(("the third", third), ("the second", OTHER_CODE), ("right", builders.inputs())),
    ]
    assert [one.number for one in found.origins] == [3, 2, 1]
    whose = [set(one.objects or ()) for one in found.origins]
    assert set.union(*whose) == bench.objects().keys()
    assert sum(map(len, whose)) == len(bench.objects())
    bench.runs(SECOND, third)
    bench.bless(reason="all of it")
    assert (bench.blessing().objects, bench.blessing().kept) == (None, ())


def test_what_only_removes_claims_nothing(bench: Bench) -> None:
    bench.runs({**FIRST, "h.json": uhi({"pt": 1, "eta": 2})}, OTHER_CODE)
    bench.bless(only=["FAILED"])
    found = bench.blessing()
    assert found.objects == ()
    assert [one.inputs for one in found.origins] == [builders.inputs()]


def test_packages_of_each_run_are_known(tmp_path: Path) -> None:
    one, two = ({"columnar": digest(letter)} for letter in "15")
    old = Packages(wheels={"numpy": "1"})
    new = Packages(wheels={"numpy": "2"})
    kept = builders.blessing(inputs=builders.inputs(images=one), packages={"columnar": old})
    fields = {name: getattr(kept, name) for name in ("reason", "author", "date", "variant")}
    found = builders.blessing(
        inputs=builders.inputs(images=two),
        packages={"columnar": new},
        objects=("a",),
        kept=[
            {
                **fields,
                "dataset": None,
                "inputs": kept.inputs,
                "packages": kept.packages,
                "objects": ("b",),
            }
        ],
    )
    (tmp_path / "blessed.json").write_text(found.model_dump_json())
    assert blessed_packages([tmp_path], one) == {"columnar": old}
    assert blessed_packages([tmp_path], two) == {"columnar": new}


def test_the_log_says_what_was_taken(bench: Bench) -> None:
    bench.runs(SECOND)
    bench.bless(only=["FAILED"])
    log = read_log(bench.reference)
    assert log is not None
    assert [entry.only for entry in log.entries.values()] == [(), ("FAILED",)]
    (checked,) = check_references(bench.home, "demo", bench.store, Silent())
    assert checked.lines == 2


# -- what is refused ------------------------------------------------------------------------------


def test_failed_is_what_failed_against_the_reference_of_now(bench: Bench) -> None:
    bench.runs(FIRST)
    with pytest.raises(SpecificationError, match="nothing failed: "):
        bench.bless(only=["FAILED"])
    bench.runs(SECOND)
    bench.bless(only=["eta"])
    with pytest.raises(SpecificationError, match="compared with another reference than the one"):
        bench.bless(only=["FAILED"])
    bench.runs(SECOND, compare=False)
    with pytest.raises(SpecificationError, match="the run was not compared with a reference"):
        bench.bless(only=["FAILED"])


def test_nothing_of_an_unknown_or_edited_reference_stays(bench: Bench) -> None:
    bench.runs(SECOND)
    path = bench.reference / "u.csv"
    text = path.read_text()
    path.write_text("row,value\nx,21\n")
    with pytest.raises(IntegrityError, match=r"u\.csv was edited after it was blessed") as error:
        bench.bless(only=["eta"])
    assert error.value.hint == "reprun reference verify demo"
    path.write_text(text)
    (bench.reference / "blessed.json").unlink()
    with pytest.raises(SpecificationError, match="nobody has blessed the reference"):
        bench.bless(only=["eta"])
    shutil.rmtree(bench.reference)
    with pytest.raises(NothingToCompareError, match="there is no reference of which --only eta"):
        bench.bless(only=["eta"])


def test_a_table_takes_no_file_of_one_that_stays(bench: Bench) -> None:
    (bench.reference / "t.csv").rename(bench.reference / "v.csv")
    about: dict[str, Any] = {
        "name": "a/t",
        "class_name": "profile",
        "axes": [],
        "entries": None,
        "title": "",
    }
    (bench.reference / "t.csv").write_text(f"# reprun: {json.dumps(about)}\nrow,value\nx,1\n")
    said = json.loads(bench.text("blessed.json"))
    said["files"]["v.csv"] = ""
    (bench.reference / "blessed.json").write_text(json.dumps(said))
    reblessed(bench)
    bench.runs(SECOND)
    before = {path: path.read_bytes() for path in bench.reference.iterdir()}
    with pytest.raises(SpecificationError, match=r"t\.csv of the reference holds 'a/t', which"):
        bench.bless(only=["t"])
    assert {path: path.read_bytes() for path in bench.reference.iterdir()} == before


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        "[1]",
        "[" * 300,
        '{"a": ' + "9" * 5000 + "}",
        '{"a" 1}',
        "",
    ],
)
def test_files_that_no_blessing_wrote_are_not_mixed(tmp_path: Path, text: str) -> None:
    (tmp_path / "histograms.json").write_text(text)
    with pytest.raises(OutputMissingError, match=r"cannot read histograms\.json"):
        read_contents(tmp_path)


def test_every_reference_of_the_examples_is_written_as_it_is_read() -> None:
    """What stays of a file of which a part changes is as `write_objects` wrote it."""
    found = 0
    for path in sorted((ROOT / "examples").rglob("blessed.json")):
        contents = read_contents(path.parent)
        kept = Mix(contents, lambda _: [], taken=(), dropped=())
        assert kept.kept == contents.names
        for name, texts in contents.texts.items():
            assert objects_text(name, texts) == (path.parent / name).read_text()
            found += 1
    assert found > 5


# -- another run ----------------------------------------------------------------------------------


def test_a_run_is_named_by_its_directory_or_that_of_its_results(bench: Bench) -> None:
    bench.runs(SECOND, OTHER_CODE, results="elsewhere")
    place = bench.selection("elsewhere").run_directory
    fetched = bench.root / "fetched.reana"
    shutil.copytree(place, fetched)
    for source in (place, bench.root / "elsewhere", fetched):
        bench.bless(source=source)
        assert bench.blessing().inputs == OTHER_CODE
        assert bench.text("t.csv") == SECOND["t.csv"]
        bench.bless()
        assert bench.text("t.csv") == FIRST["t.csv"]


def test_a_run_of_another_variant_is_blessed_as_what_it_is(bench: Bench) -> None:
    bench.runs(SECOND, variant="other")
    place = bench.selection(variant="other").run_directory
    bench.bless(source=place)
    assert bench.blessing().variant == "other"
    bench.runs(SECOND)
    with pytest.raises(SpecificationError, match="that run is of the variant columnar, not other"):
        bench.bless(source=bench.selection().run_directory, chosen={"variant": "other"})


def test_the_rules_of_evidence_hold_for_any_run(bench: Bench) -> None:
    bench.runs(SECOND, results="elsewhere")
    place = bench.selection("elsewhere").run_directory
    path = place / "outputs" / "t.csv"
    path.write_text("row,value\nx,99\n")
    with pytest.raises(SpecificationError, match=r"the output t\.csv is not what the last run"):
        bench.bless(source=place)
    bench.runs(SECOND, results="elsewhere")
    (place / "report.json").write_text("{}")
    with pytest.raises(SpecificationError, match=r"report\.json was changed after the run"):
        bench.bless(source=place)
    bench.runs(SECOND, results="elsewhere")
    record = read_record(place)
    assert record is not None
    write_record(record.model_copy(update={"status": "failed"}), place)
    with pytest.raises(SpecificationError, match="only a finished run can be blessed"):
        bench.bless(source=place)
    for update, said in (
        ({"analysis": "another"}, "the analysis is another, not demo"),
        ({"dataset": "large"}, "the dataset is large, not none"),
        ({"tier": "max-events-10"}, "the part of the events is max-events-10, not all"),
        ({"variant": "gone"}, "demo has no variant 'gone'"),
    ):
        write_record(record.model_copy(update=update), place)
        with pytest.raises(SpecificationError, match=said):
            bench.bless(source=place)
    write_record(record, place)
    with pytest.raises(SpecificationError, match="the part of the events is all, not max-ev"):
        bench.bless(source=place, chosen={"tier": tier_of(10, None)})
    text = (place / "record.json").read_text().replace('"schema_version": 2', '"schema_version": 3')
    (place / "record.json").write_text(text)
    with pytest.raises(SpecificationError, match="written by a newer reprun"):
        bench.bless(source=place)
    with pytest.raises(SpecificationError, match="is not the directory of a run, and has no res"):
        bench.bless(source=bench.root / "nothing")


# -- what is shown --------------------------------------------------------------------------------


def test_what_would_change_is_shown_alone(bench: Bench) -> None:
    bench.runs(SECOND)
    seen: list[Preview] = []

    def agree(found: Preview) -> bool:
        seen.append(found)
        return False

    before = {path: path.read_bytes() for path in bench.home.rglob("*") if path.is_file()}
    assert bench.bless(only=["eta", "pt"], agree=agree) == []
    (found,) = seen
    assert [change.name for change in found.changes] == ["eta"]
    assert (found.objects, found.identical, found.kept) == (8, 1, 6)
    assert {path: path.read_bytes() for path in bench.home.rglob("*") if path.is_file()} == before


@pytest.fixture
def cli(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(bench.root)

    def call(*more: str) -> Result:
        said = ["bless", "demo", "--results", "results", "--reason", "right", "--author", "A"]
        return CliRunner().invoke(program(), [*said, *more])

    return call


def test_the_command_line(bench: Bench, cli: Callable[..., Result]) -> None:
    bench.runs(SECOND, results="elsewhere")
    done = cli("--from", "elsewhere", "--only", "FAILED", "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.startswith("the new reference: 8 objects (")
    assert "5 kept as they are)" in done.stdout.split("\n")[0]
    assert done.stdout.endswith("nothing was written (--dry-run)\n")
    assert cli("--from", "elsewhere", "--only", "eta", "--only", "t").exit_code == 0
    assert bench.blessing().objects == ("eta", "t")
    done = cli("--from", "elsewhere", "--only", "nothing")
    assert str(done.exception).startswith("--only nothing: no object")

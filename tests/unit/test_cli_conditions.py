"""`reprun conditions …`: what is printed, the exit codes, the frozen keys of its JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprun.cli.conditions import app
from reprun.digests import sha256_bytes, sha256_file
from reprun.errors import InputsGoneError, IntegrityError, ReprunError, SpecificationError
from tests.conditions_support import NEW_TAG, OLD_TAG, new_index, old_index
from tests.projects import mark_project

TAGS = {("BeamSpotObjectsRcd", "-", "BeamSpot_v1"): {100: "aa", 200: "bb"}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a snapshot of each kind that holds files."""
    for name in ("images", "examples"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("REPRUN_MIRRORS", raising=False)
    files = tmp_path / "files"
    files.mkdir()
    tag = 'global_tag = "{}"\n'.format
    database = "sqlite-snapshot"
    snapshot(tmp_path, "old", database, old_index(files / "old.db"), tag(f"{OLD_TAG}::All"))
    snapshot(tmp_path, "new", database, new_index(files / "new.db"), tag(NEW_TAG))
    newer = new_index(files / "newer.db", TAGS | {("JetRcd", "AK4", "J"): {1: "x"}})
    snapshot(tmp_path, "newer", database, newer, tag(NEW_TAG))
    for name, text in (("gold", '{"7": [[1, 9]]}'), ("gold2", '{"7": [[1, 8]], "8": [[1, 1]]}')):
        (files / name).write_text(text)
        snapshot(tmp_path, name, "lumi-json", files / name)
    row = "1,2.0,1,1,10"
    for name, text in (("rows", row), ("rows2", row.replace("2.0", "2.5"))):
        head = "dsid,crossSection_pb,kFactor,genFiltEff,sumOfWeights\n"
        (files / name).write_text(f"{head}{text}\n")
        snapshot(tmp_path, name, "table", files / name, 'key = "dsid"\n')
    for name, version in (("sf", 1), ("sf2", 2)):
        (files / name).write_text(
            json.dumps({"corrections": [{"name": "muon", "version": version}]})
        )
        snapshot(tmp_path, name, "correctionlib", files / name)
    return tmp_path


def snapshot(project: Path, name: str, kind: str, file: Path, more: str = "") -> None:
    directory = project / "conditions" / name
    directory.mkdir(parents=True)
    shutil.copy(file, directory / "payload")
    (directory / "snapshot.toml").write_text(
        f'schema_version = 1\nname = "{name}"\nkind = "{kind}"\ntitle = "{name}"\n{more}'
        f'mount = "/conditions/{name}"\n[[files]]\npath = "payload"\n'
        f'size = {file.stat().st_size}\nsha256 = "{sha256_file(file)}"\n'
    )


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code
    return result.stdout


def error(kind: type[ReprunError], *arguments: str) -> ReprunError:
    with pytest.raises(kind) as raised:
        CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return raised.value


def test_list_and_show(project: Path) -> None:
    assert len(run("list").splitlines()) == 9
    rows = json.loads(run("list", "--format", "json"))["snapshots"]
    facts = {
        *("name", "kind", "title", "global_tag", "mount", "licence", "digest", "files", "here"),
        "hermetic",
    }
    assert all(set(row) == facts for row in rows)
    assert "record BeamSpotObjectsRcd  tag BeamSpot_2011" in run("show", "old")
    assert "runs 1  first 7  last 7  ranges 1  blocks 9" in run("show", "gold")
    assert "rows 1" in run("show", "rows")
    assert "correction muon  version 1" in run("show", "sf")
    shown = json.loads(run("show", "new", "--format", "json"))
    assert set(shown) == {"schema_version", "kind", "reprun", "snapshot", "holds"}
    assert set(shown["snapshot"]) == facts
    assert run("show", str(project / "conditions" / "gold")) == run("show", "gold")
    assert "Did you mean 'gold'" in error(SpecificationError, "show", "golt").message


def test_get(project: Path) -> None:
    line = run("get", "new", "--run", "201", "--record", "BeamSpotObjectsRcd")
    assert line == (
        "record BeamSpotObjectsRcd  tag BeamSpot_v1  since 200  until the end  payload bb\n"
    )
    found = json.loads(run("get", "new", "--run", "150", "--lumi", "12", "--format", "json"))
    assert [each["payload"] for each in found["found"]] == ["aa", "cc"]
    assert found["found"][1]["since"] == "150:10"
    gap = error(IntegrityError, "get", "new", "--run", "99")
    assert "BeamSpot_v1" in gap.message
    assert "run 99" in gap.message
    assert gap.exit_code == 6
    assert len(error(IntegrityError, "get", "old", "--run", "190000").message.splitlines()) == 1
    assert len(error(IntegrityError, "get", "old", "--run", "300000").message.splitlines()) == 2
    assert run("get", "gold", "--run", "7", "--lumi", "9") == "run 7  lumi 9  certified True\n"
    assert "certified False" in run("get", "gold", "--run", "7", "--lumi", "10")
    assert "weight 7200.0" in run("get", "rows", "--row", "1", "--luminosity", "36")
    for arguments, said in (
        (("get", "rows", "--row", "2"), "has no row '2'"),
        (("get", "gold", "--row", "2"), "it has no rows"),
        (("get", "rows", "--run", "2"), "nothing that depends on the run"),
        (("get", "new", "--run", "200", "--record", "BeamSpotObjects"), "Did you mean"),
        (("get", "new"), "give --run"),
    ):
        assert said in error(SpecificationError, *arguments).message


def test_diff(project: Path) -> None:
    assert run("diff", "new", "new") == "no difference\n"
    assert run("diff", "new", "newer", code=1).splitlines() == [
        "JetRcd [AK4]: new, tag J",
        "SiPixelQualityFromDbRcd [forDigi]: gone (was tag Pixel_v1)",
    ]
    assert run("diff", "gold", "gold2", code=1).splitlines() == [
        "run 7: [[1, 9]] → [[1, 8]]",
        "run 8: [] → [[1, 1]]",
    ]
    assert run("diff", "rows", "rows2", code=1) == "metadata: row 1: crossSection_pb 2.0 → 2.5\n"
    assert run("diff", "sf", "sf2", code=1) == "correction muon: changed\n"
    assert "of kind" in error(SpecificationError, "diff", "sf", "gold").message
    document = json.loads(run("diff", "old", "old", "--format", "json"))
    assert (document["before"], document["now"], document["differences"]) == ("old", "old", [])


def test_diff_sees_every_file(project: Path) -> None:
    """The payloads of the old schema lie in files of their own."""
    for name, content in (("first", "payload"), ("second", "other")):
        extra = project / "extra"
        extra.write_text(content)
        index = old_index(project / f"{name}.db")
        snapshot(project, name, "sqlite-snapshot", index, f'global_tag = "{OLD_TAG}"\n')
        directory = project / "conditions" / name
        (directory / "JEC.db").write_text(content)
        digest = sha256_bytes(content.encode()).removeprefix("sha256:")
        document = directory / "snapshot.toml"
        document.write_text(
            document.read_text()
            + f'[[files]]\npath = "JEC.db"\nsize = {len(content)}\nsha256 = "{digest}"\n'
        )
    assert run("diff", "first", "second", code=1) == (
        f"file JEC.db: {sha256_bytes(b'payload')[7:19]} → {sha256_bytes(b'other')[7:19]}\n"
    )


def test_one_name_for_two_snapshots(project: Path) -> None:
    analysis = project / "examples" / "demo"
    analysis.mkdir(parents=True)
    (analysis / "analysis.yaml").touch()
    shutil.copytree(project / "conditions" / "gold", analysis / "conditions" / "gold")
    twice = error(SpecificationError, "show", "gold")
    assert "2 snapshots are called 'gold'" in twice.message
    assert run("show", str(analysis / "conditions" / "gold"))


def test_a_fault_in_a_fetched_file_names_it_as_the_snapshot_does(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the store under its digest, which says nothing to anybody."""
    directory = project / "conditions" / "gold"
    (directory / "payload").write_text('{"7": [[1, 9]],\n "8": [[3, 1]]}')
    digest = sha256_file(directory / "payload").removeprefix("sha256:")
    text = (directory / "snapshot.toml").read_text()
    lines = [f'sha256 = "{digest}"' if "sha256" in line else line for line in text.splitlines()]
    size = (directory / "payload").stat().st_size
    lines = [f"size = {size}" if line.startswith("size") else line for line in lines]
    (directory / "snapshot.toml").write_text("\n".join(lines) + "\n")
    (project / "mirror").mkdir()
    (directory / "payload").rename(project / "mirror" / "payload")
    monkeypatch.setenv("REPRUN_MIRRORS", str(project / "mirror"))
    for command in (("show", "gold"), ("get", "gold", "--run", "7"), ("mask", "gold", "x")):
        wrong = error(SpecificationError, *command)
        assert wrong.message.startswith("not a golden JSON: run 8 has the range [3, 1]")
        assert wrong.place == "gold: payload:2"
    assert error(SpecificationError, "diff", "gold2", "gold").place == "gold: payload:2"


def test_mask_is_for_validated_runs(project: Path) -> None:
    wrong = error(SpecificationError, "mask", "rows", str(project / "none.csv"))
    assert "rows is of kind table, not a mask of validated runs" in wrong.message


def test_diff_by_tag_and_interval(project: Path) -> None:
    tags = {("BeamSpotObjectsRcd", "-", "BeamSpot_v2"): {100: "aa", 150: "dd", 200: "bb"}}
    before = new_index(project / "before.db", TAGS)
    snapshot(project, "before", "sqlite-snapshot", before, f'global_tag = "{NEW_TAG}"\n')
    now = new_index(project / "now.db", tags)
    snapshot(project, "now", "sqlite-snapshot", now, f'global_tag = "{NEW_TAG}"\n')
    assert run("diff", "before", "now", code=1).splitlines() == [
        "BeamSpotObjectsRcd: tag BeamSpot_v1 → BeamSpot_v2",
        "BeamSpotObjectsRcd: 100 to 149: payload none → aa",
        "BeamSpotObjectsRcd: 100 to 199: payload aa → none",
        "BeamSpotObjectsRcd: 150 to 199: payload none → dd",
    ]


def test_verify(project: Path) -> None:
    assert len(run("verify").splitlines()) == 9
    assert set(json.loads(run("verify", "gold", "--format", "json"))["snapshots"][0]) == {
        *("name", "files", "locked")
    }
    payload = project / "conditions" / "gold" / "payload"
    payload.write_text(payload.read_text().replace("9", "8"))
    assert "payload has changed" in error(IntegrityError, "verify").message
    payload.unlink()
    assert "no source is named" in error(InputsGoneError, "verify", "gold").message


def test_mask(project: Path) -> None:
    events = project / "events.csv"
    events.write_text("Run, lumi\n7,1\n7,10\n8,1\n")
    assert run("mask", "gold", str(events)) == "before 3  after 2\n"
    table = project / "lumi.csv"
    table.write_text("#run:fill,ls,recorded(/pb)\n7:1,1:1,2.5\n7:1,10:10,4\n")
    done = json.loads(
        run(
            *("mask", "gold", str(events), "--lumi-column", "lumi", "--luminosity", str(table)),
            *("--format", "json"),
        )
    )
    assert (done["before"], done["after"], done["luminosity_per_pb"]) == (3, 1, 2.5)

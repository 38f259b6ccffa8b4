"""`reprun compare A B`: selection, rules, formats, exit codes, calibration."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reprun.cli.main import program
from reprun.compare.calibrate import calibrate
from reprun.compare.rules import one_rule, parse_maps, parse_rule, read_rules
from reprun.compare.select import renamed, selected
from reprun.errors import NothingToCompareError, ReprunError, SpecificationError
from reprun.histograms import Axis, Histogram, Objects, Unread, write_histograms
from reprun.report import render_junit, render_markdown
from reprun.runs.compare_files import names_apart
from tests.compare_support import TODAY, A, B, rule
from tests.sample_report import NASTY, sample


def named(name: str, thing: Histogram = A) -> Histogram:
    return Histogram(name, thing.axes, thing.values, thing.sumw2, entries=thing.entries)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two files that hold `muon/pt` and `muon/eta` of other seeds."""
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path, thing in zip(paths, (A, B), strict=True):
        write_histograms(path, [named(name, thing) for name in ("muon/pt", "muon/eta")])
    return str(paths[0]), str(paths[1])


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program(), ["compare", *arguments])


def refused(*arguments: str) -> ReprunError:
    """Return the error that `main` turns into an exit code."""
    error = call(*arguments).exception
    assert isinstance(error, ReprunError)
    return error


def test_exit_codes(files: tuple[str, str]) -> None:
    one, other = files
    assert call(one, one).exit_code == 0
    assert call(one, other).exit_code == 1
    assert call(one, other, "--kind", "sampled").exit_code == 0
    assert call(one, other, "--kind", "sampled", "--same-events").exit_code == 1
    assert refused(one, other, "--match", "electron*").exit_code == 5
    assert refused(one, other, "--match", "muon/pt", "--match", "jet*").exit_code == 5
    assert refused(one, other, "--rule", "match=*,kind=sampeld").exit_code == 2
    assert refused(one, other, "--map", "a").exit_code == 2
    assert refused(one, "nowhere.root").exit_code == 4


@pytest.mark.parametrize("name", ["nofile", "nofile.pdf", "nofile.root", "nowhere/nofile"])
def test_a_missing_file_is_reported_as_missing_whatever_its_suffix(
    files: tuple[str, str], tmp_path: Path, name: str
) -> None:
    missing = str(tmp_path / name)
    for arguments in ((missing, missing), (files[0], missing)):
        error = refused(*arguments)
        assert error.message == f"{Path(name).name} does not exist"
        assert (error.exit_code, error.place) == (4, missing)
        assert error.hint == f"ls {tmp_path}"


def test_of_a_missing_file_the_nearest_one_beside_it_is_named(tmp_path: Path) -> None:
    write_histograms(tmp_path / "histograms.json", [A])
    (tmp_path / "histogram").mkdir()
    error = refused(str(tmp_path / "histogramms"), str(tmp_path / "histograms.json"))
    assert error.message == "histogramms does not exist. Did you mean 'histograms.json'?"


def test_a_file_that_exists_but_has_no_reader_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "plot.pdf").write_text("")
    error = refused(str(tmp_path / "plot.pdf"), str(tmp_path / "plot.pdf"))
    assert error.message.startswith("plot.pdf: no reader for '.pdf' files")


def test_a_rule_for_some_and_a_policy_for_the_rest(files: tuple[str, str], tmp_path: Path) -> None:
    policy = tmp_path / "analysis.yaml"
    policy.write_text("compare:\n - {match: '*', kind: ignore, reason: not today}\n")
    one, other = files
    done = call(one, other, "--rule", "match=*/pt,kind=sampled,tests=yield+shape",
                "--policy", str(policy), "--format", "json")  # fmt: skip
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert [item["name"] for item in report["items"]] == ["muon/pt"]
    assert [check["name"] for check in report["items"][0]["checks"]][2:] == ["yield", "shape"]
    assert report["ignored"][0]["name"] == "muon/eta"


def test_formats(files: tuple[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = call(*files, "--format", "junit", "--html", str(page))
    suite = ET.fromstring(done.stdout)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert page.read_text().startswith("<!doctype html>")
    markdown = call(*files, "--format", "markdown").stdout
    assert markdown.startswith("## ❌ a.json against b.json\n")
    assert "| muon/eta | different |" in markdown or "| muon/eta | changed |" in markdown
    assert "To pass: all numbers equal" in markdown


def test_rules_from_text() -> None:
    found = parse_rule("match=m4l*,kind=sampled,alpha=1e-3,tests=yield+ks,toys=5000")
    assert (found.match, found.alpha, found.tests, found.toys) == (
        "m4l*", 1e-3, ("yield", "ks"), 5000,
    )  # fmt: skip
    assert one_rule(None) == []
    assert one_rule(None, alpha=0.05)[0].kind == "sampled"
    assert one_rule(None, relative=0.1)[0].kind == "float"
    for text, words in (
        ("match", "is not NAME=VALUE"),
        ("match=*,kinds=count", "Did you mean 'kind'"),
        ("match=*,kind=count,relative=0.1", "counts are compared exactly"),
    ):
        with pytest.raises(SpecificationError, match=words):
            parse_rule(text)
    with pytest.raises(SpecificationError, match="write OLD=NEW"):
        parse_maps(["=x"])


def test_a_policy_without_rules_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    for text, words in (("a: 1", "no list 'compare'"), ("[: ", "not valid YAML")):
        path.write_text(text)
        with pytest.raises(SpecificationError, match=words):
            read_rules(path)


def test_two_tables_need_no_common_name(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("cut,n\nall,10\nmass,4\n")
    new.write_text("cut,n\nall,10\nmass,5\n")
    text = call(str(new), str(old)).stdout
    assert "new row 'mass', column 'n' is 5, reference 4" in text
    assert "the files differ: 1 of 1 object changed" in text
    assert call(str(new), str(tmp_path / "new.csv")).exit_code == 0


def test_sentences_speak_of_the_files(files: tuple[str, str], tmp_path: Path) -> None:
    one, other = files
    assert "the files agree: 2 objects, all identical" in call(one, one).stdout
    part = tmp_path / "part.json"
    write_histograms(part, [named("muon/pt")])
    text = call(one, str(part)).stdout
    assert "muon/eta is in a.json only" in text
    assert "the files differ: 1 of 2 objects extra" in text
    assert "is in a.json only" in call(str(part), one).stdout
    stranger = tmp_path / "strange.json"
    write_histograms(stranger, [named("x"), named("y")])
    assert "the files have no name in common; --map" in call(one, str(stranger)).stdout
    for text in (call(one, str(part)).stdout, call(one, other).stdout):
        assert "bless" not in text
        assert "the run" not in text
        assert "reproduced" not in text


def test_files_of_one_name_are_told_apart() -> None:
    assert names_apart(Path("new/h.root"), Path("old/h.root")) == ("new/h.root", "old/h.root")
    assert names_apart(Path("a.root"), Path("b.root")) == ("a.root", "b.root")
    assert names_apart(Path("a.root"), Path("a.root")) == ("a.root", "a.root (again)")


def test_a_directory_and_a_table_of_words_are_refused(tmp_path: Path) -> None:
    assert "is a directory" in str(refused(str(tmp_path), str(tmp_path)))
    table = tmp_path / "t.csv"
    table.write_text("a,b\nx,word\n")
    error = refused(str(table), str(table))
    assert error.exit_code == 4
    assert "first column" in str(error.hint)


def test_names_are_mapped_and_selected() -> None:
    objects = Objects(
        {name: named(name) for name in ("old/pt", "old/eta", "m")}, {"old/p": Unread("TF1")}
    )
    after = renamed(objects, [("old/*", "new/*"), ("m", "mass")])
    assert sorted(after.names) == ["mass", "new/eta", "new/p", "new/pt"]
    assert sorted(selected(after, ["new/*t*"]).names) == ["new/eta", "new/pt"]
    assert selected(after, ["new/p"]).only(["new/p"]).unread == {"new/p": Unread("TF1")}
    for old, new, words in (
        ("old/*", "x", "on both sides"),
        ("old/pt", "m", "two objects of the reference would be called 'm'"),
    ):
        with pytest.raises(SpecificationError, match=words):
            renamed(objects, [(old, new)])


def test_junit_holds_any_name() -> None:
    report = sample()
    suite = ET.fromstring(render_junit(report))[0]
    cases = suite.findall("testcase")
    assert len(cases) == len(report.items) + len(report.ignored) == int(suite.get("tests") or 0)
    assert len(suite.findall("testcase/failure")) == sum(not item.passes for item in report.items)
    assert NASTY in [case.get("name") for case in cases]
    assert "\x00" not in render_junit(report.model_copy(update={"notes": ("a\x00b\ud800",)}))


def test_markdown_holds_any_name() -> None:
    text = render_markdown(sample())
    assert "<script>" not in text
    assert "| gone | missing |" in text
    assert "bin 12 \\[103, 106) GeV" in text


class TestCalibration:
    LAW = Histogram(
        "h",
        (Axis.regular(20, 0.0, 10.0),),
        np.array([0, *(400 * np.exp(-0.5 * ((np.arange(20) - 9.5) / 4) ** 2)).round(), 0]),
    )

    @pytest.mark.slow
    def test_the_rate_is_the_stated_one_and_changes_are_seen(self) -> None:
        found = calibrate(Objects({"h": self.LAW}), [rule(alpha=0.1)], TODAY, 150)
        assert found.false_alarms <= 0.1 + 3 * found.error
        (one,) = found.objects
        assert one.yield_change is not None
        # A pull of sqrt(2) * (2.2 + 1.3) of 4000 events, roughly.
        assert 0.04 < one.yield_change < 0.12
        assert one.shift is not None
        assert 0.1 < one.shift < 0.6

    @pytest.mark.slow
    def test_weights(self) -> None:
        law = Histogram("h", self.LAW.axes, self.LAW.values * 0.5, self.LAW.values * 0.5)
        (one,) = calibrate(Objects({"h": law}), [rule()], TODAY, 60).objects
        assert one.yield_change is not None
        assert one.false_alarms <= 0.1

    def test_nothing_to_calibrate(self) -> None:
        with pytest.raises(NothingToCompareError, match="nothing to calibrate"):
            calibrate(Objects({"h": self.LAW}), [], TODAY, 50)

    @pytest.mark.slow
    def test_from_the_command_line(self, files: tuple[str, str]) -> None:
        options = ("--match", "*pt", "--kind", "sampled", "--calibrate", "20")
        done = call(*files, *options)
        assert done.exit_code == 0
        assert "20 toys:" in done.stdout
        document = json.loads(call(*files, *options, "--format", "json").stdout)
        assert document["objects"][0]["name"] == "muon/pt"
        assert refused(*files, *options, "--format", "junit").exit_code == 2

"""`reprun new`: what is found in a file, what is written of it, and what is refused."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reprun.authoring import new as author
from reprun.authoring.new import Created, Request, known_experiment, new_analysis
from reprun.documents.analysis import load_analysis
from reprun.documents.project import read_project
from reprun.errors import SpecificationError, StorageError
from reprun.histograms.survey import BINS, binning, survey
from reprun.runs.lock import read_lock
from tests.projects import mark_project
from tests.real_data import real_file, shared_case, shared_data
from tests.record_files import write_records

TABLE = "event,mass,charge,kind\n1,1.5,1,a\n2,2.5,-1,b\n3,7.25,1,c\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    home = mark_project(tmp_path / "project", packaged_images=True)
    (home / "examples").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(home))
    return home


def make(home: Path, request: Request) -> Created:
    return new_analysis(request, read_project(home))


def refused(path: Path, **options: Any) -> SpecificationError:
    with pytest.raises(SpecificationError) as error:
        survey(path, **options)
    return error.value


# -- binning ----------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50))
@example([235.0, -5e-324, -5e-324])
@example([-235.0, 5e-324, 5e-324])
@example([1e-07, 1e-07, -7.699796968753041e-102])
def test_the_binning_shows_what_it_should(values: list[float]) -> None:
    array = np.array(values)
    assume(array.max() - array.min() > 1e-6 * abs(array).max())
    bins, low, high = binning(array)
    assert 1 <= bins <= 2 * BINS
    assert low < high
    assert float(repr(low)) == low
    inside = ((array >= low) & (array < high)).mean()
    assert inside >= 0.98 - 2 / len(array)


def test_whole_numbers_get_a_bin_each() -> None:
    assert binning(np.array([0.0, 3.0, 1.0])) == (4, -0.5, 3.5)
    assert binning(np.array([-1.0, 1.0])) == (3, -1.5, 1.5)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_edges_are_finite_and_increase_whatever_the_values(values: list[float]) -> None:
    bins, low, high = binning(np.array(values))
    edges = np.linspace(low, high, bins + 1)
    assert 1 <= bins <= 2 * BINS
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 5e-324], (1, -0.5, 0.5)),
        ([0.1, 0.1], (1, -0.4, 0.6)),
        ([1e15, 1e15 + 0.125], (1, 1e15 - 100, 1e15 + 100)),
        ([1.0, 1.0000000000000002], (1, 0.5, 1.5)),
    ],
)
def test_values_too_near_each_other_get_one_bin(
    values: list[float], expected: tuple[int, float, float]
) -> None:
    assert binning(np.array(values)) == expected


def test_the_largest_float_marks_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("pt,eta\n" + "".join(f"{n / 7},1.7976931348623157e308\n" for n in range(99)))
    found = survey(path)
    assert [column.name for column in found.columns] == ["pt"]
    assert found.left_out == {"eta": "holds no number in the events that were looked at"}
    assert refused(path, columns=["eta"]).message.startswith("'eta' holds no number")


def test_edges_are_round() -> None:
    assert binning(np.linspace(0.013, 0.987, 1000)) == (50, 0.0, 1.0)


def test_a_hint_can_be_pasted_whatever_the_path_is(tmp_path: Path) -> None:
    home = tmp_path / "my data"
    home.mkdir()
    (home / "it's.csv").write_bytes(b"\x1f\x8b")
    hint = refused(home / "it's.csv").hint or ""
    assert shlex.split(hint) == ["gunzip", "--keep", str(home / "it's.csv")]
    assert shlex.split(refused(home / "none").hint or "") == ["ls", str(home)]


# -- tables -----------------------------------------------------------------------------------


def test_a_table(table: Path) -> None:
    found = survey(table)
    assert [column.name for column in found.columns] == ["mass", "charge"]
    assert found.left_out == {"event": "numbers the events", "kind": "text"}
    assert (found.kind, found.entries) == ("table", 3)


def test_columns_of_ones_own(table: Path) -> None:
    assert [c.name for c in survey(table, columns=["event", "mass"]).columns] == ["event", "mass"]
    assert "mean 'mass'" in refused(table, columns=["mas"]).message
    assert "cannot be drawn: text" in refused(table, columns=["kind"]).message


def test_blanks_comments_quotes_gaps_and_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text('# made by hand\npx ;"a;b"; z\n1.5;2;\n\n# more\nNaN;3; 4 \n2.5;n/a;5\n')
    found = survey(path)
    assert [column.name for column in found.columns] == ["px", "a;b", "z"]
    assert (found.delimiter, found.entries) == (";", 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("a,b\n", "no row below"),
        ("a,b\nx,y\n", "no column of numbers that could be drawn: a (text); b (text)"),
        ("a,b\n,\n", "a (holds no number in the events that were looked at)"),
        ("a,a \n1,2\n", "two columns called 'a'"),
        ("1,2\n3,4\n", "has numbers in its first line"),
        ("a,b\n1,2\n3\n", "line 3 of t.csv has 1 fields, its first line names 2 columns"),
        ("a,b\n7,1\n7,1\n", "a (is 7 everywhere); b (is 1 everywhere)"),
        ('a,b\n"1,2\n', "neither a ROOT file nor a table"),
        ("run,event\n1,2\n1,3\n", "run (numbers the events)"),
    ],
)
def test_tables_that_give_no_analysis(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    error = refused(path)
    assert told in error.message
    assert error.hint


def test_files_that_are_none(tmp_path: Path, table: Path) -> None:
    assert "mean 'events.csv'" in refused(tmp_path / "event.csv").message
    assert "is not a file" in refused(tmp_path).message
    assert "there is no file" in refused(tmp_path / "no" / "where.csv").message
    (tmp_path / "packed.csv").write_bytes(b"\x1f\x8b\x08\x00")
    assert "gunzip" in (refused(tmp_path / "packed.csv").hint or "")
    (tmp_path / "image.csv").write_bytes(bytes(range(256)))
    assert "neither a ROOT file nor" in refused(tmp_path / "image.csv").message
    assert "is not a ROOT file" in refused(table, tree="Events").message
    assert "curl" in (refused(Path("https://example.org/x.root")).hint or "")


# -- ROOT files -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["TTree", "ROOT::RNTuple"])
def test_a_tree_of_numbers_lists_and_other_things(tmp_path: Path, kind: str) -> None:
    def write(file: Any, name: str, columns: dict[str, Any]) -> None:
        if kind == "TTree":
            types = {key: (each.dtype, each.shape[1:]) for key, each in columns.items()}
            file.mktree(name, types).extend(columns)
        else:
            file[name] = columns

    path = tmp_path / "t.root"
    with uproot.recreate(path) as file:
        write(file, "small", {"x": np.array([1.0, 2.0])})
        events = {
            "run": np.array([1, 2, 3]),
            "x": np.array([1.0, np.nan, 3.5]),
            "v": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.5]]),
            "flag": np.array([True, False, True]),
            "one": np.array([5, 5, 5]),
        }
        write(file, "dir/large", events)
        file["h"] = np.histogram([1.0], bins=3)
    found = survey(path)
    assert (found.kind, found.tree, found.entries) == ("tree", "dir/large", 3)
    # uproot keeps the branches of a tree in their order, and sorts the fields of an RNTuple.
    order = [("x", False), ("v", True)][:: 1 if kind == "TTree" else -1]
    assert [(column.name, column.lists) for column in found.columns] == order
    assert found.left_out == {
        "small": f"a {kind} besides the tree dir/large",
        "h": "a TH1D besides the tree dir/large",
        "run": "numbers the events",
        "flag": "true or false",
        "one": "is 5 everywhere",
    }
    assert [c.name for c in survey(path, tree="small").columns] == ["x"]
    assert "mean 'small'" in refused(path, tree="smal").message
    assert [c.name for c in survey(path, columns=["flag"]).columns] == ["flag"]


def test_a_tuple_of_floats_is_the_tree_it_is() -> None:
    """As the shared case `new-tntuple` says."""
    found = survey(shared_case("new-tntuple") / "f.root")
    assert (found.kind, found.tree, found.entries) == ("tree", "ntuple", 100)
    assert [column.name for column in found.columns] == ["px", "py", "pz"]


def test_the_leaves_of_a_branch_are_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uproot writes no leaf lists: two numbers a row are read as the two leaves they could be."""
    with uproot.recreate(tmp_path / "t.root") as file:
        file.mktree("events", {"pos": (np.dtype("f8"), (2,))})
        file["events"].extend({"pos": np.array([[1.0, 10.0], [2.5, 20.5], [3.0, 35.0]])})
    leaves = uproot.AsDtype(np.dtype([("x", ">f8"), ("y", ">f8")]))
    monkeypatch.setattr(uproot.TBranch, "interpretation", property(lambda _: leaves))
    found = survey(tmp_path / "t.root")
    assert [(c.name, c.lists, c.path) for c in found.columns] == [
        ("pos.x", False, ("pos", "x")),
        ("pos.y", False, ("pos", "y")),
    ]
    assert (found.columns[1].low, found.columns[1].high) == (10.0, 35.0)


def test_members_of_records_and_of_lists_of_records_are_columns(tmp_path: Path) -> None:
    write_records(tmp_path / "r.root")
    found = survey(tmp_path / "r.root")
    assert {column.name: (column.lists, column.path) for column in found.columns} == {
        "muons.pt": (True, ("muons", "pt")),
        "vertex.z": (False, ("vertex", "z")),
    }
    assert found.left_out == {
        "vertex.run": "numbers the events",
        "tags": "std::vector<std::string>",
    }


@pytest.mark.slow
def test_members_of_a_split_branch_are_columns() -> None:
    path = shared_data() / "atlas-physlite" / "PHYSLITE_example.root"
    (column,) = survey(path, columns=["METAssoc_AnalysisMETAux.jettrkpx"]).columns
    assert (column.lists, column.path) == (True, ("METAssoc_AnalysisMETAux.jettrkpx",))


@pytest.mark.slow
def test_branches_of_text_and_of_objects_are_left_out_by_type() -> None:
    path = shared_data() / "atlas-4lep"
    found = survey(next(path.glob("*.root")))
    assert found.left_out["category"] == "std::string"
    path = shared_data() / "atlas-physlite" / "PHYSLITE_example.root"
    assert "xAOD::" in survey(path).left_out["METAssoc_AnalysisMETAux.jetLink"]


def test_histograms_and_what_is_no_histogram(tmp_path: Path) -> None:
    path = tmp_path / "h.root"
    with uproot.recreate(path) as file:
        file["full"] = np.histogram([1.0, 2.0], bins=600, range=(0, 3))
        file["bare"] = np.histogram([9.0], bins=3, range=(0, 3))
        file["plane"] = np.histogram2d([1.0], [1.0])
    found = survey(path)
    assert [(s.name, s.bins, s.merged) for s in found.spectra] == [("full", 600, 6)]
    assert found.left_out == {"plane": "a TH2D", "bare": "empty"}
    assert [s.name for s in survey(path, columns=["bare"]).spectra] == ["bare"]
    assert "cannot be drawn: a TH2D" in refused(path, columns=["plane"]).message


def test_root_files_that_give_no_analysis(tmp_path: Path) -> None:
    path = tmp_path / "r.root"
    with uproot.recreate(path) as file:
        file["note"] = "text"
    assert "it holds note (a TObjString)" in refused(path).message
    with uproot.recreate(path) as file:
        file.mktree("events", {"x": float})
    assert "contains no events" in refused(path).message
    with uproot.recreate(path) as file:
        file["events"] = {"run": np.array([1, 1])}
    assert "no branch of numbers that could be drawn: run (numbers" in refused(path).message
    path.write_bytes(b"root" + bytes(200))
    assert "it was never closed" in refused(path).message
    path.write_bytes(real_file("HZZ12.root").read_bytes()[:30_000])
    assert "cannot be read as a ROOT file" in refused(path).message


# -- Parquet files ----------------------------------------------------------------------------

SELECTED = {
    "event": pa.array([1, 2, 3, 4]),
    "x": pa.array([1.0, None, 3.5, float("nan")]),
    "charge": pa.array([1, -1, None, 1], pa.int8()),
    "jets": pa.array([[1.0, 2.5], [], None, [4.0]]),
    "vertex": pa.array([{"z": 1.0, "q": "a"}, {"z": 7.0, "q": None}, None, {"z": None, "q": "b"}]),
    "muons": pa.array([[{"pt": 1.0}], [{"pt": 2.5}, {"pt": None}], [], None]),
    "flag": pa.array([True, False, True, True]),
    "word": pa.array(["a", "b", "c", "d"]),
    "lists": pa.array([[[1.0]], [], [], []]),
    "one": pa.array([5, 5, 5, 5]),
}


@pytest.fixture
def selected(tmp_path: Path) -> Path:
    path = tmp_path / "selected.parquet"
    pq.write_table(pa.table(SELECTED), path, row_group_size=3)
    return path


def test_a_parquet_file_of_numbers_lists_and_other_things(selected: Path) -> None:
    found = survey(selected)
    assert (found.kind, found.entries) == ("parquet", 4)
    assert {column.name: (column.lists, column.path) for column in found.columns} == {
        "x": (False, ("x",)),
        "charge": (False, ("charge",)),
        "jets": (True, ("jets",)),
        "vertex.z": (False, ("vertex", "z")),
        "muons.pt": (True, ("muons", "pt")),
    }
    assert found.left_out == {
        "event": "numbers the events",
        "vertex.q": "string",
        "flag": "true or false",
        "word": "string",
        "lists": "var * var * float64",
        "one": "is 5 everywhere",
    }
    assert [column.name for column in survey(selected, columns=["flag"]).columns] == ["flag"]
    assert "mean 'jets'" in refused(selected, columns=["jet"]).message
    assert "is not a ROOT file" in refused(selected, tree="Events").message
    selected.write_bytes(selected.read_bytes()[:200])
    assert "is not a readable Parquet file" in refused(selected).message
    pq.write_table(pa.table({"event": SELECTED["event"]}), selected)
    assert "no column of numbers that could be drawn: event (numbers" in refused(selected).message


def test_the_program_made_of_a_parquet_file_reads_its_events(
    project: Path, selected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(project, Request("mine", selected))
    assert load_analysis(made.directory).datasets["events"].files[0].events == 4
    # What is in the image but not here is not needed to read events.
    monkeypatch.setitem(sys.modules, "hist", ModuleType("hist"))
    program: dict[str, Any] = {"__name__": "fill"}
    exec((made.directory / "code" / "fill.py").read_text(), program)
    program["CHUNK"] = 3
    for most, chunks in ((0, [3, 1]), (2, [2]), (3, [3]), (9, [3, 1])):
        assert [len(events) for events in program["read"](selected, most)] == chunks
    filled: dict[str, list[float]] = {name: [] for name in program["AXES"]}
    for events in program["read"](selected, 0):
        for name, passed in program["cuts"](events):
            assert len(passed) == len(events), name
        for name in filled:
            filled[name] += program["numbers"](events[name]).tolist()
    assert filled == {
        "x": [1.0, 3.5],
        "charge": [1, -1, 1],
        "jets": [1.0, 2.5, 4.0],
        "vertex.z": [1.0, 7.0],
        "muons.pt": [1.0, 2.5],
    }


# -- writing ----------------------------------------------------------------------------------


def test_a_small_file_is_copied_and_a_large_one_stays(
    project: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(project, Request("mine", table, licence="CC0-1.0", doi="10.1/x"))
    assert made.copied
    lock = read_lock(made.directory)
    assert lock is not None
    assert (lock.analysis, list(lock.images)) == ("mine", ["columnar"])
    assert (made.directory / "data" / "events.csv").read_text() == TABLE
    dataset = load_analysis(made.directory).datasets["events"]
    assert (dataset.licence, dataset.doi, dataset.files[0].uris) == ("CC0-1.0", "10.1/x", ())
    monkeypatch.setattr(author, "LARGEST_COPY", 10)
    made = make(project, Request("large", table))
    assert not made.copied
    assert not (made.directory / "data" / "events.csv").exists()
    (file,) = load_analysis(made.directory).datasets["events"].files
    assert file.uris == (table.as_uri(),)
    assert (file.size, file.pinned, file.adler32 is not None) == (len(TABLE), True, True)
    assert {path.name for path in (project / "examples").iterdir()} == {"mine", "large"}


def test_titles_and_names_that_would_break_yaml_or_python(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "a b'\"#{x}.csv"
    path.write_text('m"\\,{%n%}\n1.5,2.5\n2.5,7.5\n')
    request = Request("odd", path, title="A: 'title' with #\n \"all\"", columns=('m"\\',))
    made = make(project, request)
    assert load_analysis(made.directory).title == "A: 'title' with # \"all\""
    compile((made.directory / "code" / "fill.py").read_text(), "fill.py", "exec")
    assert (made.directory / "data" / "a_b_x_.csv").is_file()


@pytest.mark.parametrize(
    ("name", "better"),
    [("My Analysis", "my-analysis"), ("a/b", "a-b"), ("..", "mine"), ("", "mine"), ("Ü", "mine")],
)
def test_names_that_cannot_be(project: Path, table: Path, name: str, better: str) -> None:
    with pytest.raises(SpecificationError) as error:
        make(project, Request(name, table))
    assert error.value.hint == f"reprun new {better} --from {table}"
    assert not list((project / "examples").iterdir())


def test_names_that_are_taken(project: Path, table: Path) -> None:
    make(project, Request("mine", table))
    before = (project / "examples" / "mine" / "analysis.yaml").read_text()
    with pytest.raises(SpecificationError, match="already") as error:
        make(project, Request("mine", table))
    assert error.value.hint == f"reprun new mine-2 --from {table}"
    (project / "examples" / "other").mkdir()
    with pytest.raises(SpecificationError, match="exists already"):
        make(project, Request("other", table))
    assert (project / "examples" / "mine" / "analysis.yaml").read_text() == before


def test_elsewhere(project: Path, table: Path, tmp_path: Path) -> None:
    made = make(project, Request("mine", table, directory=tmp_path / "else"))
    assert made.directory == tmp_path / "else" / "mine"
    assert made.target.endswith("else/mine")
    (tmp_path / "plain").write_text("")
    with pytest.raises(StorageError):
        make(project, Request("mine", table, directory=tmp_path / "plain"))


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_half_written(
    project: Path, table: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def full(*_: object) -> None:
        raise fault

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        make(project, Request("mine", table))
    assert not list((project / "examples").iterdir())


def test_experiments() -> None:
    assert known_experiment("cms") == "CMS"
    assert known_experiment("lhcb") == "LHCb"
    assert known_experiment("DELPHI") == "DELPHI"
    with pytest.raises(SpecificationError, match="mean 'ATLAS'"):
        known_experiment("atals")


def test_the_command(project: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415

    from reprun.cli.main import program  # noqa: PLC0415

    run = CliRunner()
    done = run.invoke(program(), ["new", "one", "--from", str(table)], catch_exceptions=False)
    assert "drawn: mass, charge" in done.stdout + capsys.readouterr().out
    done = run.invoke(program(), ["new", "two", "--from", str(table), "--format", "json"])
    document = json.loads(done.stdout)
    assert document["left_out"] == {"event": "numbers the events", "kind": "text"}
    assert set(document["files"]) >= {"analysis.yaml", "Snakefile", "code/fill.py", "README.md"}

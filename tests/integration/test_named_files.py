"""Files that a user names are read in a sandbox: whatever leads their reader astray, it is there.

The readers have no hole that is known. So one is made: a line of Python that runs in the place
where a reader runs, before it, and looks for what is the user's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprun.authoring import surveyed
from reprun.authoring.surveyed import Wanted
from reprun.conditions.snapshot import Snapshot
from reprun.documents.manifest import DataFile
from reprun.engines import box
from reprun.errors import OutputMissingError
from reprun.progress import Silent
from reprun.runs.compare_files import Files, compare_files, in_sandbox
from reprun.runs.compared import answered
from reprun.runs.looked_up import LookedUp, LookUp, Opened, look_up
from reprun.store.store import Store
from tests.conditions_support import NEW_TAG, new_index

PLANT = """
import os, socket
def tried(name, action):
    try:
        action()
        return [name]
    except Exception:
        return []
found = [one for one in {paths!r} if os.path.exists(one)]
found += [name for name in os.environ if name == 'REPRUN_PLANTED']
found += tried('network', lambda: socket.create_connection(('127.0.0.1', {port}), 5))
for path, _, names in os.walk('/run/reprun'):
    if '/control' not in path:
        for name in names:
            found += tried('wrote ' + name, lambda: open(os.path.join(path, name), 'ab'))
found += [one for one in os.listdir('/proc') if one.isdigit() and int(one) > 1]
print('reached', found, sorted(os.listdir('/run/reprun')))
os._exit(1)
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A line that runs where a reader runs."""
    monkeypatch.setenv("REPRUN_PLANTED", "a token")
    (tmp_path / "secret").write_text("not for others")
    with socket.create_server(("127.0.0.1", 0)) as server:
        paths = [str(tmp_path / "secret"), str(Path.home() / ".bashrc"), "/etc/shadow", "/var"]
        text = PLANT.format(paths=paths, port=server.getsockname()[1])
        monkeypatch.setattr(box, "_START", f"{box._START}exec({text!r}); ")
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    home = tmp_path / "home"
    home.mkdir()
    for name, number in (("a", 3), ("b", 4)):
        (home / f"{name}.csv").write_text(f"cut,data\nall,{number}\n")
    return Files(home / "a.csv", home / "b.csv")


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    new_index(tmp_path / "conditions.db")
    file = DataFile(path="conditions.db", size=1, sha256="0" * 64)
    snapshot = Snapshot(
        schema_version=1,
        name="tags",
        kind="sqlite-snapshot",
        title="Tags",
        global_tag=NEW_TAG,
        mount="/conditions",
        files=(file,),
    )
    return Opened(snapshot, {"conditions.db": tmp_path / "conditions.db"})


def reached(said: str) -> str:
    """Return what a planted line reached."""
    return said.partition("ended with: ")[2]


@pytest.mark.usefixtures("planted")
def test_a_reader_led_astray_reaches_nothing(files: Files, opened: Opened, store: Store) -> None:
    with pytest.raises(OutputMissingError) as one:
        compare_files(files, in_sandbox(store, print))
    assert reached(one.value.message) == "reached [] ['control', 'monitored', 'reference']"
    with pytest.raises(OutputMissingError) as started:
        surveyed.in_sandbox(store, Silent())(files.monitored, Wanted())
    assert reached(started.value.message) == "reached [] ['control', 'source']"
    with pytest.raises(OutputMissingError) as looked:
        look_up(asking(opened), [opened], store, Silent())
    assert reached(looked.value.message) == "reached [] ['0', 'control']"


def asking(opened: Opened) -> LookUp:
    return LookUp(what="contents", snapshots=(opened.snapshot,))


def test_the_sandbox_finds_what_the_same_code_finds_here(
    files: Files, opened: Opened, store: Store
) -> None:
    here, there = compare_files(files, answered), compare_files(files, in_sandbox(store, print))
    assert here.model_dump() == there.model_dump()
    assert not here.reproduced
    look = surveyed.in_sandbox(store, Silent())
    events = files.monitored.with_name("events.csv")
    events.write_text("".join(f"{one}\n" for one in ("x,y", "1,2.5", "2,0.1", "3,1e-3")))
    assert look(events, Wanted()) == surveyed.look(events, Wanted())
    found = look_up(asking(opened), [opened], store, Silent())
    assert isinstance(found, LookedUp)
    assert found.rows
    assert {row["tag"] for row in found.rows} >= {"BeamSpot_v1"}


def test_the_tables_of_a_submission_are_found_and_nothing_that_a_link_leads_to(
    tmp_path: Path, store: Store
) -> None:
    home = tmp_path / "submission"
    home.mkdir()
    table = (
        "independent_variables: [{header: {name: x}, values: [{low: 0, high: 1}]}]\n"
        "dependent_variables: [{header: {name: y}, values: [{value: 1}]}]\n"
    )
    (tmp_path / "outside.yaml").write_text(table)
    (home / "one.yaml").write_text(table)
    (home / "submission.yaml").write_text(
        "---\nname: one\ndata_file: one.yaml\n---\nname: two\ndata_file: two.yaml\n"
    )
    (home / "two.yaml").symlink_to(tmp_path / "outside.yaml")
    files = Files(home / "submission.yaml", home / "submission.yaml")
    report = compare_files(files, in_sandbox(store, print))
    sentences = {item.name: item.sentence for item in report.items}
    assert "one" in sentences
    assert "missing" in json.dumps(report.model_dump(mode="json"))


def test_an_error_names_the_file_as_it_was_typed(
    files: Files, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.monitored.parent)
    Path("bad.root").write_text("x")
    with pytest.raises(OutputMissingError, match=r"bad\.root is not a readable ROOT file") as error:
        compare_files(Files(Path("bad.root"), Path("b.csv")), in_sandbox(store, print))
    assert error.value.place == "bad.root"


def test_without_a_sandbox_the_files_are_read_and_it_is_said(
    files: Files, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(shutil, "which", missing)
    said: list[str] = []
    report = compare_files(files, in_sandbox(store, said.append))
    assert not report.reproduced
    assert [one.partition(":")[2].partition(":")[0] for one in said] == [
        " the files were read outside of a sandbox"
    ]


def test_the_command_reads_in_a_sandbox(files: Files, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "reprun", "compare", "a.csv", "b.csv"],
        cwd=files.monitored.parent,
        env={**os.environ, "REPRUN_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "a.csv against b.csv" in ended.stdout
    assert list((tmp_path / "store" / box.ROOTS).iterdir())

"""What depends on what, told from hashes and records alone; and settings, as engines are asked."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
import time
from pathlib import Path

import pytest

from reprun.cli.flaky_output import conclusion, list_text, measured_text, sentence
from reprun.documents.analysis import Analysis
from reprun.documents.record import StepRecord
from reprun.engines.base import (
    FIXED_ENVIRONMENT,
    ContainerJob,
    Mount,
    Setting,
    environment_of,
)
from reprun.engines.moved_clock import MACHINE, library
from reprun.engines.runtime_config import configuration
from reprun.engines.varied import lack, moved, started_by, varying
from reprun.errors import SpecificationError
from reprun.flaky.findings import changed_files, differing, first_step, told, upstream
from reprun.flaky.measure import MEMORY, why_not
from reprun.flaky.variations import BY_NAME, VARIATIONS, chosen
from reprun.images.model import Image
from reprun.report.grid import plain_text
from tests.engines.fake import FakeContainer, FakeEngine
from tests.flaky_support import measured
from tests.unit import builders

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Image("i", "sha256:0", "sha256:1", (), {"HOSTNAME": "of-the-image"})
FIRST = {"a": "1", "b": "2", "c": "3", "unknown": None}


def step(rule: str, inputs: str, **outputs: str) -> StepRecord:
    made = {f"{name}.csv": digest for name, digest in outputs.items()}
    return builders.step(
        rule=rule, inputs={f"{name}.csv": None for name in inputs.split()}, outputs=made
    )


CHAIN = (
    step("plot", "c other", d="4"),
    step("select", "a", b="2"),
    step("fill", "b", c="3"),
    step("draw", "", a="1"),
    step("aside", "", other="5"),
)


# -- what depends on what ------------------------------------------------------------------------


def test_each_object_is_blamed_on_what_alone_was_varied() -> None:
    found = told(
        FIRST,
        [FIRST],
        {"path": {**FIRST, "a": "9"}, "home": FIRST, "user": {**FIRST, "a": "8", "b": "7"}},
        {},
    )
    assert found.by_itself == frozenset()
    assert found.varied == {"path": {"a"}, "home": frozenset(), "user": {"a", "b"}}


def test_what_differs_by_itself_in_any_run_is_blamed_on_no_variation() -> None:
    unvaried = [FIRST, {**FIRST, "a": "9"}]
    found = told(FIRST, unvaried, {"path": {**FIRST, "a": "8", "b": "7"}}, {})
    assert found.by_itself == {"a"}
    assert found.varied == {"path": {"b"}}


def test_two_runs_that_hold_something_still_and_agree_name_the_cause() -> None:
    unvaried = [{**FIRST, "a": "9", "b": "9"}]
    still = {**FIRST, "a": "7", "b": "8"}
    found = told(FIRST, unvaried, {"addresses": still}, {"addresses": {**still, "b": "6"}})
    assert found.settled == {"addresses": {"a"}}
    assert found.of("addresses") == {"a"}
    assert not found.of("path")


def test_an_object_that_only_one_run_made_differs() -> None:
    assert differing(FIRST, {**FIRST, "more": "1"}) == {"more"}
    assert differing({**FIRST, "more": None}, FIRST) == {"more"}


def test_steps_stand_behind_what_they_need_and_others_are_left_out() -> None:
    assert [one.rule for one in upstream(CHAIN, "c.csv")] == ["draw", "select", "fill"]
    assert {one.rule for one in upstream(CHAIN, "d.csv")} == {one.rule for one in CHAIN}
    assert upstream(CHAIN, "code.py") == []


def test_the_first_step_that_varies_is_named() -> None:
    found = first_step(CHAIN, "c.csv", {"b.csv", "c.csv", "other.csv"})
    assert found is not None
    assert (found[0].rule, found[1]) == ("select", ["b.csv"])
    assert first_step(CHAIN, "c.csv", {"other.csv"}) is None


def test_of_the_step_that_made_the_file_no_other_output_is_named() -> None:
    both = (step("fill", "", a="1", b="2"),)
    assert first_step(both, "b.csv", {"a.csv", "b.csv"}) == (both[0], ["b.csv"])


def test_only_files_with_digests_in_both_runs_are_compared() -> None:
    other = (step("select", "a", b="9"), step("draw", "", a="1"))
    assert changed_files(CHAIN, other) == {"b.csv": True, "a.csv": False}
    directory = (builders.step(outputs={"parts": None}),)
    assert changed_files(directory, directory) == {}


# -- the table -----------------------------------------------------------------------------------


def test_each_variation_changes_one_thing_from_what_every_run_has() -> None:
    usual = Setting()
    for one in VARIATIONS:
        changed = [
            name
            for name in Setting.__dataclass_fields__
            if getattr(one.setting, name) != getattr(usual, name)
        ]
        assert len(changed) + one.in_memory == 1, one.name
        for name, value in one.setting.environment.items():
            assert FIXED_ENVIRONMENT.get(name) != value, one.name
    assert len(BY_NAME) == len(VARIATIONS)


def test_the_page_lists_every_variation() -> None:
    page = (ROOT / "docs/flaky.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert rows == [one.name for one in VARIATIONS]


def test_variations_are_chosen_by_name_in_the_order_of_the_table() -> None:
    assert chosen([]) == list(VARIATIONS)
    assert [one.name for one in chosen(["threads", "user"])] == ["user", "threads"]
    with pytest.raises(SpecificationError, match=r"'hashseed'.*hash-seed"):
        chosen(["hashseed"])


def test_no_document_of_an_analysis_can_ask_for_a_setting() -> None:
    text = str(Analysis.model_json_schema())
    for name in Setting.__dataclass_fields__:
        assert f"'{name}'" not in text


# -- settings ------------------------------------------------------------------------------------


def test_a_setting_is_stronger_than_all_other_variables() -> None:
    job = ContainerJob(IMAGE, ("true",), environment={"TZ": "mine"})
    assert environment_of(job)["HOSTNAME"] == "reprun"
    setting = Setting(environment={"TZ": "FAR-14"}, hostname="elsewhere")
    found = environment_of(ContainerJob(IMAGE, ("true",), environment={"TZ": "x"}, setting=setting))
    assert (found["TZ"], found["HOSTNAME"]) == ("FAR-14", "elsewhere")


def test_a_workspace_moves_with_all_that_lies_in_it() -> None:
    mounts = (
        Mount(Path("/w"), "/work"),
        Mount(Path("/a"), "/work/a"),
        Mount(Path("/b"), "/worker"),
    )
    job = ContainerJob(IMAGE, ("true",), mounts, ("/work/.snakemake",))
    there = moved(
        ContainerJob(IMAGE, job.argv, mounts, job.hidden, setting=Setting(workspace="/x/y"))
    )
    assert [mount.target for mount in there.mounts] == ["/x/y", "/x/y/a", "/worker"]
    assert (there.hidden, there.working_directory) == (["/x/y/.snakemake"], "/x/y")
    assert moved(job).working_directory == "/work"


def test_runc_is_started_with_what_is_inherited() -> None:
    assert started_by(Setting()) == []
    both = started_by(Setting(one_cpu=True, old_kernel=True, fixed_addresses=True))
    assert both == [
        *("taskset", "-c", str(min(os.sched_getaffinity(0)))),
        *("setarch", "-R", "--uname-2.6"),
    ]


def test_the_configuration_takes_host_umask_and_user() -> None:
    given = {
        "root": Path("/r"), "argv": ["true"], "environment": {}, "working_directory": "/",
        "mounts": [], "rootless": False,
    }  # fmt: skip
    usual = configuration(**given)  # type: ignore[arg-type]
    assert (usual["hostname"], usual["process"]["user"]["umask"]) == ("reprun", 0o022)
    other = configuration(**given, hostname="h", umask=0o077, user=1234)  # type: ignore[arg-type]
    assert other["hostname"] == "h"
    assert other["process"]["user"] == {"uid": 1234, "gid": 1234, "umask": 0o077}


def test_what_an_engine_cannot_vary_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lack(Setting(umask=0o077), "runc") is None
    assert lack(Setting(umask=0o077), "docker") == "docker sets no umask"
    assert lack(Setting(old_kernel=True), "docker") == "docker sets no version of the kernel"
    assert lack(Setting(hostname="h"), "docker") is None
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert lack(Setting(days_ahead=1), "runc") == "the clock is moved on x86_64 only"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert lack(Setting(user=1), "runc") == "only root gives files to another user"
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert lack(Setting(one_cpu=True), "docker") == "there is one CPU only"
    monkeypatch.setattr("shutil.which", lambda _: None)
    missing = "setarch (of util-linux) is not installed"
    assert lack(Setting(fixed_addresses=True), "runc") == missing


def test_directories_are_listed_otherwise_only_in_another_file_system(tmp_path: Path) -> None:
    row = BY_NAME["directory-order"]
    assert why_not(row, "runc", MEMORY) == "there is no other file system at /dev/shm"
    assert why_not(BY_NAME["umask"], "docker", tmp_path) == "docker sets no umask"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_another_user_may_write_and_what_it_made_is_taken_back(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside.txt"
    (workspace / "below").mkdir(parents=True)
    outside.write_text("of the host")
    outside.chmod(0o640)
    (workspace / "link").symlink_to(outside)
    before = outside.stat()

    def program(container: FakeContainer) -> int:
        assert container.job.setting.user == 1234
        for path in (workspace, workspace / "below"):
            assert path.stat().st_mode & 0o777 == 0o777
        (workspace / "below" / "made").write_text("x")
        (workspace / "more").mkdir()
        for path in (workspace / "below" / "made", workspace / "more"):
            os.chown(path, 1234, 1234)
        os.chown(workspace / "link", 1234, 1234, follow_symlinks=False)
        return 0

    engine = FakeEngine()
    engine.register(("make",), program)
    job = ContainerJob(IMAGE, ("make",), (Mount(workspace, "/work", read_only=False),))
    said = bytearray()
    ended = varying(engine, Setting(user=1234)).run(
        job, stdout=said.extend, stderr=said.extend, cancel=threading.Event()
    )
    assert ended.exit_code == 0, said
    assert {path.lstat().st_uid for path in workspace.rglob("*")} == {0}
    assert outside.stat() == before


def test_the_usual_setting_is_the_engine_itself() -> None:
    engine = FakeEngine()
    assert varying(engine, None) is engine


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("rest", ctypes.c_long))


@pytest.mark.skipif(platform.machine() != MACHINE, reason="the code is for x86-64")
@pytest.mark.parametrize("days", [400, -3])
def test_the_clock_of_the_library_is_days_ahead(tmp_path: Path, days: int) -> None:
    (tmp_path / "clock.so").write_bytes(library(days))
    clock = ctypes.CDLL(str(tmp_path / "clock.so"))
    clock.time.restype = ctypes.c_long
    found, null = _Time(), None

    def ahead(seconds: float, now: float) -> int:
        return round((seconds - now) / 86_400)

    assert ahead(clock.time(null), time.time()) == days
    clock.time(ctypes.byref(found))
    assert ahead(found.seconds, time.time()) == days
    assert clock.gettimeofday(ctypes.byref(found), null) == 0
    assert ahead(found.seconds, time.time()) == days
    assert clock.gettimeofday(null, null) == 0
    for which in (time.CLOCK_REALTIME, 5):
        assert clock.clock_gettime(which, ctypes.byref(found)) == 0
        assert ahead(found.seconds, time.time()) == days
    assert clock.clock_gettime(time.CLOCK_MONOTONIC, ctypes.byref(found)) == 0
    assert ahead(found.seconds, time.monotonic()) == 0
    assert clock.clock_gettime(9999, ctypes.byref(found)) == -1


def test_a_job_finds_the_library_and_no_other_does() -> None:
    seen: list[ContainerJob] = []

    def program(container: FakeContainer) -> int:
        seen.append(container.job)
        assert container.exists(container.environment["LD_PRELOAD"])
        return 0

    engine = FakeEngine()
    engine.register(("now",), program)
    said = bytearray()
    ended = varying(engine, Setting(days_ahead=2)).run(
        ContainerJob(IMAGE, ("now",)), stdout=said.extend, stderr=said.extend,
        cancel=threading.Event(),
    )  # fmt: skip
    assert ended.exit_code == 0, said
    assert not seen[0].mounts[-1].source.exists()
    assert "LD_PRELOAD" not in environment_of(ContainerJob(IMAGE, ("now",)))


# -- what is said --------------------------------------------------------------------------------


def test_each_finding_is_a_sentence() -> None:
    itself, settled, seeded = map(sentence, measured().findings)
    assert itself == (
        "m4l varies by itself (a generator without a seed, the clock, or the like), from step draw "
        "on (drawn.txt): bin 12 [120, 125) is 2, and 1 in the first run"
    )
    assert settled == (
        "order varies with the layout of memory addresses (with that held still it does not)"
    )
    assert seeded == (
        "m4l varies with the hash seed of Python, from step select on (a.csv, b.csv): bin 12 "
        "[120, 125) is 0.100000000001, and 0.1 in the first run"
    )


def test_the_last_line_names_every_cause() -> None:
    assert conclusion(builders.selection(), measured()) == (
        "demo: varies by itself, with hash-seed and with path "
        "(4 variations, 9 runs; 1 not varied here)"
    )


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_text_fits_and_has_everything(width: int) -> None:
    parts = measured_text(builders.selection(), measured())
    text = "".join(part if isinstance(part, str) else plain_text(part, width) for part in parts)
    assert max(map(len, text.splitlines())) <= width
    joined = " ".join(text.split())
    for said in (
        "✗ varies m4l, order",
        "✓ the same",
        "not varied",
        "with the path of the workspace varied, the run fails: step fill failed: exit code 1",
        "not known of m4l: no digest covers all of it",
    ):
        assert said in joined


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_list_says_what_cannot_be_varied(width: int) -> None:
    lacking: dict[str, str | None] = dict.fromkeys(BY_NAME)
    parts = list_text(VARIATIONS, {**lacking, "umask": "docker sets no umask"})
    text = "".join(part if isinstance(part, str) else plain_text(part, width) for part in parts)
    assert max(map(len, text.splitlines())) <= width
    joined = " ".join(text.split())
    assert joined.count("not varied here: docker sets no umask") == 1
    for one in VARIATIONS:
        assert one.name in joined
        assert one.name == "umask" or width < 200 or one.how in joined

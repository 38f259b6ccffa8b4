"""One step: what its container gets, what its record says, what a failure tells."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from reprun.digests import sha256_bytes
from reprun.documents.record import StepRecord
from reprun.engines.base import MIB, ContainerResult, Ending, Mount
from reprun.errors import EngineError, OutputMissingError, SpecificationError, StorageError
from reprun.files import mark
from reprun.workflow.planned import path_in_workspace
from reprun.workflow.steps import (
    BENCHMARK_HEADER,
    LAST,
    LAST_LINES,
    NO_NETWORK,
    STRICT,
    Step,
    StepRunner,
    _Tail,
    echo_to_stderr,
    failure_of,
)
from reprun.workflow.workspace import Given, Workspace
from tests.engines.fake import FakeContainer, FakeEngine
from tests.unit import builders

COMMAND = "python3 code/x.py"


@dataclass
class Bench:
    """A step runner over the fake engine, with one file that every step is given."""

    engine: FakeEngine
    workspace: Path
    logs: Path
    given: Given

    def runner(
        self, engine: FakeEngine | None = None, echo: Callable[[bytes], None] | None = None
    ) -> StepRunner:
        workspace = Workspace(self.workspace, self.given)
        return StepRunner(engine or self.engine, workspace, self.logs, echo=echo)

    def run(
        self,
        program: Callable[[FakeContainer], int] = lambda _: 0,
        *,
        echo: Callable[[bytes], None] | None = None,
        cancelled: bool = False,
        **fields: Any,
    ) -> StepRecord:
        given: dict[str, Any] = {"rule": "make", "job": 3, "command": COMMAND, "image": IMAGE}
        step = Step(**(given | fields))
        self.engine.register(("bash", "-c", STRICT + step.command + LAST), program)
        runner = self.runner(echo=echo)
        if cancelled:
            runner.cancelled.set()
        return runner.run(step)


IMAGE = builders.image()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    home = tmp_path / "run"
    (home / "inputs" / "data").mkdir(parents=True)
    (home / "inputs" / "data" / "a.csv").write_text("as given")
    (home / "workspace" / "made").mkdir(parents=True)
    (home / "workspace" / "made" / "b.csv").write_text("as made")
    given = Given(home / "inputs", {"data/a.csv": sha256_bytes(b"as given")})
    return Bench(FakeEngine(), home / "workspace", home / "logs", given)


def seen(bench: Bench, *paths: str) -> dict[str, bool]:
    """Return which paths of the workspace the last step could write, of those it has at all."""
    found = {}
    for path in paths:
        mounts = {mount.target: mount for mount in bench.engine.jobs[-1].mounts}
        target = f"/work/{path}"
        inner = max((one for one in mounts if f"{target}/".startswith(f"{one}/")), key=len)
        found[path] = not mounts[inner].read_only
    return found


def test_the_container_gets_the_whole_contract(bench: Bench) -> None:
    views: list[str] = []

    def program(container: FakeContainer) -> int:
        views.append(container.host_path("/work/made/b.csv", writing=False).read_text())
        return 0

    bench.run(
        program,
        inputs=("data/a.csv", "made/b.csv"),
        outputs=("out/h",),
        threads=2,
        memory_mb=100,
        minutes=1.5,
    )
    (job,) = bench.engine.jobs
    assert job.argv == ("bash", "-c", "set -euo pipefail\n" + COMMAND + "\n\nexit $?\n")
    assert job.image == IMAGE
    assert list(job.mounts) == [
        Mount(bench.workspace, "/work", read_only=False),
        Mount(bench.given.directory / "data/a.csv", "/work/data/a.csv"),
        Mount(bench.workspace.parent / f".view-{mark()}.0" / "0", "/work/made/b.csv"),
    ]
    assert views == ["as made"]
    assert not (bench.workspace.parent / ".view-0").exists()
    assert job.hidden == ("/work/.snakemake",)
    assert job.working_directory == "/work"
    assert (job.limits.cpus, job.limits.memory_bytes, job.limits.seconds) == (2.0, 100 * MIB, 90.0)


def test_no_time_limit_unless_asked_for(bench: Bench) -> None:
    bench.run()
    assert bench.engine.jobs[0].limits.seconds is None


@pytest.mark.parametrize("inputs", [(), ("data/a.csv",), ("data",)])
def test_what_is_given_cannot_be_written_declared_or_not(
    bench: Bench, inputs: tuple[str, ...]
) -> None:
    def program(container: FakeContainer) -> int:
        container.write("/work/data/a.csv", "spoiled")
        return 0

    assert not bench.run(program, inputs=inputs).succeeded
    assert (bench.given.directory / "data" / "a.csv").read_text() == "as given"


@pytest.mark.parametrize("inputs", [("made/b.csv",), ("made",)])
def test_an_input_that_a_step_made_cannot_be_written(bench: Bench, inputs: tuple[str, ...]) -> None:
    def program(container: FakeContainer) -> int:
        container.write("/work/made/b.csv", "spoiled")
        return 0

    assert not bench.run(program, inputs=inputs).succeeded
    assert (bench.workspace / "made" / "b.csv").read_text() == "as made"


def test_snakemakes_own_directory_is_not_seen(bench: Bench) -> None:
    (bench.workspace / ".snakemake").mkdir()
    (bench.workspace / ".snakemake" / "metadata").touch()
    seen: list[bool] = []

    def program(container: FakeContainer) -> int:
        seen.append(container.exists("/work/.snakemake/metadata"))
        return 0

    bench.run(program)
    assert seen == [False]


def test_an_input_that_links_out_of_the_workspace_is_refused(bench: Bench, tmp_path: Path) -> None:
    """An earlier step could have written it, to read any file of the host through it."""
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    (bench.workspace / "made" / "link.csv").symlink_to(secret)
    with pytest.raises(
        OutputMissingError, match=r"made/link\.csv is a symbolic link to /.*/secret, not"
    ):
        bench.run(inputs=("made/link.csv",))
    (bench.workspace / "linked").symlink_to(tmp_path)
    with pytest.raises(
        OutputMissingError, match=r"linked is a symbolic link to /.*, not a directory"
    ):
        bench.run(inputs=("linked/secret",))
    assert bench.engine.jobs == []


def test_outputs_that_are_missing_or_lead_out(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (bench.workspace / "link").symlink_to(tmp_path / "elsewhere")
    (bench.workspace / "inner").symlink_to("made/b.csv")
    workspace = Workspace(bench.workspace, bench.given)
    workspace.require(["made", "made/b.csv"], ["made"])
    with pytest.raises(OutputMissingError, match="made is a directory, not a regular file"):
        workspace.require(["made"])
    with pytest.raises(OutputMissingError, match=r"made/b.csv is a file, not a directory"):
        workspace.require(["made/b.csv"], ["made/b.csv"])
    with pytest.raises(OutputMissingError, match="it left no gone, made/c"):
        workspace.require(["made/b.csv", "gone", "made/c"])
    for link, target in (("link", tmp_path / "elsewhere"), ("inner", "made/b.csv")):
        words = f"{link} is a symbolic link to {target}, not a "
        with pytest.raises(OutputMissingError, match=f"{words}regular file"):
            workspace.require([link])
        with pytest.raises(OutputMissingError, match=f"{words}directory"):
            workspace.require([link], [link])


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("a\x1b[2Jb\nc\u202ed", r"a\x1b[2Jb\nc\u202ed"),
        (os.fsdecode(b"a\xff"), r"a\udcff"),
        ("a/" * 1000, f"{'a/' * 99}a…"),
    ],
)
def test_where_a_link_leads_is_shown_as_harmless_text(
    bench: Bench, target: str, shown: str
) -> None:
    (bench.workspace / "link").symlink_to(target)
    with pytest.raises(OutputMissingError) as error:
        Workspace(bench.workspace, bench.given).require(["link"])
    assert error.value.message == f"link is a symbolic link to {shown}, not a regular file"


@pytest.mark.parametrize("outputs", [("made/c.csv",), ("made/deep/c.csv",), ("made",)])
def test_a_directory_that_holds_an_output_stays_writable(
    bench: Bench, outputs: tuple[str, ...]
) -> None:
    bench.run(inputs=("made",), outputs=outputs)
    assert seen(bench, "made", "data/a.csv") == {"made": True, "data/a.csv": False}


def test_a_directory_that_holds_a_log_stays_writable(bench: Bench) -> None:
    bench.run(inputs=("made",), logs=("made/log",))
    assert seen(bench, "made", "data/a.csv") == {"made": True, "data/a.csv": False}


def test_a_directory_that_holds_neither_is_read_only(bench: Bench) -> None:
    bench.run(inputs=("made",), outputs=("out",), logs=("log",))
    assert seen(bench, "made", "out") == {"made": False, "out": True}


def test_an_input_named_twice_is_mounted_once(bench: Bench) -> None:
    bench.run(inputs=("data/a.csv", "data/a.csv", "made/b.csv", "made/b.csv"))
    assert len(bench.engine.jobs[0].mounts) == 3


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "data/../../a", ".."])
@pytest.mark.parametrize("field", ["inputs", "outputs", "logs"])
def test_a_path_out_of_the_workspace_is_refused(bench: Bench, field: str, path: str) -> None:
    fields: dict[str, Any] = {field: (path,)}
    with pytest.raises(SpecificationError, match="rule make: '"):
        bench.run(**fields)
    assert bench.engine.jobs == []


@pytest.mark.parametrize("path", ["../a", "/a"])
def test_a_benchmark_out_of_the_workspace_is_refused_before_anything_runs(
    bench: Bench, path: str
) -> None:
    with pytest.raises(SpecificationError, match="leads out of the workspace"):
        bench.run(benchmark=path)
    assert bench.engine.jobs == []


@drawn(st.text(alphabet="a./", min_size=1, max_size=12))
def test_what_is_accepted_stays_inside(path: str) -> None:
    root = Path("/w/s")
    try:
        pure = path_in_workspace(path, "r")
    except SpecificationError:
        return
    assert (root / pure).is_relative_to(root)
    assert ".." not in pure.parts


# -- the record -------------------------------------------------------------------------------


def test_the_record_tells_what_ran(bench: Bench) -> None:
    record = bench.run(
        inputs=("data/a.csv", "made/b.csv", "made"),
        outputs=("h",),
        wildcards={"year": "2012"},
        threads=2,
        memory_mb=7,
    )
    assert record.succeeded
    assert (record.rule, record.job, record.command) == ("make", 3, COMMAND)
    assert (record.image, record.engine) == (IMAGE.reference, "fake")
    assert record.inputs == {
        "data/a.csv": sha256_bytes(b"as given"),
        "made/b.csv": sha256_bytes(b"as made"),
        "made": None,
    }
    assert record.outputs == {"h": None}  # whoever checks that they are there has their digests
    assert record.wildcards == {"year": "2012"}
    assert (record.cpus, record.memory_limit_bytes) == (2.0, 7 * MIB)
    assert record.peak_memory_bytes == 1 << 20
    assert record.log == str(bench.logs / "make-3.log")
    assert record.last_lines == ()


def test_both_streams_go_to_the_log_and_to_the_echo(bench: Bench) -> None:
    heard: list[bytes] = []

    def program(container: FakeContainer) -> int:
        container.stdout(b"said\n")
        container.stderr(b"warned\n")
        return 0

    record = bench.run(program, echo=heard.append)
    assert Path(record.log).read_bytes() == b"said\nwarned\n"
    assert heard == [b"said\n", b"warned\n"]


def test_a_failure_keeps_the_last_lines(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        for number in range(100):
            container.stdout(f"line {number}\n".encode())
        container.stderr(b"no newline at the end \xff")
        return 3

    record = bench.run(program)
    assert (record.ending, record.exit_code) == ("exited", 3)
    assert len(record.last_lines) == LAST_LINES
    assert record.last_lines[-2:] == ("line 99", "no newline at the end \N{REPLACEMENT CHARACTER}")


def test_a_silent_failure_shows_its_declared_log(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        container.write("/work/make.log", "reading\nfailed: bad header\n")
        return 1

    record = bench.run(program, logs=("none.log", "make.log"))
    assert record.last_lines == ("reading", "failed: bad header")


def test_a_silent_failure_without_a_log_has_no_lines(bench: Bench) -> None:
    assert bench.run(lambda _: 1, logs=("none.log",)).last_lines == ()


def test_a_declared_log_that_links_elsewhere_is_not_read(bench: Bench, tmp_path: Path) -> None:
    """The job may write any link into its workspace; it must not be followed on the host."""
    (tmp_path / "secret").write_text("of the host\n")
    (bench.workspace / "make.log").symlink_to(tmp_path / "secret")
    assert bench.run(lambda _: 1, logs=("make.log",)).last_lines == ()


def test_an_engine_that_fails_is_an_error(bench: Bench) -> None:
    step = Step(rule="make", job=1, command="unregistered", image=IMAGE)
    with pytest.raises(EngineError):
        bench.runner().run(step)


def test_logs_that_cannot_be_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StorageError, match="the disk is full"):
        bench.run()


def test_label_names_the_wildcards() -> None:
    step = Step("make", 1, "", IMAGE, wildcards={"year": "2012", "channel": "4mu"})
    assert step.label == "make (year=2012, channel=4mu)"
    assert Step("make", 1, "", IMAGE).label == "make"


# -- benchmark table --------------------------------------------------------------------------


class Measured(FakeEngine):
    """An engine whose figures are given."""

    results: list[ContainerResult]

    def run(self, *_: Any, **__: Any) -> ContainerResult:
        return self.results.pop(0)


def measured(bench: Bench, *results: ContainerResult, **fields: Any) -> StepRecord:
    engine = Measured()
    engine.results = list(results)
    step = Step("make", 1, COMMAND, IMAGE, benchmark="bench/make.tsv", **fields)
    return bench.runner(engine).run(step)


def table(bench: Bench) -> list[list[str]]:
    lines = (bench.workspace / "bench" / "make.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines]


def test_benchmark_table_is_snakemakes(bench: Bench) -> None:
    results = (
        ContainerResult(Ending.EXITED, 0, 3661.5, 1830.75, 100 * MIB),
        ContainerResult(Ending.EXITED, 0, 2.0, None, None),
    )
    measured(bench, *results, repetitions=2)
    heading, first, second = table(bench)
    assert "\t".join(heading) == BENCHMARK_HEADER
    row = dict(zip(heading, first, strict=True))
    assert (row["s"], row["h:m:s"], row["max_rss"]) == ("3661.5000", "1:01:01", "100.00")
    assert (row["mean_load"], row["cpu_time"]) == ("50.00", "1830.75")
    assert second == ["2.0000", "0:00:02", *["-"] * 8]


def test_a_benchmark_of_no_time_at_all(bench: Bench) -> None:
    measured(bench, ContainerResult(Ending.EXITED, 0, 0.0, 0.0, 1))
    assert table(bench)[1][-2] == "-"


def test_repetitions_end_at_the_first_failure(bench: Bench) -> None:
    good = ContainerResult(Ending.EXITED, 0, 1.0, None, None)
    bad = ContainerResult(Ending.EXITED, 1, 1.0, None, None)
    assert not measured(bench, good, bad, good, repetitions=3).succeeded
    assert not (bench.workspace / "bench").exists()


def test_a_benchmark_does_not_write_through_a_link(bench: Bench, tmp_path: Path) -> None:
    target = tmp_path / "of-the-host"
    target.write_text("untouched")
    (bench.workspace / "bench").mkdir()
    (bench.workspace / "bench" / "make.tsv").symlink_to(target)
    measured(bench, ContainerResult(Ending.EXITED, 0, 1.0, None, None))
    assert target.read_text() == "untouched"


def test_a_benchmark_does_not_write_below_a_link(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bench.workspace / "bench").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        OutputMissingError, match=r"bench is a symbolic link to /.*/elsewhere, not a directory"
    ):
        measured(bench, ContainerResult(Ending.EXITED, 0, 1.0, None, None))
    assert list((tmp_path / "elsewhere").iterdir()) == []


# -- how it ended, in a sentence ----------------------------------------------------------------


def test_out_of_memory(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        container.allocate(101 * MIB)
        return 0

    error = failure_of(bench.run(program, memory_mb=100))
    assert error.message == "step make failed: it needed more than its limit of 100 MB of memory"
    assert error.hint == "resources: mem_mb=200   # in rule make of the Snakefile"
    assert error.place == str(bench.logs / "make-3.log")


def test_out_of_time(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        container.sleep(60)
        return 0

    error = failure_of(bench.run(program, minutes=0.001))
    assert error.message == "step make failed: it ran longer than its limit (0 s)"
    assert error.hint == "resources: runtime=MINUTES   # in rule make of the Snakefile"


def test_cancelled(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        container.sleep(60)
        return 0

    error = failure_of(bench.run(program, cancelled=True))
    assert error.message == "step make failed: it was stopped"


def test_exit_code_and_last_lines(bench: Bench) -> None:
    def program(container: FakeContainer) -> int:
        container.stderr(b"Traceback\nValueError: bad\n")
        return 2

    error = failure_of(bench.run(program))
    assert error.message == "step make failed: exit code 2\n    Traceback\n    ValueError: bad"
    assert error.hint == f"less {bench.logs / 'make-3.log'}"
    assert error.exit_code == 4


@pytest.mark.parametrize(
    "said",
    [
        "curl: (6) Could not resolve host: opendata.cern.ch",
        "Error in <TUnixSystem::GetHostByName>: getaddrinfo failed for 'x'",
        "curl: Temporary failure in name resolution",
        "socket.gaierror: [Errno -2] Name or service not known",
    ],
)
def test_a_step_that_looks_for_the_network_is_told_that_there_is_none(
    bench: Bench, said: str
) -> None:
    def program(container: FakeContainer) -> int:
        container.stderr(f"{said}\n".encode())
        return 1

    assert failure_of(bench.run(program)).message == (
        f"step make failed: exit code 1\n    {said}\n    {NO_NETWORK}"
    )


@drawn(st.lists(st.text(alphabet="ab\n ", max_size=9), max_size=30))
def test_the_tail_does_not_depend_on_how_the_output_is_cut(parts: list[str]) -> None:
    text = "".join(parts)
    pieces, whole = _Tail(), _Tail()
    for part in parts:
        pieces.take(part.encode())
    whole.take(text.encode())
    assert pieces.lines == whole.lines
    assert (
        pieces.lines
        == [line for line in text.split("\n")[-LAST_LINES - 1 :] if line.strip()][-LAST_LINES:]
    )


def test_two_steps_at_once_keep_their_logs_apart(bench: Bench) -> None:
    barrier = threading.Barrier(2, timeout=30)

    def program(word: bytes) -> Callable[[FakeContainer], int]:
        def run(container: FakeContainer) -> int:
            barrier.wait()
            container.stdout(word)
            return 0

        return run

    threads = [
        threading.Thread(
            target=bench.run, args=(program(word.encode()),), kwargs={"rule": word, "command": word}
        )
        for word in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for word in ("one", "two"):
        assert (bench.logs / f"{word}-3.log").read_text() == word


def test_echo_is_standard_error(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    echo_to_stderr(b"raw \xff\n")
    assert capfdbinary.readouterr() == (b"", b"raw \xff\n")


def test_copies_of_what_is_given_lie_where_steps_left_something_else(bench: Bench) -> None:
    (bench.workspace / "data").symlink_to(bench.logs.parent)
    staged = bench.given.directory / "data/a.csv"
    workspace = Workspace(bench.workspace, bench.given)
    with workspace.copies():
        copy = bench.workspace / "data/a.csv"
        assert copy.read_text() == "as given"
        assert not (bench.workspace / "data").is_symlink()
        assert copy.stat().st_mtime_ns == staged.stat().st_mtime_ns
        assert not copy.samefile(staged)
        copy.unlink()
        (bench.workspace / "data").rmdir()
        (bench.workspace / "data").symlink_to(staged.parent)
    assert (bench.workspace / "data/a.csv").read_bytes() == b""
    assert staged.read_text() == "as given"

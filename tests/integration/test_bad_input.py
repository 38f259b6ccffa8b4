"""What goes wrong, and what the user is told: sentence, place, next command, exit code."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reprun.images.model import Image
from reprun.images.rootfs.sealed import FULL_EVERY, SAMPLE_BYTES, SAMPLE_FILES
from reprun.store.store import Store
from tests.integration.shell import ROOT, Shell
from tests.projects import mark_project

PATIENCE_SECONDS = 60

ANALYSIS = """
schema_version: 1
name: tiny
title: A table and a histogram
experiment: none
dphep_level: "1"
code: [make.py]
variants:
  columnar: {image: columnar}
outputs:
  histograms: [out/h.json]
  tables: [out/yields.csv]
compare:
  - {match: "*", kind: count}
"""

SNAKEFILE = """
rule make:
    input: "make.py"
    output: "out/h.json", "out/yields.csv"
    container: config["image"]
    resources: mem_mb=500
    shell: "python3 make.py {output}"
"""

MAKE = """
import json, sys
axis = {"type": "regular", "lower": 0, "upper": 3, "bins": 3,
        "underflow": True, "overflow": True, "circular": False}
storage = {"type": "double", "values": [0, 1, 2, 3, 0]}
h = {"uhi_schema": 1, "axes": [axis], "storage": storage}
open(sys.argv[1], "w").write(json.dumps({"h": h}))
open(sys.argv[2], "w").write("cut,events\\nall,6\\n")
"""


@pytest.fixture
def tiny(tmp_path: Path, store: Store, columnar: Image) -> Shell:
    """A project with one small analysis."""
    assert columnar.layers
    return project_in(tmp_path, store)


@pytest.fixture(scope="module")
def blessed_once(tmp_path_factory: pytest.TempPathFactory, store: Store, columnar: Image) -> Path:
    """A directory with the same, locked, run and blessed: the tests change copies of it."""
    assert columnar.layers
    shell = project_in(tmp_path_factory.mktemp("blessed"), store)
    shell.reprun("lock", "tiny")
    shell.reprun("run", "tiny", code=5)  # no reference yet
    shell.reprun("bless", "tiny", "--reason", "counted by hand", "--author", "the tests")
    shell.reprun("run", "tiny")
    return shell.directory


@pytest.fixture
def blessed(blessed_once: Path, tmp_path: Path, store: Store) -> Shell:
    """The same, of the test's own."""
    shutil.copytree(blessed_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    return shell_in(tmp_path, store)


def project_in(home: Path, store: Store) -> Shell:
    project = mark_project(home / "project")
    shell = shell_in(home, store)
    (project / ".git").mkdir()
    (project / "examples" / "tiny").mkdir(parents=True)
    (project / "images").symlink_to(ROOT / "images")
    shell.write("project/examples/tiny/analysis.yaml", ANALYSIS)
    shell.write("project/examples/tiny/Snakefile", SNAKEFILE)
    shell.write("project/examples/tiny/make.py", MAKE)
    return shell


def shell_in(home: Path, store: Store) -> Shell:
    return Shell(home, store, {"REPRUN_PROJECT": str(home / "project")})


def directory(shell: Shell) -> Path:
    return shell.directory / "project" / "examples" / "tiny"


def change(shell: Shell, name: str, old: str, new: str) -> None:
    path = directory(shell) / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def in_order(error: str, *parts: str) -> None:
    """Check that an error says these things, in this order, and what to type next."""
    position = 0
    assert "\n  try: " in error
    for part in parts:
        found = error.find(part, position)
        assert found >= 0, f"{part!r} is not in {error!r}"
        position = found


def test_a_new_analysis_is_led_to_its_reference(tiny: Shell) -> None:
    in_order(tiny.reprun("run", "tiny", code=2).stderr, "has no analysis.lock", "reprun lock tiny")
    tiny.reprun("lock", "tiny")
    first = tiny.reprun("run", "tiny", code=5).stdout
    in_order(
        f"{first}\n  try: ", "bins, integral", "? no reference: 2 objects", "reprun bless tiny"
    )
    in_order(tiny.reprun("bless", "tiny", "--reason", " ", code=2).stderr, "needs a reason")
    tiny.reprun("bless", "tiny", "--reason", "counted by hand", "--author", "the tests")
    assert "reproduced: 2 objects, all identical" in tiny.reprun("run", "tiny").stdout


def test_unknown_analysis(tiny: Shell) -> None:
    in_order(tiny.reprun("run", "tyni", code=2).stderr, "no analysis 'tyni'", "mean 'tiny'")


def test_unknown_variant_and_parameter(tiny: Shell) -> None:
    in_order(tiny.reprun("run", "tiny", "--variant", "column", code=2).stderr, "mean 'columnar'")
    in_order(tiny.reprun("run", "tiny", "-p", "x", code=2).stderr, "NAME=VALUE")
    assert tiny.reprun("run", "tiny", "--engine", "lxc", code=2).stderr


def test_malformed_analysis_names_line_and_field(tiny: Shell) -> None:
    change(tiny, "analysis.yaml", "kind: count", "kind: cuont")
    error = tiny.reprun("run", "tiny", code=2).stderr
    assert "compare.0.kind" in error
    assert "analysis.yaml:13" in error


def test_the_record_says_what_was_verified_of_the_image_and_seals_the_report(
    blessed: Shell,
) -> None:
    home = blessed.directory / "results/tiny/columnar"
    record = json.loads((home / "record.json").read_text())
    verified = record["verified"]["columnar"]
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(verified["full"])
    assert dt.timedelta() < age < FULL_EVERY
    assert 0 < verified["sampled_files"] <= SAMPLE_FILES
    assert 0 < verified["sampled_bytes"] <= SAMPLE_BYTES
    report = home / "report.json"
    text = report.read_text()
    report.write_text(text.replace('"status":"reproduced"', '"status":"not reproduced"'))
    assert "report.json was changed after the run" in blessed.reprun("list").stdout
    again = ("bless", "tiny", "--reason", "x", "--author", "y")
    in_order(blessed.reprun(*again, code=2).stderr, "report.json was changed", "reprun run tiny")
    done = blessed.reprun("run", "tiny")
    assert "note: report.json was changed after the run; comparing again" in done.stderr
    assert report.read_text().count('"status":"reproduced"') == 1
    blessed.reprun(*again)


def test_missing_output(blessed: Shell) -> None:
    change(blessed, "make.py", 'open(sys.argv[2], "w")', 'open("/dev/null", "w")')
    done = blessed.reprun("run", "tiny", "--update-lock", code=4)
    in_order(done.stderr, "step make ended well, but it left no out/yields.csv")
    record = json.loads((blessed.directory / "results/tiny/columnar/record.json").read_text())
    assert record["status"] == "failed"


def test_a_declared_output_that_no_rule_makes(blessed: Shell) -> None:
    change(blessed, "analysis.yaml", "[out/yields.csv]", "[out/yields.csv, out/more.csv]")
    in_order(blessed.reprun("run", "tiny", "--update-lock", code=2).stderr, "out/more.csv")


def test_a_failing_step_shows_its_last_lines(blessed: Shell) -> None:
    change(blessed, "make.py", "import json, sys", "import json, sys\nprint('so far')\n1 / 0\n")
    error = blessed.reprun("run", "tiny", "--update-lock", code=4).stderr
    in_order(error, "step make failed: exit code 1", "so far", "ZeroDivisionError", "logs/make-")
    record = json.loads((blessed.directory / "results/tiny/columnar/record.json").read_text())
    assert record["status"] == "failed"
    assert record["steps"][0]["exit_code"] == 1
    change(blessed, "make.py", "1 / 0\n", "")
    assert "reproduced" in blessed.reprun("run", "tiny", "--update-lock").stdout


def test_too_little_memory_names_the_limit(blessed: Shell) -> None:
    change(blessed, "make.py", "import json, sys", "import json, sys\nx = bytearray(10**9)\n")
    error = blessed.reprun("run", "tiny", "--update-lock", code=4).stderr
    in_order(error, "limit of 500 MB", "mem_mb=1000")


def test_unreadable_root_file(blessed: Shell) -> None:
    change(blessed, "analysis.yaml", "out/h.json", "out/h.root")
    change(blessed, "Snakefile", "out/h.json", "out/h.root")
    error = blessed.reprun("run", "tiny", "--update-lock", code=4).stderr
    assert "h.root" in error
    assert "ROOT" in error


def test_no_histogram_at_all(blessed: Shell) -> None:
    change(blessed, "analysis.yaml", "  tables: [out/yields.csv]\n", "")
    change(blessed, "make.py", '{"h": h}', "{}")
    error = blessed.reprun("run", "tiny", "--update-lock", code=5).stderr
    assert "no histogram" in error


def test_a_reference_that_lacks_a_histogram(blessed: Shell) -> None:
    path = directory(blessed) / "reference" / "histograms.json"
    path.write_text("{}")
    done = blessed.reprun("run", "tiny", "--update-lock", code=1)
    assert "extra" in done.stdout
    assert "histograms.json was edited after it was blessed" in done.stdout


def test_a_histogram_of_another_name(blessed: Shell) -> None:
    change(blessed, "make.py", '{"h": h}', '{"other": h}')
    done = blessed.reprun("run", "tiny", "--update-lock", code=1)
    assert "renamed: h → other, identical" in done.stdout
    assert "code: make.py changed" in done.stdout


def test_missing_reference(blessed: Shell) -> None:
    for path in (directory(blessed) / "reference").iterdir():
        path.unlink()
    in_order(blessed.reprun("run", "tiny", code=4).stderr, "reference", "git checkout")


def test_no_engine_at_all(blessed: Shell, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    change(blessed, "make.py", "import json, sys", "import json, sys  # changed")
    # runc is found on PATH or in the system's own directories: hide it there by its name.
    fake = blessed.write("bin/runc", "#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    error = blessed.reprun(
        *("run", "tiny", "--update-lock"),
        code=3,
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        DOCKER_HOST=f"unix://{tmp_path}/none.sock",
    ).stderr
    in_order(error, "no container engine can be used", "runc:", "docker:")


def test_a_snakefile_that_is_none(blessed: Shell) -> None:
    change(blessed, "Snakefile", "rule make:", "rule make")
    error = blessed.reprun("run", "tiny", "--update-lock", code=2).stderr
    in_order(error, "refuses Snakefile, line 1: Expected name or colon after rule", "Snakefile:1")


def test_a_rule_that_would_run_on_the_host(blessed: Shell) -> None:
    change(blessed, "Snakefile", '    container: config["image"]\n', "")
    error = blessed.reprun("run", "tiny", "--update-lock", code=2).stderr
    assert "rule make has no `container:`" in error


def test_full_disk(blessed: Shell, tmp_path: Path) -> None:
    """The results lie on a file system of 600 kB; the tests run as root, who may mount one."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(small)]
    subprocess.run(mount, check=True)
    try:
        blessed.reprun("run", "tiny", "--results", str(small / "results"))
        filler = small / "fill"
        filled = subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], check=False)
        assert filled.returncode != 0
        (small / "results/tiny/columnar/report.json").unlink(missing_ok=True)
        done = blessed.reprun("run", "tiny", "--results", str(small / "results"), code=3)
        in_order(done.stderr, "the disk is full", "df -h")
        assert not list((small / "results").rglob(".report*"))
        filler.unlink()
        done = blessed.reprun("run", "tiny", "--results", str(small / "results"))
        assert "reproduced" in done.stdout
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_runs_at_once_do_not_mix(blessed: Shell) -> None:
    change(blessed, "make.py", "import json, sys", SLOW)
    process = start(blessed, "run", "tiny", "--update-lock")
    try:
        wait_for(blessed, process)
        done = blessed.reprun("run", "tiny", "--update-lock", code=3)
        in_order(done.stderr, "another reprun is running")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 130


SLOW = """
import json, sys, time
open("out/h.json", "w").write("half")
open("started", "w").close()
time.sleep(600)
"""


def start(shell: Shell, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "reprun", *arguments],
        cwd=shell.directory,
        env=shell.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for(shell: Shell, process: subprocess.Popen[bytes]) -> None:
    started = shell.directory / "results/tiny/columnar/workspace/started"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not started.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def nothing_left(shell: Shell) -> None:
    assert list((shell.store.root / "runc" / "state").iterdir()) == []
    assert list((shell.store.root / "runc" / "bundles").iterdir()) == []
    assert not (shell.directory / "results/tiny/columnar/workspace/out/h.json").exists()


def test_an_interrupt_in_the_background_works_too(blessed: Shell) -> None:
    """A shell makes commands in the background ignore SIGINT, and all that they start."""
    change(blessed, "make.py", "import json, sys", SLOW)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start(blessed, "run", "tiny", "--update-lock")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(blessed, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 130
    nothing_left(blessed)
    record = json.loads((blessed.directory / "results/tiny/columnar/record.json").read_text())
    assert record["status"] == "interrupted"
    assert record["steps"][-1]["ending"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_and_goes_on(
    blessed: Shell, number: signal.Signals
) -> None:
    change(blessed, "make.py", "import json, sys", SLOW)
    process = start(blessed, "run", "tiny", "--update-lock")
    wait_for(blessed, process)
    process.send_signal(number)
    assert process.wait(PATIENCE_SECONDS) == 130
    nothing_left(blessed)
    record = json.loads((blessed.directory / "results/tiny/columnar/record.json").read_text())
    assert record["status"] == "interrupted"
    change(blessed, "make.py", "time.sleep(600)", "")
    assert "reproduced" in blessed.reprun("run", "tiny", "--update-lock").stdout


def test_a_killed_run_is_cleaned_up(blessed: Shell) -> None:
    """What a killed run left is ended by the next one, before it takes the directory."""
    change(blessed, "make.py", "import json, sys", SLOW)
    process = start(blessed, "run", "tiny", "--update-lock")
    wait_for(blessed, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    change(blessed, "make.py", "time.sleep(600)", "")
    assert "reproduced" in blessed.reprun("run", "tiny", "--update-lock").stdout
    assert list((blessed.store.root / "runc" / "bundles").iterdir()) == []


def test_compare_of_two_files(blessed: Shell) -> None:
    out = "results/tiny/columnar/outputs/out/h.json"
    reference = directory(blessed) / "reference" / "histograms.json"
    done = blessed.reprun("compare", out, str(reference), "--html", "page.html")
    assert "the files agree: 1 object, identical" in done.stdout
    assert "<html" in (blessed.directory / "page.html").read_text()
    text = reference.read_text().replace(" 2,", " 7,")
    blessed.write("changed.json", text)
    done = blessed.reprun("compare", out, "changed.json", code=1)
    assert "the files differ" in done.stdout
    blessed.write("empty.json", "{}")
    blessed.reprun("compare", out, "empty.json", code=5)
    assert "no.json" in blessed.reprun("compare", out, "no.json", code=4).stderr


def test_a_failed_run_takes_the_old_verdict_back(blessed: Shell) -> None:
    change(blessed, "make.py", "import json, sys", "import json, os, sys\nos.kill(os.getpid(), 9)")
    error = blessed.reprun("run", "tiny", "--update-lock", code=4).stderr
    in_order(error, "killed by SIGKILL")
    rows = json.loads(blessed.reprun("list", "--format", "json").stdout)["analyses"]
    assert rows[0]["verdict"] == "failed (columnar)"
    directory = blessed.directory / "results/tiny/columnar"
    assert not (directory / "report.json").exists()
    assert "no verdict: " in (directory / "report.html").read_text("utf-8")
    # The lock is written only once the change has proved to run.
    in_order(blessed.reprun("run", "tiny", code=6).stderr, "make.py changed")


def test_not_a_number_is_never_blessed(blessed: Shell) -> None:
    change(blessed, "make.py", "[0, 1, 2, 3, 0]", '[0, 1, float("nan"), 3, 0]')
    blessed.reprun("run", "tiny", "--update-lock", code=1)
    error = blessed.reprun("bless", "tiny", "--reason", "why not", code=2).stderr
    in_order(error, "h contains NaN or infinity")


def test_name_and_directory_are_one(blessed: Shell) -> None:
    change(blessed, "analysis.yaml", "name: tiny", "name: tyni")
    in_order(blessed.reprun("run", "tiny", code=2).stderr, "called 'tyni'", "name: tiny")


def test_an_unknown_parameter_is_refused(blessed: Shell) -> None:
    for parameter in ("cut=1", "image=columnar", "dataset=x"):
        error = blessed.reprun("run", "tiny", "-p", parameter, code=2).stderr
        in_order(error, f"no parameter '{parameter.partition('=')[0]}'")


@pytest.mark.parametrize("place", ["/proc/nowhere", "project/examples/tiny/make.py"])
def test_results_and_store_in_impossible_places(blessed: Shell, place: str) -> None:
    in_order(blessed.reprun("run", "tiny", "--results", place, code=3).stderr, "cannot")
    in_order(blessed.reprun("doctor", code=3, REPRUN_STORE=place).stderr, "cannot")


def test_output_that_cannot_show_every_character(blessed: Shell) -> None:
    done = blessed.reprun("run", "tiny", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "\n+ reproduced" in done.stdout or done.stdout.startswith("+ reproduced")
    done = blessed("bash", "-c", f"{sys.executable} -m reprun run tiny >&-", code=3)
    assert "standard output is closed" in done.stderr


def test_list_show_doctor(blessed: Shell) -> None:
    rows = json.loads(blessed.reprun("list", "--format", "json").stdout)["analyses"]
    assert rows[0]["name"] == "tiny"
    assert rows[0]["verdict"] == "reproduced (columnar)"
    assert "A table and a histogram" in blessed.reprun("show", "tiny").stdout
    assert "✓ runc" in blessed.reprun("doctor").stdout
    said = blessed.reprun("doctor", "--image", "columnar").stdout
    assert "image columnar:" in said
    assert "✓ architecture amd64" in said
    said = blessed.reprun("doctor", "--image", "cmssw-5.3.32", code=3).stdout
    assert "no digest is known for it yet" in said

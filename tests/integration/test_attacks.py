"""A stranger's analysis attacks the host: what runs, reads, changes and deletes there is nothing.

Each attack is a Snakefile of a few lines. A directory of the host stands for all that is the
user's: after the attack it holds what it held, nothing of it is in the run directory, and the
verdict is no false green.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.attack_variations import (
    ENDING,
    ENDS,
    ENDS_OF_HONEST_RUNS,
    FILES,
    INSTEAD,
    LINKED,
    LINKS,
    MESSAGES,
    MODULES,
    PROFILES,
    STEP_ENDS,
    TALK,
    THIEF,
    WRITES,
    leaving,
    writing,
)
from tests.integration.host import ENGINES, HONEST, Attack, Host, cell_of

each_engine = pytest.mark.parametrize(
    "host",
    [
        pytest.param(name, marks=[pytest.mark.docker] if name == "docker" else [])
        for name in ENGINES
    ],
    indirect=True,
)
each_sandbox = pytest.mark.parametrize("host", ["runc", "rootless"], indirect=True)

FAIL_ONCE = "test -e again || { touch again; exit 1; }\n"


@pytest.mark.parametrize(
    "kind", [MODULES, FILES, PROFILES, LINKS, INSTEAD, WRITES, MESSAGES, ENDS, STEP_ENDS]
)
def test_every_kind_of_attack_has_twenty_variations(kind: Collection[str]) -> None:
    assert len(kind) >= 20


@each_engine
def test_what_is_left_in_the_workspace_runs_nowhere_and_excuses_nothing(host: Host) -> None:
    host.analysis_is(leaving() + FAIL_ONCE)
    host.run(code=4)
    host.is_whole()
    said = host.run()
    host.is_whole()
    # What lies there may keep Snakemake from planning; it never makes a verdict.
    assert "✓ reproduced" not in said or ran(host) == ["first", "make"]
    for command in ("plan", "lint", "show", "cite", "bless"):
        reason = ("--reason", "x", "--author", "y") if command == "bless" else ()
        host.reprun(command, "tiny", *reason)
        host.is_whole()
    host.analysis_is()
    assert "✓ reproduced" in host.run("--again", code=0)


ENDING_WELL = ("snakemake", "graphlib")
LEAVE_MODULE = """
cat > NAME.py <<'END'
open('OUTSIDE/owned', 'w')
raise SystemExit(0)
END
"""


@each_engine
def test_a_profile_or_module_left_in_the_workspace_changes_nothing(host: Host) -> None:
    attacks = {
        f"profile {name}": Attack(writing(*profile) + "\n" + FAIL_ONCE)
        for name, profile in PROFILES.items()
    }
    attacks |= {
        f"module {name}": Attack(LEAVE_MODULE.replace("NAME", name) + FAIL_ONCE)
        for name in ENDING_WELL
    }
    attacks = host.meets(attacks)
    host.analyses_are(attacks)
    first = host.matrix(attacks)
    assert {name: cell["exit_code"] for name, cell in first.items()} == dict.fromkeys(attacks, 4)
    second = host.matrix(attacks)
    host.is_whole()
    # A module may keep Snakemake from planning in its sandbox; it never makes a verdict.
    done = [name for name, cell in second.items() if cell["state"] == "reproduced"]
    assert [name for name in attacks if name.startswith("profile") and name not in done] == []
    assert [name for name in done if host.ran(name) != ["first", "make"]] == []


def ran(host: Host) -> list[str]:
    return [step.rule for step in host.record.steps if step.succeeded]


@pytest.mark.parametrize("text", ["dry-run: true", "touch: true", "executor: dryrun"])
def test_a_profile_of_the_user_changes_nothing(host: Host, text: str) -> None:
    profile = host.shell.write("profile/config.yaml", text).parent
    assert "✓ reproduced" in host.run("--again", code=0, SNAKEMAKE_PROFILE=str(profile))
    assert len(host.record.steps) == 2


PARSED = """
import glob, os, subprocess, socket
def attack_writes(): open("OUTSIDE/owned", "w").write("x")
def attack_reads(): print(open("OUTSIDE/precious.txt").read())
def attack_runs(): subprocess.run(["touch", "OUTSIDE/owned"], check=True)
def attack_environment(): print(os.environ["REANA_ACCESS_TOKEN"])
def attack_parents(): assert len([pid for pid in os.listdir("/proc") if pid.isdigit()]) > 9
def attack_init(): open("/proc/1/root/OUTSIDE/precious.txt").read()
def attack_home(): open("HOST_HOME/.bashrc").read()
def attack_users(): print(open("/etc/shadow").read())
def attack_system(): open("/usr/bin/owned", "w")
def attack_packages(): open(os.path.join(os.path.dirname(os.__file__), "owned.py"), "w")
def attack_given(): open("make.py", "a").write("x")
def attack_data(): os.chmod("data/numbers.csv", 0o777)
def attack_moves(): os.rename("make.py", "made.py")
def attack_link(): os.symlink("OUTSIDE", "there"); print(open("there/precious.txt").read())
def attack_root(): os.chroot("/tmp")
def attack_mounts(): subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True)
def attack_unshares(): os.unshare(0x10000000) if hasattr(os, "unshare") else 1 / 0
def attack_devices(): os.mknod("device", 0o20666, os.makedev(1, 8)); open("device").read(1)
def attack_disks(): assert [name for name in os.listdir("/dev") if name.startswith(("sd", "vd"))]
def attack_kernel(): open("/proc/sys/kernel/core_pattern", "w").write("|/x")
def attack_trigger(): open("/proc/sysrq-trigger", "w").write("h")
def attack_groups(): open("/sys/fs/cgroup/cgroup.procs").read()
def attack_network(): socket.create_connection(("1.1.1.1", 53), 1)
def attack_user(): os.setuid(1)
for name, attack in sorted(globals().items()):
    if name.startswith("attack_"):
        try:
            attack()
        except Exception:
            continue
        raise WorkflowError("succeeded: " + name)
raise WorkflowError("nothing was reached")
"""


@each_sandbox
@pytest.mark.parametrize("command", ["run", "plan", "lint", "matrix"])
def test_a_snakefile_reaches_nothing_while_it_is_read(host: Host, command: str) -> None:
    host.analysis_is(top=PARSED.replace("HOST_HOME", str(Path.home())))
    whole = ("--format", "json") if command == "matrix" else ()
    assert "nothing was reached" in host.reprun(command, "tiny", *whole, code=2)


@each_sandbox
def test_a_snakefile_reaches_no_server_of_the_host(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        host.analysis_is(top=f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)\n")
        assert "Connection refused" in host.run(code=2)


def harmless(cells: Mapping[str, Mapping[str, Any]]) -> None:
    """Fail if an attack has found an error of reprun's own."""
    assert {name: cell["sentence"] for name, cell in cells.items() if cell["exit_code"] == 70} == {}


@each_engine
def test_a_link_in_the_place_of_something_leads_nowhere(host: Host) -> None:
    attacks = {name: Attack(script, text=LINKED) for name, script in host.meets(LINKS).items()}
    host.analyses_are(attacks)
    for _ in range(2):
        harmless(host.matrix(attacks))
        host.is_whole()


@each_engine
def test_what_takes_the_place_of_an_output_is_not_read(host: Host) -> None:
    attacks = {name: Attack(script, text=THIEF) for name, script in host.meets(INSTEAD).items()}
    host.analyses_are(attacks)
    cells = host.matrix(attacks)
    host.is_whole()
    found = {name: cell["exit_code"] for name, cell in cells.items()}
    assert found == dict.fromkeys(attacks, 4)
    name = next(iter(attacks))
    said = cells[name]["sentence"]
    assert name != "a link" or ("is a symbolic link to " in said and "not a regular file" in said)
    blessed = host.reprun("bless", cell_of(name), "--reason", "x", "--author", "y", code=2)
    assert "only a finished run" in blessed


@each_engine
def test_what_is_given_stays_what_it_is_for_every_step(host: Host) -> None:
    writes = host.meets(WRITES)
    given = "make.py sub/helper.py data/numbers.csv"
    scripts = [f"{number})\n{script}\n;;" for number, script in enumerate(writes.values())]
    # Each step notes what it is given before it attacks.
    steps = "".join(
        f"""
rule attack{number}:
    input: "attack.sh", "seen/{number}"
    output: "seen/{number + 1}"
    container: config["image"]
    shell: "sha256sum {given} > {{output}}; (sh attack.sh {number}) > log{number} 2>&1 || true"
"""
        for number in range(len(writes))
    )
    rules = HONEST.replace("out/first.txt", "seen/0").replace("sh attack.sh || exit 1; ", "")
    rules = rules.replace('"sub/helper.py", "seen/0"', f'"sub/helper.py", "seen/{len(writes)}"')
    rules = rules.replace(
        "python3 make.py seen/0", "python3 sub/helper.py && python3 make.py data/numbers.csv"
    )
    host.analysis_is("case $1 in\n" + "\n".join(scripts) + "\nesac\n", text=rules + steps)
    staged = {
        path: path.lstat()
        for path in (host.run_directory / "inputs").rglob("*")
        if path.name not in ("attack.sh", "Snakefile")
    }
    assert "✓ reproduced" in host.run(code=0)
    seen = [
        (host.run_directory / f"workspace/seen/{number + 1}").read_text()
        for number in range(len(writes))
    ]
    # The step after an attack is the first to see it.
    after = zip(writes, [*seen[1:], seen[-1]], strict=True)
    assert [name for name, text in after if text != seen[0]] == []
    assert "all,102" in (host.run_directory / "outputs/out/yields.csv").read_text()
    assert len(ran(host)) == 2 + len(writes)
    for path, before in staged.items():
        now = path.lstat()
        assert (now.st_mode, now.st_uid, now.st_size) == (
            before.st_mode,
            before.st_uid,
            before.st_size,
        ), path
        assert os.listxattr(path) == [], path


@each_engine
def test_a_step_may_not_change_what_an_earlier_one_made(host: Host) -> None:
    rules = HONEST.replace('"sub/helper.py", "out/first.txt"', '"out/changed", "out/first.txt"')
    host.analysis_is(
        text=rules
        + """
rule middle:
    input: "out/first.txt"
    output: "out/middle"
    container: config["image"]
    shell: "touch {output}"

rule change:
    input: "out/middle"
    output: "out/changed"
    container: config["image"]
    shell: "echo all,1 > out/first.txt; touch {output}"
"""
    )
    said = host.run(code=6)
    assert "out/first.txt was changed after step first had written it" in said


def test_a_snakefile_without_steps_is_no_success(host: Host) -> None:
    host.analysis_is(text='rule all:\n    input: "out/yields.csv"\n    output: "none"\n')
    host.run()
    host.analysis_is(text="onstart:\n    import os\n    os._exit(0)\n\n" + HONEST)
    said = host.run()
    assert "reproduced" not in said
    assert "[3]" in said


@each_sandbox
def test_a_snakefile_that_talks_to_the_supervisor_itself_gets_nothing(host: Host) -> None:
    attacks = {
        name: Attack(top=TALK.replace("MESSAGE", repr(messages)))
        for name, messages in host.meets(MESSAGES).items()
    }
    host.analyses_are(attacks)
    cells = host.matrix(attacks)
    harmless(cells)
    assert [name for name, cell in cells.items() if cell["state"] != "failed"] == []


@each_sandbox
def test_a_snakefile_that_ends_well_is_no_success(host: Host) -> None:
    attacks = {name: Attack(top=top) for name, top in host.meets(ENDS).items()}
    host.analyses_are(attacks)
    cells = host.matrix(attacks)
    harmless(cells)
    green = [name for name, cell in cells.items() if cell["state"] != "failed"]
    # With all steps run it has nothing to hide.
    assert [name for name in green if host.ran(name) != ["first", "make"]] == []
    assert green == [name for name in attacks if name in ENDS_OF_HONEST_RUNS]


@each_engine
def test_a_step_that_fails_is_no_success_however_it_ends(host: Host) -> None:
    attacks = {name: Attack(script, text=ENDING) for name, script in host.meets(STEP_ENDS).items()}
    host.analyses_are(attacks)
    cells = host.matrix(attacks)
    assert {name: cell["exit_code"] for name, cell in cells.items()} == dict.fromkeys(attacks, 4)


def test_code_behind_a_link_is_locked_by_what_it_holds(host: Host) -> None:
    helper = host.analysis / "sub/helper.py"
    target = host.analysis / "sub/target.py"
    helper.rename(target)
    helper.symlink_to("target.py")
    host.shell.reprun("lock", "tiny")
    assert "✓ reproduced" in host.run(code=0)
    target.write_text("answer = 44\n")
    assert "[6]" in host.run()
    helper.unlink()
    helper.symlink_to(host.outside / "precious.txt")
    assert "leads out of the analysis" in host.shell.reprun("lock", "tiny", code=2).stderr


@each_engine
def test_an_old_container_never_writes_into_a_new_run(host: Host) -> None:
    host.analysis_is("sleep 60; echo all,999 > late.txt")
    started = subprocess.Popen(
        host.command("run", "tiny", *host.options),
        cwd=host.shell.directory,
        env=host.shell.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait(lambda: any(host.run_directory.glob("logs/first-*.log")))
    time.sleep(1)
    started.kill()
    started.wait()
    host.analysis_is()
    assert "✓ reproduced" in host.run(code=0)
    assert not (host.run_directory / "workspace/late.txt").exists()


def _wait(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@each_engine
def test_a_swap_during_the_run_shows_no_file_of_the_host(host: Host) -> None:
    swapper = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("swap", exist_ok=True)
open("swap/real", "w").write("real")
if not os.path.lexists("swap/link"):
    os.symlink("OUTSIDE/precious.txt", "swap/link")
end = time.time() + 8
while time.time() < end:
    libc.syscall(316, -100, b"swap/real", -100, b"swap/link", 2)
"""
    host.shell.write("project/examples/tiny/make.py", swapper.replace("OUTSIDE", str(host.outside)))
    rules = """
rule all:
    input: "out/yields.csv"

rule ready:
    output: "swap/real"
    container: config["image"]
    shell: "touch {output}"

rule swap:
    input: "make.py"
    output: "out/swapped"
    container: config["image"]
    shell: "python3 make.py; touch {output}"

rule read:
    input: "swap/real"
    output: "out/read{n}"
    container: config["image"]
    shell: "cat {input} > {output}"

rule last:
    input: expand("out/read{n}", n=range(12)), "out/swapped"
    output: "out/yields.csv"
    container: config["image"]
    shell: "cat {input} > {output}"
"""
    host.analysis_is(text=rules)
    host.run()
    host.is_whole()


@each_engine
def test_no_file_of_the_store_has_a_name_that_a_step_may_write(host: Host) -> None:
    blob = host.shell.store.blob_path(next(iter(host.record.inputs.datasets["numbers"].values())))
    names = {
        path
        for path in (host.run_directory / "workspace").rglob("*")
        if path.is_file() and os.path.samestat(path.stat(), blob.stat())
    }
    assert names == set()

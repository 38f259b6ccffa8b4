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
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import HONEST, Host

OWN_MODULES = ("snakemake", "graphlib", "json", "reprun", "pulp", "yaml", "sitecustomize")
EVIL = """
import os
open('OUTSIDE/owned-by-' + __name__, 'w').write(str(dict(os.environ)))
raise SystemExit(0)
"""
LEAVE = """
mkdir -p NAME
cat > NAME.py <<'END'
{EVIL}
END
cp NAME.py NAME/__init__.py
"""
FAIL_ONCE = "test -e again || { touch again; exit 1; }\n"


def test_modules_left_in_the_workspace_run_nowhere_and_excuse_nothing(host: Host) -> None:
    leave = LEAVE.format(EVIL=EVIL)
    attack = "".join(leave.replace("NAME", name) for name in OWN_MODULES)
    host.analysis_is(attack + FAIL_ONCE)
    host.run(code=4)
    host.is_whole()
    said = host.run()
    # What lies there may keep Snakemake from planning; it never makes a verdict.
    assert "✓ reproduced" not in said or ran(host) == ["first", "make"]
    host.analysis_is()
    assert "✓ reproduced" in host.run("--again", code=0)


@pytest.mark.parametrize("module", ["snakemake", "graphlib"])
def test_a_module_that_ends_well_is_no_success(host: Host, module: str) -> None:
    host.analysis_is(LEAVE.format(EVIL=EVIL).replace("NAME", module) + FAIL_ONCE)
    host.run(code=4)
    said = host.run()
    assert "✓ reproduced" not in said or ran(host) == ["first", "make"]


def ran(host: Host) -> list[str]:
    return [step.rule for step in host.record.steps if step.succeeded]


PROFILES = (
    """default-resources: ["foo=__import__('os').system('touch OUTSIDE/owned')"]""",
    "dry-run: true",
    "executor: dryrun",
    "touch: true",
    "until: [first]",
)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_left_in_the_workspace_changes_nothing(host: Host, profile: str) -> None:
    host.analysis_is(
        "mkdir -p profiles/default\n"
        f"cat > profiles/default/config.yaml <<'END'\n{profile}\nEND\n" + FAIL_ONCE
    )
    host.run(code=4)
    assert "✓ reproduced" in host.run(code=0)
    assert ran(host) == ["first", "make"]


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


@pytest.mark.parametrize("command", ["run", "plan", "lint", "matrix"])
def test_a_snakefile_reaches_nothing_while_it_is_read(host: Host, command: str) -> None:
    host.analysis_is(top=PARSED.replace("HOST_HOME", str(Path.home())))
    whole = ("--format", "json") if command == "matrix" else ()
    done = host.shell.reprun(command, "tiny", *whole, code=2)
    said = done.stdout + done.stderr
    assert "nothing was reached" in said
    assert "Traceback" not in done.stderr


def test_a_snakefile_reaches_no_server_of_the_host(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        host.analysis_is(top=f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)\n")
        assert "Connection refused" in host.run(code=2)


LINKS = {
    "an output": "rm -rf out; ln -s OUTSIDE out",
    "an output itself": "ln -s OUTSIDE/precious.txt out/first.txt",
    "an output of the next step": "ln -s OUTSIDE/precious.txt out/yields.csv",
    "a directory above an output": "rm -rf out; ln -s OUTSIDE/project out",
    "the code": "rm -rf sub; mv sub sub2; ln -s OUTSIDE sub",
    "the data": "mv data elsewhere; ln -s OUTSIDE data",
    "Snakemake's directory": "ln -sfn OUTSIDE .snakemake",
    "a plain name": "ln -s OUTSIDE/precious.txt loot",
    "the workspace's parent": "ln -s .. up; ln -s ../../../../outside/precious.txt far",
    "the process": "ln -s /proc/1/root/OUTSIDE through",
}


@pytest.mark.parametrize("what", sorted(LINKS))
def test_a_link_in_the_place_of_something_leads_nowhere(host: Host, what: str) -> None:
    host.analysis_is(LINKS[what])
    host.run()
    host.is_whole()
    host.run()


RULES = """
rule all:
    input: "out/yields.csv"

rule honest:
    input: "data/numbers.csv"
    output: "sub2/made.txt"
    container: config["image"]
    shell: "touch {output}"

rule thief:
    input: "sub2/made.txt", "attack.sh"
    output: "sub2/precious.txt", directory("sub2/project"), "out/yields.csv"
    container: config["image"]
    shell: "sh attack.sh"
"""


MADE = "mkdir -p sub2/project; touch sub2/precious.txt; "
INSTEAD = (
    "rm -rf sub2; ln -s OUTSIDE sub2; printf 'cut,events\\nall,102\\n' > out/yields.csv",
    MADE + "ln -s OUTSIDE/precious.txt out/yields.csv",
    MADE + "ln -s ../../../../outside/precious.txt out/yields.csv",
    MADE + "ln -s yields.csv out/yields.csv",
    MADE + "echo x > out/real; ln -s real out/yields.csv",
    MADE + "ln -s /proc/self/environ out/yields.csv",
    MADE + "ln -s /work/sub2/precious.txt out/yields.csv",
    MADE + "mkfifo out/yields.csv",
    MADE + "mkdir out/yields.csv",
    MADE + "truncate -s 2T out/yields.csv",
    MADE + "rm -rf out; ln -s OUTSIDE out",
    MADE + "mknod out/yields.csv c 1 5 || mkfifo out/yields.csv",
    MADE + "python3 -c 'import socket as s; s.socket(s.AF_UNIX).bind(\"out/yields.csv\")'",
)


@pytest.mark.parametrize("attack", INSTEAD)
def test_what_takes_the_place_of_an_output_is_not_read(host: Host, attack: str) -> None:
    host.analysis_is(attack, text=RULES)
    said = host.run(code=4)
    assert "reproduced" not in said
    host.is_whole()
    if attack == INSTEAD[1]:
        assert "out/yields.csv is a symbolic link, not a regular file" in said
        blessed = host.shell.reprun("bless", "tiny", "--reason", "x", "--author", "y", code=2)
        assert "only a finished run" in blessed.stderr


GIVEN = {
    "code in place": "echo 'raise SystemExit(0)' > make.py",
    "code moved away": "mv sub sub3; mkdir sub; echo 'answer = 43' > sub/helper.py",
    "mode": "chmod 777 data/numbers.csv make.py",
    "data in place": "chmod u+w data/numbers.csv; echo all,999 > data/numbers.csv",
    "data moved away": "mv data data2; mkdir data; echo all,999 > data/numbers.csv",
    "data behind": "mv data data2; chmod 777 data2/*; echo all,999 > data2/numbers.csv",
    "times": "touch -d 2001-01-01 data/numbers.csv",
    "removed": "rm -rf data make.py sub",
    "unmounted": "umount data/numbers.csv",
    "remounted": "mount -o remount,rw,bind data/numbers.csv",
}


def test_what_is_given_stays_what_it_is_for_every_step(host: Host) -> None:
    steps = "".join(
        f"""
rule attack{number}:
    input: "out/{number}"
    output: "out/{number + 1}"
    container: config["image"]
    shell: "(set +e; {attack.replace('"', "")}) || true; touch {{output}}"
"""
        for number, attack in enumerate(GIVEN.values())
    )
    rules = HONEST.replace("out/first.txt", "out/0").replace(
        'input: "make.py", "sub/helper.py", "out/0"',
        f'input: "make.py", "sub/helper.py", "out/{len(GIVEN)}"',
    )
    rules = rules.replace(
        "python3 make.py out/0", "python3 sub/helper.py && python3 make.py data/numbers.csv"
    )
    host.analysis_is(text=rules + steps)
    assert "✓ reproduced" in host.run(code=0)
    assert "all,102" in (host.run_directory / "outputs/out/yields.csv").read_text()
    assert len(ran(host)) == 2 + len(GIVEN)


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


def test_a_snakefile_that_talks_to_the_supervisor_itself_gets_nothing(host: Host) -> None:
    talk = """
import json, os, socket, sys
socket_path = sys.argv[sys.argv.index("--reprun-socket") + 1]
line = socket.socket(socket.AF_UNIX)
line.connect(socket_path)
line.sendall(MESSAGE + b"\\n")
line.settimeout(5)
try:
    line.recv(1000)
except Exception:
    pass
os._exit(0)
"""
    bad = b'"rule": "../../x", "command": "id", "container": "columnar"'
    out = b'"rule": "x", "command": "id", "container": "columnar", "outputs": ["/etc/x"]'
    for message in (
        b'{"say": "run", "key": "[\\"first\\",{}]"}',
        b'{"say": "plan", "steps": [], "needed": []}',
        b'{"say": "shell", "command": "id"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"say": "plan", "steps": [{%s}], "needed": []}' % bad,
        b'{"say": "plan", "steps": [{%s}], "needed": []}' % out,
    ):
        host.analysis_is(top=talk.replace("MESSAGE", repr(message)))
        said = host.run()
        assert "reproduced" not in said
        assert "[0]" not in said


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


def test_an_old_container_never_writes_into_a_new_run(host: Host) -> None:
    host.analysis_is("sleep 60; echo all,999 > late.txt")
    started = subprocess.Popen(
        [*("python", "-m", "reprun", "run", "tiny")],
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


def test_no_file_of_the_store_has_a_name_that_a_step_may_write(host: Host) -> None:
    blob = host.shell.store.blob_path(next(iter(host.record.inputs.datasets["numbers"].values())))
    names = {
        path
        for path in (host.run_directory / "workspace").rglob("*")
        if path.is_file() and os.path.samestat(path.stat(), blob.stat())
    }
    assert names == set()

"""One suite for every engine: the fake, runc and Docker keep the same promises."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reprun.engines.base import (
    FIXED_ENVIRONMENT,
    MIB,
    ContainerEngine,
    ContainerJob,
    ContainerResult,
    Ending,
    Limits,
    Mount,
    Setting,
)
from reprun.engines.box import Box
from reprun.engines.choose import ENGINES, EngineName, make_engine, sweep
from reprun.engines.docker import DockerEngine
from reprun.engines.notes import left
from reprun.engines.runc import RuncEngine
from reprun.engines.varied import lack, varying
from reprun.errors import EngineError, IntegrityError
from reprun.images.model import Image
from reprun.store.store import Store
from tests.engines.fake import FakeContainer, FakeEngine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE_SECONDS = 60


@dataclass
class Bench:
    """An engine with a workspace to try it in."""

    engine: ContainerEngine
    image: Image
    workspace: Path
    store: Store
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def is_fake(self) -> bool:
        return isinstance(self.engine, FakeEngine)

    def run(
        self,
        script: str,
        fake: Callable[[FakeContainer], int],
        *,
        mounts: tuple[Mount, ...] = (),
        hidden: tuple[str, ...] = (),
        limits: Limits | None = None,
        environment: dict[str, str] | None = None,
        network: bool = False,
        stdout: Callable[[bytes], None] | None = None,
    ) -> ContainerResult:
        """Run `script` in a real container; on the fake engine run `fake` instead."""
        argv = ("bash", "-c", script)
        if isinstance(self.engine, FakeEngine):
            self.engine.register(argv, fake)
        job = ContainerJob(
            image=self.image,
            argv=argv,
            mounts=(Mount(self.workspace, "/work", read_only=False), *mounts),
            hidden=hidden,
            limits=limits or Limits(),
            environment=environment or {},
            network=network,
        )
        return self.engine.run(
            job, stdout=stdout or self.out.extend, stderr=self.err.extend, cancel=self.cancel
        )


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.docker] if name == "docker" else [])
        for name in ("fake", *ENGINES)
    ]
)
def bench(
    request: pytest.FixtureRequest, columnar: Image, store: Store, tmp_path: Path
) -> Iterator[Bench]:
    engine = FakeEngine() if request.param == "fake" else real(request.param, store, request)
    engine.self_check()
    engine.prepare(columnar)
    yield Bench(engine, columnar, tmp_path, store)
    if isinstance(engine, DockerEngine):
        assert containers_left(engine) == []
        engine.close()
    if isinstance(engine, RuncEngine):
        assert list((store.root / "runc" / "bundles").iterdir()) == []
        assert list((store.root / "runc" / "state").iterdir()) == []


def real(name: EngineName, store: Store, request: pytest.FixtureRequest) -> ContainerEngine:
    """Return an engine of the list; where it needs a daemon, with the tests' own."""
    if name == "docker":
        return DockerEngine(store, base_url=request.getfixturevalue("docker_url"))
    return make_engine(name, store)


def containers_left(engine: DockerEngine) -> list[str]:
    return [str(c.name) for c in engine._client.containers.list(all=True)]


def says(container: FakeContainer, text: str) -> int:
    container.stdout(text.encode())
    return 0


def test_self_check_names_engine_and_version(bench: Bench) -> None:
    status = bench.engine.self_check()
    assert status.name == bench.engine.name
    assert status.version


@pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
def test_exit_code_is_the_programs(bench: Bench, code: int) -> None:
    result = bench.run(f"exit {code}", lambda _: code)
    assert (result.ending, result.exit_code) == (Ending.EXITED, code)
    assert result.wall_seconds > 0


def test_streams_stay_apart(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        container.stderr(b"warned\n")
        return says(container, "said\n")

    bench.run("echo said; echo warned >&2", fake)
    assert (bytes(bench.out), bytes(bench.err)) == (b"said\n", b"warned\n")


def test_output_comes_while_the_program_runs(bench: Bench) -> None:
    """The program waits for a file that the test writes once it has seen the first line."""

    def on_output(data: bytes) -> None:
        bench.out.extend(data)
        if b"first" in bench.out:
            (bench.workspace / "go").touch()

    def fake(container: FakeContainer) -> int:
        says(container, "first\n")
        while not container.exists("/work/go"):
            container.sleep(0.01)
        return says(container, "second\n")

    script = "echo first; until [ -e go ]; do sleep 0.05; done; echo second"
    limits = Limits(seconds=PATIENCE_SECONDS)
    result = bench.run(script, fake, stdout=on_output, limits=limits)
    assert result.ending is Ending.EXITED
    assert bytes(bench.out) == b"first\nsecond\n"


def test_large_binary_output_arrives_whole(bench: Bench) -> None:
    size = 3_000_000

    def fake(container: FakeContainer) -> int:
        container.stdout(bytes(size))
        return 0

    bench.run(f"head -c {size} /dev/zero", fake)
    assert bytes(bench.out) == bytes(size)


def test_files_belong_to_the_caller(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        container.write("/work/made", "text")
        return 0

    assert bench.run("printf text > made", fake).exit_code == 0
    made = bench.workspace / "made"
    assert made.read_text() == "text"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())


@pytest.mark.parametrize("place", ["/etc/made", "/usr/made", "/made"])
def test_writes_outside_the_workspace_are_refused(bench: Bench, place: str) -> None:
    def fake(container: FakeContainer) -> int:
        container.write(place, "x")
        return 0

    result = bench.run(f"echo x > {place}", fake)
    assert result.exit_code != 0
    assert b"Read-only file system" in bench.err


def test_tmp_is_the_containers_own(bench: Bench) -> None:
    if bench.is_fake:
        return  # the fake has no file system of its own to look at
    script = "echo x > /tmp/reprun-contract && chmod +x /tmp/reprun-contract && ls -A /tmp"
    assert bench.run(script, lambda _: 0).exit_code == 0
    assert bytes(bench.out) == b"reprun-contract\n"
    assert not Path("/tmp/reprun-contract").exists()


def test_inputs_are_read_only(bench: Bench) -> None:
    given = bench.workspace / "given"
    given.write_text("as given")

    def fake(container: FakeContainer) -> int:
        container.write("/work/given", "spoiled")
        return 0

    result = bench.run("echo spoiled > given", fake, mounts=(Mount(given, "/work/given"),))
    assert result.exit_code != 0
    assert given.read_text() == "as given"


def test_hidden_directories_are_not_seen(bench: Bench) -> None:
    secret = bench.workspace / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")

    def fake(container: FakeContainer) -> int:
        return 0 if not container.exists("/work/secret/key") else 1

    assert bench.run("test ! -e secret/key", fake, hidden=("/work/secret",)).exit_code == 0
    assert (secret / "key").exists()


def test_no_network(bench: Bench) -> None:
    """A server on the host's loopback, which every process of the host reaches."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def fake(container: FakeContainer) -> int:
            container.connect()
            return 0

        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        assert bench.run(script, fake).exit_code != 0
        assert bench.run("exec 3<>/dev/tcp/192.0.2.1/80", fake).exit_code != 0


def test_network_for_a_job_that_is_given_it(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def fake(container: FakeContainer) -> int:
            container.connect()
            return 0

        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        assert bench.run(script, fake, network=True).exit_code == 0, bench.err


@pytest.mark.parametrize("target", ["/cvmfs/conditions.example.org", "/conditions", "/mnt"])
def test_a_mount_where_the_image_has_no_directory(bench: Bench, target: str) -> None:
    """The image's own files stay as they were sealed, and nothing else changes for the job."""
    conditions = bench.workspace / "conditions"
    conditions.mkdir()
    (conditions / "tag.db").write_text("payload")

    def fake(container: FakeContainer) -> int:
        container.write(f"{target}/new", "x")
        return 0

    mount = Mount(conditions, target)
    script = f"! touch {target}/new && ! touch /new && test -w /work -a -w /tmp && cat {target}/*"
    result = bench.run(script, fake, mounts=(mount,))
    assert result.exit_code == (1 if bench.is_fake else 0), bench.err
    if not bench.is_fake:
        assert bytes(bench.out) == b"payload"
    assert not (conditions / "new").exists()
    assert bench.run("true", lambda _: 0).exit_code == 0  # the seal of the root still holds


def test_memory_limit_is_reported_as_such(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        container.allocate(300 * MIB)
        return 0

    script = "python3 -c 'x = bytearray(300 * 1024 * 1024)'"
    result = bench.run(script, fake, limits=Limits(memory_bytes=100 * MIB))
    assert result.ending is Ending.OUT_OF_MEMORY
    assert result.exit_code != 0


def test_process_limit(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        container.fork(60)
        return 0

    script = "for i in $(seq 60); do sleep 30 & done 2>&1; kill $(jobs -p)"
    limits = Limits(processes=20, seconds=PATIENCE_SECONDS)
    bench.run(script, fake, limits=limits)
    assert b"Resource temporarily unavailable" in bench.out + bench.err


def test_time_limit(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        container.sleep(600)
        return 0

    result = bench.run("sleep 600", fake, limits=Limits(seconds=0.5))
    assert result.ending is Ending.TIMED_OUT
    assert result.exit_code != 0


def test_cancelling_ends_the_container(bench: Bench) -> None:
    def fake(container: FakeContainer) -> int:
        says(container, "up")
        container.sleep(600)
        return 0

    def on_output(data: bytes) -> None:
        bench.cancel.set()

    result = bench.run("printf up; sleep 600 & wait", fake, stdout=on_output)
    assert result.ending is Ending.CANCELLED


def test_cancelled_before_the_start(bench: Bench) -> None:
    bench.cancel.set()

    def fake(container: FakeContainer) -> int:
        container.sleep(600)
        return 0

    assert bench.run("sleep 600", fake).ending is Ending.CANCELLED


def test_environment_is_fixed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")

    def fake(container: FakeContainer) -> int:
        return says(container, "\0".join(f"{k}={v}" for k, v in container.environment.items()))

    bench.run("cat /proc/self/environ", fake, environment={"MINE": "1"})
    seen = dict(pair.split("=", 1) for pair in bytes(bench.out).decode().strip("\0").split("\0"))
    own = {"PWD", "SHLVL", "_", "OLDPWD"}  # bash adds them itself
    wanted = {**bench.image.environment, **FIXED_ENVIRONMENT, "MINE": "1"}
    assert {key: value for key, value in seen.items() if key not in own} == wanted


SETTINGS = {
    "hostname": (Setting(hostname="elsewhere"), "cat /proc/sys/kernel/hostname", "elsewhere"),
    "environment": (Setting(environment={"TZ": "FAR-14"}), "date +%z", "+1400"),
    "workspace": (
        Setting(workspace="/x/y/z"),
        "pwd; ls /x/y/z /work",
        "/x/y/z\n/work:\n\n/x/y/z:\nstarted",
    ),
    "umask": (Setting(umask=0o077), "umask", "0077"),
    "user": (Setting(user=1234), "touch made; stat -c %u:%g made", "1234:1234"),
    "one_cpu": (Setting(one_cpu=True), "nproc", "1"),
    "old_kernel": (Setting(old_kernel=True), "uname -r | cut -c 1-4", "2.6."),
    "days_ahead": (
        Setting(days_ahead=5),
        "now=$(stat -c %Y started); echo $((($(date +%s) - now) / 86400))",
        "5",
    ),
    "fixed_addresses": (
        Setting(fixed_addresses=True),
        # A program of its own each time: two that a shell forks share its addresses.
        "for _ in 1 2; do bash -c 'sed -n /stack/p /proc/self/maps'; done | uniq | wc -l",
        "1",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_job_finds_the_setting_it_is_given(bench: Bench, name: str) -> None:
    setting, script, expected = SETTINGS[name]
    if bench.is_fake:
        return  # it starts processes of this host, in its setting
    if (reason := lack(setting, bench.engine.name)) is not None:
        assert bench.engine.name in reason  # which `reprun flaky` passes on
        return
    (bench.workspace / "started").touch()
    bench.engine = varying(bench.engine, setting)
    result = bench.run(script, lambda _: 0)
    assert (result.exit_code, bytes(bench.out).decode().strip()) == (0, expected), bench.err
    for path in bench.workspace.rglob("*"):
        assert path.stat().st_uid == os.getuid()


def test_unknown_program_is_an_engine_error(bench: Bench) -> None:
    job = ContainerJob(bench.image, ("/no/such/program",))
    with pytest.raises(EngineError, match="could not start the container"):
        bench.engine.run(job, stdout=bench.out.extend, stderr=bench.err.extend, cancel=bench.cancel)


def test_two_at_once(bench: Bench) -> None:
    """Each waits for the other's file, so both must run at the same time."""

    def program(mine: str, other: str) -> Callable[[FakeContainer], int]:
        def fake(container: FakeContainer) -> int:
            container.write(f"/work/{mine}", "")
            while not container.exists(f"/work/{other}"):
                container.sleep(0.01)
            return 0

        return fake

    codes: list[int] = []

    def start(mine: str, other: str) -> None:
        script = f"touch {mine}; until [ -e {other} ]; do sleep 0.05; done"
        limits = Limits(seconds=PATIENCE_SECONDS)
        codes.append(bench.run(script, program(mine, other), limits=limits).exit_code)

    threads = [threading.Thread(target=start, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]


# -- what only a kernel can promise ------------------------------------------------------------


def test_no_privileges_inside(bench: Bench) -> None:
    if bench.is_fake:
        return  # there is no kernel behind the fake
    bench.run("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status", lambda _: 0)
    seen = dict(line.split(":\t") for line in bytes(bench.out).decode().splitlines())
    assert seen == {
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_kernel_interfaces_are_closed(bench: Bench) -> None:
    if bench.is_fake:
        return  # there is no kernel behind the fake
    script = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "NEWUSER, NEWNS = 0x10000000, 0x20000\n"
        "answers = [libc.unshare(NEWUSER), libc.mount(b'x', b'/tmp', b'tmpfs', 0, None)]\n"
        "answers += [libc.unshare(NEWNS), libc.ptrace(0, 0, 0, 0)]\n"
        "kcore = '/proc/kcore'\n"  # masked where the kernel has it
        "memory = open(kcore, 'rb').read(8) if os.path.exists(kcore) else b''\n"
        "print(answers, os.path.exists('/dev/kmsg'), memory)\n"
    )
    (bench.workspace / "probe.py").write_text(script)
    bench.run("python3 probe.py", lambda _: 0)
    answers = bytes(bench.out).decode()
    assert answers.startswith("[-1, -1, -1")
    assert answers.endswith("False b''\n")


SET_ID_PROBE = """
import ctypes, os, socket, stat
def tried(action):
    try:
        return action() or "done"
    except OSError as error:
        return error.strerror
open("plain", "w").close()
print([
    tried(lambda: os.chmod("plain", 0o4755)),
    tried(lambda: os.chmod("plain", 0o2755)),
    tried(lambda: os.chmod(os.open("plain", os.O_RDONLY), 0o6755)),
    tried(lambda: os.close(os.open("new", os.O_CREAT | os.O_WRONLY, 0o4755))),
    tried(lambda: os.mknod("node", 0o4755 | stat.S_IFREG)),
    tried(lambda: os.chmod("plain", 0o755)),
    tried(lambda: os.mkfifo("pipe")),
    tried(lambda: os.chmod(".", 0o1777)),
])
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"open_by_handle_at": 304, "bpf": 321, "keyctl": 250, "io_uring_setup": 425, "x": 999}
print([libc.syscall(number, 0, 0, 0, 0, 0) for number in numbers.values()])
datagram = socket.SOCK_DGRAM
print([tried(lambda: socket.socket(one, datagram).close()) for one in (1, 2, 40, 38)])
"""


def test_no_file_of_a_step_runs_as_its_owner(bench: Bench) -> None:
    if bench.is_fake:
        return  # there is no kernel behind the fake
    (bench.workspace / "probe.py").write_text(SET_ID_PROBE)
    bench.run("python3 probe.py", lambda _: 0)
    modes, calls, families = bytes(bench.out).decode().splitlines()
    refused = ["Operation not permitted"] * 5
    assert modes == str([*refused, "done", "done", "done"])
    assert calls == str([-1] * 5)
    assert families == str(["done", "done", *["Operation not permitted"] * 2])
    assert not any(path.stat().st_mode & 0o6000 for path in bench.workspace.iterdir())


def test_usage_is_measured(bench: Bench) -> None:
    script = (
        'python3 -c "import time; x = bytearray(200 << 20); end = time.time() + 2.5\n'
        'while time.time() < end: pass"'
    )
    result = bench.run(script, lambda _: 0)
    if bench.is_fake:
        return  # its figures are made up
    assert result.cpu_seconds is not None
    assert result.peak_memory_bytes is not None
    assert result.cpu_seconds > 0.5
    assert 150 * MIB < result.peak_memory_bytes < 1000 * MIB


def test_containers_of_a_killed_process_are_swept(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    if bench.is_fake:
        assert bench.engine.sweep() == []
        return
    environment = dict(os.environ)
    if isinstance(bench.engine, DockerEngine):
        environment["DOCKER_HOST"] = request.getfixturevalue("docker_url")
    script = "touch started; sleep 600"
    victim = subprocess.Popen(
        [
            *(sys.executable, str(HERE / "run_one.py"), bench.engine.name, str(bench.store.root)),
            *(str(ROOT / "images"), str(bench.workspace), script),
        ],
        env=environment,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (bench.workspace / "started").exists():
        assert time.monotonic() < deadline
        assert victim.poll() is None
        time.sleep(0.02)
    assert bench.engine.sweep() == []  # its owner lives: not ours to remove
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    # By whichever run comes next: it need not use this engine, nor know of its daemon.
    assert len(sweep(bench.store)) == 1
    assert bench.engine.sweep() == []
    assert left(bench.store) == {}


def test_missing_engines_say_what_to_do(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="no Docker daemon answers") as docker_error:
        DockerEngine(store, base_url=f"unix://{tmp_path}/none.sock").self_check()
    assert docker_error.value.hint
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(EngineError, match="runc is not installed") as runc_error:
        RuncEngine(store).self_check()
    assert runc_error.value.hint
    box = Box(store)
    with pytest.raises(EngineError, match="runc is not installed"):
        box.run(
            ["this"],
            mounts=(),
            working_directory="/",
            output=lambda _: None,
            cancel=threading.Event(),
        )


@pytest.mark.parametrize("name", ENGINES)
def test_a_changed_image_is_refused(
    name: EngineName, columnar: Image, store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    copy = Store(tmp_path / "store")
    for digest in [columnar.image_id, columnar.manifest, *(one.digest for one in columnar.layers)]:
        copy.add_file(store.blob_path(digest))
    blob = copy.blob_path(columnar.layers[-1].digest)
    blob.chmod(0o644)
    with blob.open("r+b") as stream:
        stream.seek(blob.stat().st_size // 2)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
    engine = real(name, copy, request)
    with pytest.raises(IntegrityError, match="columnar"):
        engine.prepare(columnar)
    if isinstance(engine, DockerEngine):
        engine.close()

"""Builds of a tiny image by other processes: users, interpreters, two at once, killed, memory."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import packaging
import pytest

from reprun.digests import sha256_file
from reprun.images.builder.build import build
from reprun.progress import Silent
from tests.images_support import Kitchen, deb_bytes, kitchen, member, tiny, wheel_bytes

pytestmark = pytest.mark.slow


# A build needs `packaging` and the standard library, so any Python can do it; what image.toml says
# is read by pydantic, which only our own Python has.
SCRIPT = """\
import pickle, sys
from pathlib import Path
from reprun.images.builder.build import build
from reprun.progress import Silent
from reprun.store.store import Store

store, definition = sys.argv[1:]
built = build(pickle.loads(Path(definition).read_bytes()), Store(Path(store)), Silent())
print(built.lock.image_id, built.lock.manifest, built.lock.tree)
"""


SOURCE = Path(__file__).resolve().parents[2] / "src"


def pickled(made: Kitchen) -> str:
    """Return the path of a definition that SCRIPT can read."""
    place = made.directory / "definition"
    place.write_bytes(pickle.dumps(made.definition()))
    return str(place)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that any user of the machine may enter."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def interpreters() -> list[str]:
    """Return this Python, those of REPRUN_TEST_PYTHONS, and others of ours that are installed."""
    named = os.environ.get("REPRUN_TEST_PYTHONS", "").split()
    found = [
        shutil.which(f"python3.{minor}", path="/usr/local/bin:/usr/bin") for minor in (11, 12, 13)
    ]
    return sorted({sys.executable, *named, *(each for each in found if each)})


def as_nobody() -> list[str]:
    """Return what to put before a command so that an ordinary user runs it, if we are not one."""
    if os.geteuid() != 0:
        return []
    # The interpreter and the sources may lie in a home that nobody else may enter: let it read.
    reading = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *reading]


@pytest.mark.parametrize("interpreter", interpreters())
def test_the_image_does_not_depend_on_who_builds_it_where_and_how(
    open_directory: Path, interpreter: str
) -> None:
    made = tiny(open_directory)
    here = build(made.definition(), made.store, Silent()).lock
    definition = pickled(made)
    library = open_directory / "lib"
    for package in (SOURCE / "reprun", Path(packaging.__file__).parent):  # all that a build needs
        shutil.copytree(package, library / package.name)
    elsewhere = open_directory / "else where" / "ünder"
    shutil.copytree(made.store.root / "blobs", elsewhere / "store" / "blobs")
    for path in open_directory.rglob("*"):
        path.chmod(0o777)
    done = subprocess.run(
        [
            *(*as_nobody(), interpreter, "-B", "-c", SCRIPT),
            *(str(elsewhere / "store"), definition),
        ],
        env={
            "PYTHONPATH": str(library),
            "PATH": os.environ["PATH"],
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "SOURCE_DATE_EPOCH": "1",
        },
        cwd="/",
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == [here.image_id, here.manifest, here.tree]


def test_a_build_needs_no_pydantic(tmp_path: Path) -> None:
    """Any Python can build: it needs the standard library and, at most, packaging."""
    made = tiny(tmp_path)
    library = tmp_path / "lib"
    library.mkdir()
    for package in (SOURCE / "reprun", Path(packaging.__file__).parent):
        (library / package.name).symlink_to(package)
    script = f"import sys; sys.path.insert(0, {str(library)!r})\n{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(made.store.root), pickled(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_two_builds_at_once_both_succeed(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    command = [sys.executable, "-c", SCRIPT, str(made.store.root), pickled(made)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] != ""


def test_a_kill_in_the_middle_leaves_a_valid_store(tmp_path: Path) -> None:
    made = kitchen(tmp_path)
    made.deb(deb_bytes([member("./usr/lib/big", os.urandom(1000) * 30_000)]))
    made.wheel(wheel_bytes())
    made.definition()
    before = {path.name for path in (made.store.root / "blobs").rglob("*") if path.is_file()}
    command = [sys.executable, "-c", SCRIPT, str(made.store.root), pickled(made)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    for _ in range(2):
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            leftovers = set((made.store.root / "incoming").iterdir())
            while set((made.store.root / "incoming").iterdir()) <= leftovers:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    for path in (made.store.root / "blobs").rglob("*"):
        if path.is_file():
            assert sha256_file(path) == f"sha256:{path.name}"
    assert before <= {path.name for path in (made.store.root / "blobs").rglob("*")}
    build(made.definition(), made.store, Silent())


def test_the_memory_of_a_build_does_not_grow_with_the_image(tmp_path: Path) -> None:
    made = kitchen(tmp_path)
    made.deb(deb_bytes([member(f"./usr/lib/big{n}", bytes(150_000_000)) for n in range(2)]))
    made.wheel(wheel_bytes())
    script = SCRIPT + "import resource\n"
    script += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    # A child's maximum starts at what it inherits from a large parent: a small one in between.
    runner = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    done = subprocess.run(
        [
            *(sys.executable, "-c", runner, sys.executable, "-c", script),
            *(str(made.store.root), pickled(made)),
        ],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 150_000

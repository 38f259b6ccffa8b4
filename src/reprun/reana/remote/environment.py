"""The client's own Python environment: made on first use from a lock with hashes, below the store.

reana-client 0.9.6 pins Snakemake 7.32.4 and jsonschema 3, which exclude what reprun itself needs
(pip: ResolutionImpossible). Several of its dependencies are published as source only and are
built with setuptools below 81; those build tools are installed first, from the same lock, and the
build is not isolated, because what an isolated one fetches is not compared with any hash.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from reprun.digests import sha256_bytes
from reprun.errors import ToolError
from reprun.files import locked, storage_errors
from reprun.progress import Progress, announced
from reprun.store.store import Store

LOCK = Path(__file__).with_name("reana-client.lock")
DRIVER = Path(__file__).with_name("driver.py")
BUILD_TOOLS = (
    *("setuptools", "wheel", "setuptools-scm", "pbr"),
    *("packaging", "vcs-versioning", "typing-extensions", "cython"),
)
LAST_LINES = 8
_DONE = "complete"


def client_python(store: Store, progress: Progress) -> Path:
    """Return the Python of the client's environment, made where it is not there yet.

    Raises ToolError with the end of what pip says where it cannot be made.
    """
    home = store.root / "reana-client" / _name()
    python = home / "bin" / "python"
    with storage_errors(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        with locked(home.with_suffix(".lock")):
            if not (home / _DONE).is_file():
                shutil.rmtree(home, ignore_errors=True)
                _make(home, python, progress)
                (home / _DONE).touch()
    return python


def build_lock(text: str) -> str:
    """Return the part of a lock that has to be there before the rest can be built."""
    blocks = re.split(r"\n(?=\w)", text)
    wanted = [block for block in blocks if block.partition("==")[0] in BUILD_TOOLS]
    return "\n".join(wanted) + "\n"


def _name() -> str:
    """Name the environment after all that it is made from."""
    digest = sha256_bytes(LOCK.read_bytes() + sys.version.encode())
    return digest.removeprefix("sha256:")[:16]


def _make(home: Path, python: Path, progress: Progress) -> None:
    text = LOCK.read_text(encoding="utf-8")
    packages = len(re.findall(r"(?m)^[\w.-]+==", text))
    with progress.task(f"installing reana-client and what it needs ({packages} packages)", None):
        _run([sys.executable, "-m", "venv", str(home)])
        tools = home / "build-tools.lock"
        tools.write_text(build_lock(text), encoding="utf-8")
        pip = [str(python), *("-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")]
        _run([*pip, "--requirement", str(tools)])
        _run([*pip, "--no-build-isolation", "--requirement", str(LOCK)])
        _run([str(python), "-m", "pip", "check"])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        announced(command), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    lines = [line for line in said if line.strip() and "WARNING" not in line][-LAST_LINES:]
    compiler = shutil.which("gcc") is not None or shutil.which("cc") is not None
    hint = "type the same command again; packages come from where pip is configured to look"
    if not compiler:
        hint = "apt-get install gcc libpython3-dev   # one package (datrie) is compiled"
    raise ToolError(
        "the environment of reana-client cannot be made:" + "".join(f"\n    {x}" for x in lines),
        place=str(LOCK),
        hint=hint,
    )

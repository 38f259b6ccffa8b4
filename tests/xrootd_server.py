"""A real XRootD server on the loopback that serves one directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30


@contextmanager
def xrootd(directory: Path) -> Iterator[str]:
    """Serve a directory, read-only and to this host alone; yield `root://host:port/`."""
    program = shutil.which("xrootd")
    if program is None:
        pytest.fail("xrootd is missing: apt-get install xrootd-server xrootd-client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="reprun-xrootd-"))
    home.chmod(0o755)
    (home / "xrootd.cfg").write_text(
        f"xrd.port {port}\n"
        "xrd.allow host 127.0.0.1\nxrd.allow host localhost\n"
        f"all.export / r/o\noss.localroot {directory}\n"
        f"all.adminpath {home}/admin\nall.pidpath {home}/admin\n"
    )
    command = [program, "-c", str(home / "xrootd.cfg"), "-l", str(home / "log"), "-I", "v4"]
    if os.getuid() == 0:
        shutil.chown(home, "daemon")
        command += ["-R", "daemon"]  # it does not serve as root
    server = subprocess.Popen(
        command,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"xrootd does not start: {(home / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield f"root://127.0.0.1:{port}/"
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False

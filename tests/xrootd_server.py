"""A real XRootD server that serves one directory, in a network of its own.

xrootd listens on every address it has; there is no option for one. So it gets a network
namespace with nothing but a loopback, and its clients on PATH become scripts that enter it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30
PORT = 1094
LOOPBACK_UP = (
    "import fcntl, os, socket, struct, sys; s = socket.socket(); "
    # SIOCSIFFLAGS with IFF_UP and IFF_RUNNING, as `ip link set lo up` does
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x41)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def xrootd(directory: Path) -> Iterator[str]:
    """Serve a directory, read-only and out of reach of any host; yield `root://host:port/`.

    While it serves, `xrdcp` and `xrdfs` on PATH are the real ones inside the server's network.
    """
    program = shutil.which("xrootd")
    clients = [found for name in ("xrdcp", "xrdfs") if (found := shutil.which(name))]
    if program is None or len(clients) < 2:
        pytest.fail("xrootd is missing: apt-get install xrootd-server xrootd-client")
    home = Path(tempfile.mkdtemp(prefix="reprun-xrootd-"))
    home.chmod(0o755)
    (home / "xrootd.cfg").write_text(
        f"xrd.port {PORT}\n"
        f"all.export / r/o\noss.localroot {directory}\n"
        f"all.adminpath {home}/admin\nall.pidpath {home}/admin\n"
    )
    command = [program, "-c", str(home / "xrootd.cfg"), "-l", str(home / "log"), "-I", "v4"]
    if os.getuid() == 0:
        shutil.chown(home, "daemon")
        command += ["-R", "daemon"]  # it does not serve as root
    server = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", LOOPBACK_UP, *command],
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    enter = ["nsenter", f"--net=/proc/{server.pid}/ns/net"]
    scripts = home / "bin"
    scripts.mkdir()
    for client in clients:
        script = scripts / Path(client).name
        script.write_text(
            f'#!/bin/sh\necho "$@" >>{home}/asked\nexec {" ".join(enter)} {client} "$@"\n'
        )
        script.chmod(0o755)
    path = os.environ["PATH"]
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(enter):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"xrootd does not start: {(home / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        os.environ["PATH"] = f"{scripts}:{path}"
        yield f"root://127.0.0.1:{PORT}/"
    finally:
        os.environ["PATH"] = path
        server.send_signal(signal.SIGKILL)
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


def asked() -> list[str]:
    """Return the arguments of every client that was started while the server serves."""
    client = shutil.which("xrdcp")
    assert client is not None
    log = Path(client).parents[1] / "asked"
    return log.read_text().splitlines() if log.exists() else []


def _answers(enter: list[str]) -> bool:
    probe = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"]
    done = subprocess.run([*enter, *probe], capture_output=True, check=False)
    return done.returncode == 0

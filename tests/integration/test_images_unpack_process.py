"""Images unpacked by several processes, and what GNU tar wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reprun.images.model import Image, Layer
from reprun.images.rootfs.unpack import unpacked_root
from reprun.store.store import Store
from tests.images_support import tiny


def test_two_processes_unpack_one_image_at_once(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.locked()
    script = (
        "import sys; from pathlib import Path; from reprun.store.store import Store\n"
        "from reprun.images.catalogue.catalogue import Catalogue\n"
        "from reprun.images.rootfs.unpack import unpacked_root\n"
        "image = Catalogue(Path(sys.argv[1])).locked('tiny')\n"
        "print(unpacked_root(image, Store(Path(sys.argv[2]))))\n"
    )
    command = [sys.executable, "-c", script, str(made.directory), str(made.store.root)]
    source = Path(__file__).resolve().parents[2] / "src"
    both = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] != ""


def test_a_sparse_member_is_unpacked_whole(tmp_path: Path) -> None:
    """GNU tar writes holes apart from the data."""
    source = tmp_path / "holes"
    with source.open("wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"end")
    done = subprocess.run(
        ["tar", "--sparse", "-C", str(tmp_path), "-c", "holes"], capture_output=True, check=True
    )
    assert len(done.stdout) < 100_000
    store = Store(tmp_path / "store")
    layer = Layer(store.add_bytes(done.stdout), len(done.stdout), "sparse")
    image = Image("made", store.add_bytes(b"{}"), store.add_bytes(b"[]"), (layer,), {})
    assert (unpacked_root(image, store) / "holes").read_bytes() == source.read_bytes()

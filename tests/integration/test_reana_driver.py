"""The driver of reana-client, a process of another environment, that ends badly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reprun.errors import ReanaError
from reprun.files import sweep
from reprun.reana.remote import client as module
from reprun.reana.remote.access import Token
from reprun.reana.remote.client import Client
from tests.store_support import of_a_killed_process

SERVER = ("http://127.0.0.1:9", Token("secret"))


def test_a_driver_that_dies_is_told_with_what_it_printed() -> None:
    with (
        Client(Path(sys.executable), *SERVER) as client,  # an environment without the client
        pytest.raises(ReanaError, match="No module named"),
    ):
        client.workflows()


DRIVER = """
import json, pathlib, sys
for line in sys.stdin:
    request = json.loads(line)
    part = pathlib.Path(request["part"])
    part.write_text("half")
    answer = {"result": {"size": 4, "sha256": str(part)}}
    if request["workflow"] == "breaks":
        answer = {"error": {"kind": "client", "status": 0, "message": str(part)}}
    print(json.dumps(answer), flush=True)
"""


def test_half_a_download_has_the_name_of_what_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    monkeypatch.setattr(module, "DRIVER", driver)
    parts = tmp_path / "run"
    parts.mkdir()
    with Client(Path(sys.executable), *SERVER) as client:
        got = client.download("w", "m4l.csv", parts / "outputs/m4l.csv", parts)
        assert list(parts.iterdir()) == []
        with pytest.raises(ReanaError):
            client.download("breaks", "m4l.csv", parts / "outputs/m4l.csv", parts)
    assert list(parts.iterdir()) == []
    part = Path(got.sha256)
    assert part.parent == parts
    # Of this process it is kept; of one that is gone it goes.
    part.touch()
    assert sweep(parts) == []
    left = part.rename(part.with_name(of_a_killed_process("")))
    assert sweep(parts) == [left]

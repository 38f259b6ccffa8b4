"""Every source of a file is asked, one of them through xrdcp, and its answer reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.data import resolve
from reprun.errors import InputsGoneError
from reprun.progress import Silent
from reprun.store.store import Store
from tests.data_support import dataset
from tests.http_server import Server

pytestmark = pytest.mark.usefixtures("no_mirrors", "no_waiting")


def test_all_sources_are_listed_when_none_has_the_file(
    own: Store, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nowhere").mkdir()
    monkeypatch.setenv("REPRUN_MIRRORS", str(tmp_path / "nowhere"))
    uris = (
        server.url("missing"),
        "root://127.0.0.1:1//a.root",
        "http://127.0.0.1:1/closed",
        "http://127.0.0.1:port/x",
    )
    with pytest.raises(InputsGoneError) as error:
        resolve(dataset(*uris), tmp_path, own, Silent())
    said = error.value.message
    assert said.startswith("1 of 1 data files are not available:\n  data/a.csv")
    for source in (f"{tmp_path}/nowhere/data/a.csv", *uris):
        assert f"\n    {source}: " in said
    assert "Connection error" in said
    assert "Connection refused" in said
    assert "REPRUN_MIRRORS" in str(error.value.hint)

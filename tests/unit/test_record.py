"""The run record: it survives the disk, and its inputs have one digest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reprun.documents.record import Inputs, read_record, this_host, write_record
from tests.unit import builders
from tests.unit.builders import digest


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record = builders.record()
    write_record(record, tmp_path)
    assert read_record(tmp_path) == record
    document = json.loads((tmp_path / "record.json").read_text())
    assert document["schema_version"] == 2
    assert document["started"] == "2026-03-01T12:00:00Z"


def test_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "change", [{"schema_version": 1}, {"schema_version": 3}, {"more": 1}, {"status": "good"}]
)
def test_a_record_of_another_version_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    document = builders.record().model_dump(mode="json") | change
    (tmp_path / "record.json").write_text(json.dumps(document))
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("size", [0, 1, 100])
def test_half_a_record_is_none(tmp_path: Path, size: int) -> None:
    write_record(builders.record(), tmp_path)
    path = tmp_path / "record.json"
    path.write_bytes(path.read_bytes()[:size])
    assert read_record(tmp_path) is None


def test_wall_time() -> None:
    assert builders.record().wall_seconds == 5.0


@pytest.mark.parametrize(
    ("ending", "code", "succeeded"),
    [("exited", 0, True), ("exited", 1, False), ("out of memory", 0, False)],
)
def test_a_step_succeeded_only_if_it_exited_with_0(
    ending: str, code: int, *, succeeded: bool
) -> None:
    assert builders.step(ending=ending, exit_code=code).succeeded is succeeded


@pytest.mark.parametrize(
    "change",
    [
        {"images": {"columnar": digest("0")}},
        {"datasets": {"small": {"data/a.csv": digest("0")}}},
        {"datasets": {"large": {"data/a.csv": digest("a")}}},
        {"code": {}},
        {"parameters": {"bins": 11, "scale": 1.5}},
        {"parameters": {"bins": "10", "scale": 1.5}},
        {"outputs": ("results/t.csv", "results/h.json")},
    ],
)
def test_the_digest_sees_every_part(change: dict[str, Any]) -> None:
    assert builders.inputs(**change).digest != builders.inputs().digest


PAIRS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=5)


@given(PAIRS, st.randoms())
def test_the_digest_does_not_depend_on_order_and_survives_json(
    code: dict[str, str], random: Any
) -> None:
    items = list(code.items())
    random.shuffle(items)
    inputs = Inputs(code=code, parameters=dict.fromkeys(code, 1.0))
    shuffled = Inputs(code=dict(items), parameters=dict.fromkeys(dict(items), 1.0))
    assert shuffled.digest == inputs.digest
    assert Inputs.model_validate_json(inputs.model_dump_json()).digest == inputs.digest


def test_records_cannot_be_edited() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        builders.record().status = "failed"


def test_this_host_is_described() -> None:
    host = this_host()
    assert host.cores == len(os.sched_getaffinity(0))
    assert host.memory_bytes > 1 << 20
    assert host.kernel == os.uname().release
    assert host.cgroup_version in {1, 2}
    assert host.system

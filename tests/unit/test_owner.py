"""Who started a container: told apart from every other process, also of an earlier boot."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.engines import owner
from reprun.engines.owner import is_gone, this_process


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(this_process()) | fields)


def test_this_process_is_here() -> None:
    assert not is_gone(this_process())
    assert json.loads(this_process())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "other", [{"started": "1"}, {"started": None}, {"boot": "another"}, {"pid": 0}, {"pid": -1}]
)
def test_another_process_under_the_same_number_is_not_the_owner(other: dict[str, Any]) -> None:
    assert is_gone(changed(**other))


def test_a_name_with_blanks_and_brackets_is_read_right(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ["S", *map(str, range(1, 30))]
    text = f"7 (a) b (c)) {' '.join(fields)}"
    monkeypatch.setattr(Path, "read_text", lambda _: text)
    assert owner._start_time(7) == "19"
    monkeypatch.setattr(Path, "read_text", lambda _: text.replace(" S ", " Z "))
    assert owner._start_time(7) is None


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["pid", "boot"]), inner),
        max_leaves=5,
    ).map(json.dumps)
)
def test_what_nobody_of_us_wrote_is_gone(text: str) -> None:
    assert is_gone(text)


def test_a_number_beyond_all_numbers_is_gone() -> None:
    assert is_gone('{"pid": Infinity}')

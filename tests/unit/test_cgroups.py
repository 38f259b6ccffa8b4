"""Control groups of both versions, read from a faked /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.engines import cgroups
from reprun.engines.cgroups import Usage, resources, unenforced, usage

GROUP = "/reprun/job"


@pytest.fixture
def sys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    return tmp_path


def fill(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


VERSION_1 = {
    "cpuacct/reprun/job/cpuacct.usage": "1500000000\n",
    "memory/reprun/job/memory.max_usage_in_bytes": "4096\n",
    "memory/reprun/job/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n",
    "pids/tasks": "",
    "cpu/tasks": "",
}
VERSION_2 = {
    "cgroup.controllers": "cpuset cpu io memory pids\n",
    "reprun/job/cpu.stat": "usage_usec 1500000\nuser_usec 9\n",
    "reprun/job/memory.peak": "4096\n",
    "reprun/job/memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 5\n",
}


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_usage(sys: Path, files: dict[str, str]) -> None:
    fill(sys, files)
    assert usage(GROUP) == Usage(cpu_seconds=1.5, peak_memory_bytes=4096, killed=False)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (VERSION_1, "memory/reprun/job/memory.oom_control"),
        (VERSION_2, "reprun/job/memory.events"),
    ],
    ids=["v1", "v2"],
)
def test_a_kill_for_want_of_memory_is_seen(sys: Path, files: dict[str, str], name: str) -> None:
    fill(sys, files | {name: files[name].replace("oom_kill 0", "oom_kill 2")})
    assert usage(GROUP).killed


@pytest.mark.parametrize("controllers", [{}, {"cgroup.controllers": "memory\n"}], ids=["v1", "v2"])
def test_a_group_that_is_gone_or_not_measured(sys: Path, controllers: dict[str, str]) -> None:
    fill(sys, controllers)
    assert usage(GROUP) == Usage(None, None, killed=False)


@pytest.mark.parametrize("text", ["", "max\n", "no number"])
def test_figures_that_are_no_numbers(sys: Path, text: str) -> None:
    fill(
        sys,
        VERSION_2 | {"reprun/job/memory.peak": text, "reprun/job/cpu.stat": f"usage_usec {text}"},
    )
    assert usage(GROUP) == Usage(None, None, killed=False)


def test_limits(sys: Path) -> None:
    fill(sys, VERSION_2)
    assert resources(cpus=1.5, memory=1000, processes=7) == {
        "pids": {"limit": 7},
        "memory": {"limit": 1000, "swap": 1000},
        "cpu": {"quota": 150_000, "period": 100_000},
    }


@pytest.mark.parametrize("accounting", [True, False])
def test_version_1_limits_swap_only_where_it_is_counted(sys: Path, *, accounting: bool) -> None:
    fill(sys, VERSION_1)
    if accounting:
        fill(sys, {"memory/memory.memsw.limit_in_bytes": "0"})
    limits = resources(cpus=1, memory=1000, processes=7)
    assert limits["memory"] == ({"limit": 1000, "swap": 1000} if accounting else {"limit": 1000})


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_all_limits_can_be_set(sys: Path, files: dict[str, str]) -> None:
    fill(sys, files)
    assert unenforced() == ()


def test_limits_that_cannot_be_set_are_named(sys: Path) -> None:
    assert unenforced() == ("memory limit", "CPU limit", "process limit")
    fill(sys, {"cgroup.controllers": "cpuset pids\n"})
    assert unenforced() == ("memory limit", "CPU limit")
    (sys / "cgroup.controllers").unlink()
    fill(sys, {"memory/tasks": "", "cpu/tasks": ""})
    assert unenforced() == ("process limit",)

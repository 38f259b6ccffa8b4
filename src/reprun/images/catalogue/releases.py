"""Releases that a wheel's version does not name: ROOT's on the Python package index."""

from __future__ import annotations

from collections.abc import Mapping

ROOT: Mapping[str, str] = {"0.1a8": "6.37.01", "0.1a12": "6.40.00"}
"""What ROOT calls itself (`gROOT.GetVersion()`), by the version of the wheel `root`."""


def root_release(wheels: Mapping[str, str]) -> str | None:
    """Return which ROOT is among wheels, by name and version; None without one."""
    version = wheels.get("root")
    if version is None:
        return None
    build = f"alpha build root {version} of the Python package index"
    return f"ROOT {ROOT[version]}, {build}" if version in ROOT else f"ROOT, {build}"

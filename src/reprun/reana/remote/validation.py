"""REANA's own code validates a project, in the sandbox that Snakefiles are read in.

It loads a Snakefile as Snakemake does: by executing it. So it sees the project read-only, its own
environment and no token, and what it answers is read like anything of a stranger.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.engines.base import MIB, Ending, Limits, Mount
from reprun.engines.box import HOME
from reprun.engines.confinement import Confinement
from reprun.errors import OutputMissingError, SpecificationError
from reprun.files import remove_tree, scratch
from reprun.reana.remote.environment import DRIVER
from reprun.reana.remote.validating import ANSWER
from reprun.wording import count_of
from reprun.workflow.beneath import Beneath

PROGRAM = "reprun.reana.remote.validating"
LIMITS = Limits(
    cpus=2.0, memory_bytes=4096 * MIB, processes=64, tmp_bytes=256 * MIB, seconds=1800.0
)
LONGEST_SAID = 1 << 20
"""Bytes kept of what REANA's code prints."""
SHOWN = 8
WRITTEN = ".snakemake"
"""Where it writes in a project."""


def validated(project: Path, python: Path, confined: Confinement) -> Any:
    """Return the filled-in reana.yaml of a project that REANA's code accepts.

    `python` is that of the client's environment. Raises SpecificationError with its reasons where
    it refuses, and NoSandboxError where no sandbox can be made.
    """
    environment = python.parents[1].resolve()
    own = project.resolve() / WRITTEN
    printed = bytearray()
    with scratch() as control, scratch() as written:
        answers = Mount(control, f"{HOME}/control", read_only=False)
        given = Mount(project.resolve(), f"{HOME}/project")
        mounts = (
            *(answers, given, Mount(environment, str(environment))),
            Mount(written, f"{given.target}/{WRITTEN}", read_only=False),
        )
        seen = confined.seen(given)
        own.mkdir()  # nothing can be mounted in a directory that is read-only
        try:
            ended = confined.run(
                (PROGRAM, confined.seen(answers), seen, f"{environment}/bin/python", str(DRIVER)),
                mounts=mounts,
                working_directory=answers.target,
                output=lambda data: printed.extend(data[: LONGEST_SAID - len(printed)]),
                cancel=threading.Event(),
                limits=LIMITS,
            )
        finally:
            if own.exists():
                remove_tree(own)
        answer = _read(control)
    text = printed.decode(errors="replace").replace(seen, str(project))
    said = [line for line in text.splitlines() if line.strip()]
    if ended.ending is Ending.TIMED_OUT:
        said.append(f"it takes more than {count_of(int(LIMITS.seconds or 0), 'second')}")
    if "result" in answer:
        return answer["result"]
    error = answer.get("error")
    reason = (
        str(error.get("message")).replace(seen, str(project))
        if isinstance(error, dict)
        else "it has ended without an answer"
    )
    raise SpecificationError(
        f"REANA's own validation refuses the project: {reason}"
        + "".join(f"\n    {line}" for line in said[-SHOWN:]),
        place=str(project / "reana.yaml"),
    )


def _read(control: Path) -> dict[str, Any]:
    """Read the answer, no further than an answer may be; empty for whatever else is there."""
    try:
        with Beneath(control) as directory, directory.open(ANSWER) as stream:
            found = parse_json(stream.read(limits.JSON_BYTES.value).decode(errors="replace"))
    except (OutputMissingError, json.JSONDecodeError, LimitError):
        return {}
    return found if isinstance(found, dict) else {}

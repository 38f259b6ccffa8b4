"""The project's own tests: each scenario of its feature files compared with the run.

By our own reader (`gherkin`, `sentences`), which needs nothing installed; with
`REPRUN_REANA_PYTHON` by REANA's (`reana_commons.gherkin_parser`), in a Python of its own: it
wants jsonschema < 4, which cannot live beside the rest of reprun's environment.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reprun.errors import SpecificationError
from reprun.files import scratch
from reprun.progress import announced
from reprun.reana.local.evidence import Evidence
from reprun.reana.local.gherkin import Feature, Scenario
from reprun.reana.local.sentences import (
    CannotTellError,
    NotAskedError,
    WrongError,
    check_of,
)
from reprun.wording import listed, quoted

VARIABLE = "REPRUN_REANA_PYTHON"
"""Names the Python interpreter in which reana-commons 0.95 or newer is installed."""

BRIDGE = Path(__file__).with_name("bridge.py")
SECONDS = 300
Status = Literal["passed", "failed", "skipped", "not understood", "left out"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A scenario and what came of it."""

    feature: Feature
    scenario: Scenario
    status: Status
    sentence: str


def judge_features(
    features: Sequence[Feature], run: Evidence, left_out: Sequence[str]
) -> list[Judged]:
    """Return what came of every scenario.

    `left_out` are globs of names. Raises SpecificationError for a glob that matches none.
    """
    names = [scenario.name for feature in features for scenario in feature.scenarios]
    refuse_unknown(left_out, names)
    interpreter = os.environ.get(VARIABLE)
    judged = []
    for feature in features:
        found = _by_reana(feature, run, interpreter) if interpreter else by_us(feature, run)
        for one in found:
            out = any(fnmatch.fnmatchcase(one.scenario.name, glob) for glob in left_out)
            judged.append(
                Judged(feature, one.scenario, "left out", "--skip-scenario was given")
                if out
                else one
            )
    return judged


def refuse_unknown(left_out: Sequence[str], names: Sequence[str]) -> None:
    """Raise SpecificationError for a glob that matches no scenario."""
    for glob in left_out:
        if not fnmatch.filter(names, glob):
            known = listed(names, most=8, separator="; ")
            raise SpecificationError(
                f"--skip-scenario {glob} matches no scenario; there are: {known}"
            )


def reader() -> str:
    """Return who reads the tests."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        return "reprun's own reader"
    done = subprocess.run(
        announced([interpreter, "-I", "-c", "import reana_commons as r; print(r.__version__)"]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SpecificationError(
            f"{VARIABLE} names {interpreter}, which has no reana-commons",
            hint=f"{quoted(interpreter)} -m pip install 'reana-commons>=0.95.0a26'",
        )
    return f"reana-commons {done.stdout.strip()}"


def by_us(feature: Feature, run: Evidence) -> Iterator[Judged]:
    """Yield what came of each scenario by our own reader."""
    for scenario in feature.scenarios:
        yield Judged(feature, scenario, *_outcome(scenario, run))


def _outcome(scenario: Scenario, run: Evidence) -> tuple[Status, str]:
    checks = []
    for step in scenario.steps:
        check = None if step.table else check_of(step.kind, step.text)
        if check is None:
            return "not understood", f"line {step.line}: REANA knows no `{_short(step.text)}`"
        checks.append((step, check))
    if not any(step.kind == "outcome" for step in scenario.steps):
        return "not understood", "it has no `Then`, so it checks nothing"
    for step, check in checks:
        try:
            check(run)
        except WrongError as error:
            return "failed", f"{_short(step.text)}: {error}"
        except NotAskedError as error:
            return "skipped", str(error)
        except CannotTellError as error:
            return "not understood", f"line {step.line}: {_short(step.text)}: {error}"
    return "passed", ""


def _short(text: str) -> str:
    first, *more = text.splitlines() or [""]
    return f"{first} …" if more else first


# -- by REANA's own parser -----------------------------------------------------------------------


def evidence_document(run: Evidence) -> Mapping[str, Any]:
    """Return what the bridge needs to know of a run."""
    return {
        "status": run.status,
        "workspace": str(run.workspace),
        "workspace_bytes": run.workspace_bytes,
        "files": run.files,
        "directories": sorted(run.directories),
        "outputs": {
            "files": list(run.outputs.files),
            "directories": list(run.outputs.directories),
        },
        "engine_log": run.engine_log or "",
        "jobs": [
            {
                "name": job.name,
                "log": job.log,
                "started": job.started.isoformat(),
                "finished": job.finished.isoformat(),
            }
            for job in run.jobs
        ],
        "started": run.started.isoformat(),
        "finished": run.finished.isoformat(),
    }


def _by_reana(feature: Feature, run: Evidence, interpreter: str) -> Iterator[Judged]:
    with scratch() as home:
        asked, answered = home / "asked.json", home / "answer.json"
        asked.write_text(json.dumps(evidence_document(run)), encoding="utf-8")
        done = subprocess.run(
            # Isolated: no module beside the bridge may pass for one of the parser's.
            announced(
                [interpreter, "-I", str(BRIDGE), str(feature.path), str(asked), str(answered)]
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if not answered.is_file():
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise SpecificationError(
                f"REANA's parser cannot be used by {interpreter}: {last}",
                hint=f"{quoted(interpreter)} -m pip install 'reana-commons>=0.95.0a26'",
            )
        answer = json.loads(answered.read_text(encoding="utf-8"))
    if "error" in answer:
        # It refuses a whole file for one sentence; each scenario is named all the same.
        for scenario in feature.scenarios:
            yield Judged(feature, scenario, "not understood", answer["error"])
        return
    # The parser makes no test of a scenario without steps.
    waiting = [scenario for scenario in feature.scenarios if scenario.steps]
    for scenario in feature.scenarios:
        if not scenario.steps:
            yield Judged(feature, scenario, "not understood", "it has no steps")
    for scenario, one in zip(waiting, answer["scenarios"], strict=True):
        parts = [part for part in (one["step"], one["sentence"]) if part]
        yield Judged(feature, scenario, one["status"], ": ".join(map(_short, parts)))

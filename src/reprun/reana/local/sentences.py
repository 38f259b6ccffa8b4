"""The sentences that REANA's tests may use, and what each asks of a run that has ended.

The sentences are those of REANA's documentation (docs.reana.io, "Running tests") and of
reana-commons 0.95. As there, a sentence is matched as a whole, whatever its case, and what
stands in a place of braces is taken as short as it can be.

Where it differs from REANA, it is the stricter:
quotes around a name are always taken off (REANA looks for `"name"` with its quotes in
`should not include "name"`, which always passes); of a step with several jobs all are looked at
(REANA: one of them).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reprun.digests import CHUNK
from reprun.reana.local.evidence import Evidence, Job
from reprun.reana.local.gherkin import Kind
from reprun.wording import listed

UNITS: Mapping[str, int] = {
    "": 1,
    "B": 1,
    "bytes": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGTP", 1)},
}
CHECKSUMS = ("sha256", "sha512", "md5", "adler32")
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*")
_PLACE = re.compile(r"\{(\w+)\}")


class WrongError(Exception):
    """What was asked does not hold; the text says what holds instead."""


class NotAskedError(Exception):
    """The run is in a state in which the scenario asks nothing."""


class CannotTellError(Exception):
    """Nobody can tell here whether it holds."""


Check = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Forms of one sentence and its check."""

    kind: Kind
    patterns: tuple[re.Pattern[str], ...]
    check: Check


SENTENCES: list[Sentence] = []


def _sentence(kind: Kind, *forms: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        SENTENCES.append(Sentence(kind, tuple(map(_pattern, forms)), check))
        return check

    return add


def _pattern(form: str) -> re.Pattern[str]:
    parts = _PLACE.split(form)
    text = "".join(
        f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def check_of(kind: Kind, text: str) -> Callable[[Evidence], None] | None:
    """Return the check of a sentence; None if REANA knows no such sentence."""
    for sentence in SENTENCES:
        if sentence.kind != kind:
            continue
        for pattern in sentence.patterns:
            if found := pattern.fullmatch(text):
                arguments, check = found.groupdict(), sentence.check
                return lambda evidence: check(evidence, **arguments)
    return None


def _bare(text: str) -> str:
    return text.strip('"')


def _name(text: str) -> str:
    return _bare(text).removeprefix("./").lstrip("/").rstrip("/")


def _bytes(text: str) -> int:
    found = _SIZE.match(_bare(text))
    if found is None or found["unit"] not in UNITS:
        raise WrongError(f"'{text}' is not a size; write bytes, or KiB, MiB, GiB, TiB, PiB")
    return int(float(found["number"]) * UNITS[found["unit"]])


def _number(text: str) -> float:
    try:
        return float(_bare(text))
    except ValueError:
        raise WrongError(f"'{text}' is not a number") from None


def _file(run: Evidence, name: str) -> str:
    """Return the name of a file of the workspace."""
    bare = _name(name)
    if bare not in run.files:
        raise WrongError(f"the workspace has no file {bare}")
    return bare


def _chunks(run: Evidence, name: str) -> Iterator[bytes]:
    """Yield the bytes of a file of the workspace, a piece at a time."""
    with run.open(_file(run, name)) as stream:
        while data := stream.read(CHUNK):
            yield data


def _jobs(run: Evidence, step: str) -> list[Job]:
    jobs = run.jobs_of(_bare(step))
    if not jobs:
        known = listed(dict.fromkeys(job.name for job in run.jobs if job.name), most=8)
        raise WrongError(f"no step is called {_bare(step)}; there are: {known or 'none'}")
    return jobs


# -- when ------------------------------------------------------------------------------------


@_sentence("action", "the workflow execution completes")
def _completes(run: Evidence) -> None:
    if run.status not in ("finished", "failed"):
        raise NotAskedError(f"the workflow is {run.status}")


@_sentence("action", "the workflow is {status}", "the workflow status is {status}")
def _when_status(run: Evidence, status: str) -> None:
    if run.status != _bare(status):
        raise NotAskedError(f"the workflow is {run.status}")


# -- then ------------------------------------------------------------------------------------


@_sentence("outcome", "the workflow should be {status}", "the workflow status should be {status}")
def _status(run: Evidence, status: str) -> None:
    if run.status != _bare(status):
        raise WrongError(f"the workflow is {run.status}")


@_sentence(
    "outcome",
    "the outputs should be included in the workspace",
    "all the outputs should be included in the workspace",
)
def _outputs(run: Evidence) -> None:
    there = {*run.files, *run.directories}
    wanted = (*run.outputs.files, *run.outputs.directories)
    if missing := [name for name in wanted if name not in there]:
        raise WrongError(f"the workspace has no {listed(missing)}")


@_sentence(
    "outcome",
    'the workspace should include "{name}"',
    'the workspace should contain "{name}"',
    "{name} should be in the workspace",
)
def _included(run: Evidence, name: str) -> None:
    if _name(name) not in run.files and _name(name) not in run.directories:
        raise WrongError(f"the workspace has no {_name(name)}")


@_sentence(
    "outcome",
    "the workspace should not include {name}",
    "the workspace should not contain {name}",
    "{name} should not be in the workspace",
)
def _not_included(run: Evidence, name: str) -> None:
    if _name(name) in run.files or _name(name) in run.directories:
        raise WrongError(f"the workspace has {_name(name)}")


def _in_a_job(jobs: list[Job], content: str) -> bool:
    return any(content in job.log for job in jobs)


@_sentence("outcome", 'the logs should contain "{content}"')
def _logs(run: Evidence, content: str) -> None:
    if not _in_a_job(list(run.jobs), content) and content not in (run.engine_log or ""):
        raise WrongError(f'no log contains "{content}"')


@_sentence("outcome", 'the engine logs should contain "{content}"')
def _engine_logs(run: Evidence, content: str) -> None:
    if run.engine_log is None or content not in run.engine_log:
        raise CannotTellError("the log of REANA's own engine is on REANA only")


@_sentence("outcome", 'the job logs should contain "{content}"')
def _job_logs(run: Evidence, content: str) -> None:
    if not _in_a_job(list(run.jobs), content):
        raise WrongError(f'no log of a job contains "{content}"')


@_sentence(
    "outcome",
    'the job logs for the step {step} should contain "{content}"',
    'the job logs for the {step} step should contain "{content}"',
)
def _step_logs(run: Evidence, step: str, content: str) -> None:
    if not _in_a_job(_jobs(run, step), content):
        raise WrongError(f'the log of {_bare(step)} does not contain "{content}"')


@_sentence(
    "outcome",
    'the file {name} should include "{content}"',
    'the file {name} should contain "{content}"',
)
def _content(run: Evidence, name: str, content: str) -> None:
    wanted, end = content.encode(), b""
    for data in _chunks(run, name):
        seen = end + data
        if wanted in seen:
            return
        end = seen[max(len(seen) - len(wanted) + 1, 0) :]  # it may go across two pieces
    if wanted:
        raise WrongError(f'{_name(name)} does not contain "{content}"')


@_sentence("outcome", "the {algorithm} checksum of the file {name} should be {checksum}")
def _checksum(run: Evidence, algorithm: str, name: str, checksum: str) -> None:
    method = _bare(algorithm).lower()
    if method not in CHECKSUMS:
        raise WrongError(f"'{method}' is not a checksum; there are: {', '.join(CHECKSUMS)}")
    wanted = _bare(checksum)
    if method == "adler32":
        wanted = wanted.lower().removeprefix("0x")
        running = 1
        for data in _chunks(run, name):
            running = zlib.adler32(data, running)
        found = f"{running:x}"
    else:
        digest = hashlib.new(method)
        for data in _chunks(run, name):
            digest.update(data)
        found = digest.hexdigest()
    if found != wanted:
        raise WrongError(f"the {method} of {_name(name)} is {found}")


@_sentence("outcome", "the workflow run duration should be less than {minutes} minutes")
def _duration(run: Evidence, minutes: str) -> None:
    took = (run.finished - run.started).total_seconds() / 60
    if took >= _number(minutes):
        raise WrongError(f"the run took {took:.3g} minutes")


@_sentence("outcome", "the duration of the step {step} should be less than {minutes} minutes")
def _step_duration(run: Evidence, step: str, minutes: str) -> None:
    took = max(job.minutes for job in _jobs(run, step))
    if took >= _number(minutes):
        raise WrongError(f"the step {_bare(step)} took {took:.3g} minutes")


@_sentence("outcome", "the size of the file {name} should be exactly {size}")
def _exact_size(run: Evidence, name: str, size: str) -> None:
    file = _file(run, name)
    if run.files[file] != _bytes(size):
        raise WrongError(f"{file} has {run.files[file]} bytes")


@_sentence("outcome", "the size of the file {name} should be between {one} and {other}")
def _size_between(run: Evidence, name: str, one: str, other: str) -> None:
    low, high = sorted((_bytes(one), _bytes(other)))
    file = _file(run, name)
    if not low <= run.files[file] <= high:
        raise WrongError(f"{file} has {run.files[file]} bytes")


@_sentence("outcome", "the workspace size should be less than {size}")
def _workspace_below(run: Evidence, size: str) -> None:
    if run.workspace_bytes > _bytes(size):
        raise WrongError(f"the workspace takes {run.workspace_bytes} bytes")


@_sentence("outcome", "the workspace size should be more than {size}")
def _workspace_above(run: Evidence, size: str) -> None:
    if run.workspace_bytes < _bytes(size):
        raise WrongError(f"the workspace takes {run.workspace_bytes} bytes")

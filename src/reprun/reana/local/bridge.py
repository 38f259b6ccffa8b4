"""Runs a feature file through REANA's own parser, in a Python that has reana-commons.

Started as a program of its own by `acceptance`, never imported by reprun:

    PYTHON bridge.py FEATURE EVIDENCE.json RESULT.json
"""

import datetime as dt
import fnmatch
import json
import sys
from pathlib import Path
from typing import Any

from reana_commons.config import WORKFLOW_TIME_FORMAT
from reana_commons.gherkin_parser.data_fetcher import DataFetcherBase
from reana_commons.gherkin_parser.errors import FeatureFileError, StepDefinitionNotFound
from reana_commons.gherkin_parser.parser import parse_and_run_tests


class Workspace(DataFetcherBase):  # type: ignore[misc]
    """Answers REANA's questions about a run from the evidence, in the shape of its server."""

    def __init__(self, evidence: dict[str, Any]) -> None:
        self._run = evidence

    def list_files(
        self,
        workflow: str,
        file_name: Any = None,
        page: Any = None,
        size: Any = None,
        search: Any = None,
    ) -> list[dict[str, Any]]:
        """Return the files whose name matches."""
        return [
            {"name": name, "size": {"raw": found, "human_readable": f"{found} Bytes"}}
            for name, found in self._run["files"].items()
            if file_name is None or fnmatch.fnmatchcase(name, file_name)
        ]

    def get_workflow_disk_usage(self, workflow: str, parameters: Any) -> dict[str, Any]:
        """Return the room the workspace takes, or each of its paths."""
        if parameters.get("summarize"):
            total = {"name": "", "size": {"raw": self._run["workspace_bytes"]}}
            return {"disk_usage_info": [total]}
        paths = [*self._run["files"], *self._run["directories"]]
        return {"disk_usage_info": [{"name": f"/{path}"} for path in paths]}

    def get_workflow_logs(
        self, workflow: str, steps: Any = None, page: Any = None, size: Any = None
    ) -> dict[str, str]:
        """Return the logs as JSON in a text."""
        jobs = {
            str(number): {
                "job_name": job["name"],
                "logs": job["log"],
                "started_at": _time(job["started"]),
                "finished_at": _time(job["finished"]),
            }
            for number, job in enumerate(self._run["jobs"])
            if steps is None or job["name"] in steps
        }
        engine = self._run["engine_log"]
        logs = {"workflow_logs": engine, "engine_specific": None, "job_logs": jobs}
        return {"logs": json.dumps(logs)}

    def get_workflow_status(self, workflow: str) -> dict[str, Any]:
        """Return status and times."""
        times = {
            "run_started_at": _time(self._run["started"]),
            "run_finished_at": _time(self._run["finished"]),
        }
        return {"status": self._run["status"], "progress": times}

    def get_workflow_specification(self, workflow: str) -> dict[str, Any]:
        """Return what is declared as output."""
        return {"specification": {"outputs": self._run["outputs"]}}

    def download_file(self, workflow: str, file_name: str) -> tuple[bytes, str, bool]:
        """Return the bytes of a file."""
        name = file_name.lstrip("/")
        if name not in self._run["files"]:
            raise FileNotFoundError(f"{name} does not exist.")
        return (Path(self._run["workspace"]) / name).read_bytes(), name, False


def _time(text: str) -> str:
    return dt.datetime.fromisoformat(text).strftime(WORKFLOW_TIME_FORMAT)


def answer(feature: str, evidence: dict[str, Any]) -> dict[str, Any]:
    """Return what REANA's parser says of each scenario, or why it refuses the file."""
    try:
        _, results = parse_and_run_tests(feature, "here", Workspace(evidence))
    except (StepDefinitionNotFound, FeatureFileError) as error:
        return {"error": str(error)}
    return {
        "scenarios": [
            {
                "name": one.scenario,
                "status": one.result.name,
                "step": one.failed_testcase or "",
                "sentence": one.error_log or "",
            }
            for one in results
        ]
    }


if __name__ == "__main__":
    _, _feature, _asked, _told = sys.argv
    _found = answer(_feature, json.loads(Path(_asked).read_text(encoding="utf-8")))
    Path(_told).write_text(json.dumps(_found), encoding="utf-8")

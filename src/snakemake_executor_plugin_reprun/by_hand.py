"""The steps of a Snakemake that somebody started by hand: they run from its own process.

Its Snakefile is the user's own, and so is the directory it works in.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from reprun.documents.project import Project
from reprun.engines.choose import choose_engine, engine_choice, sweep
from reprun.images.catalogue.catalogue import Catalogue
from reprun.store.store import Store
from reprun.workflow.protocol import Plan
from reprun.workflow.steps import SNAKEMAKE_DIRECTORY, echo_to_stderr
from reprun.workflow.supervisor import Cores, Supervisor, Surroundings
from reprun.workflow.workspace import Given, Workspace


class OwnSteps:
    """Runs the steps in the current directory."""

    def __init__(self, engine: str, images: Sequence[str], snakefile: Path, cores: int) -> None:
        store, here = Store.default(), Path.cwd()
        chosen, _ = choose_engine(engine_choice(engine), store)
        sweep(store)
        directories = [Path(directory) for directory in images]
        own = here / SNAKEMAKE_DIRECTORY / "reprun"
        self._supervisor = Supervisor(
            Workspace(here, Given(own)),
            Surroundings(
                engine=chosen,
                store=store,
                images=directories or Catalogue.of(Project.look_up(snakefile.parent)).directories,
                logs=own,
                echo=echo_to_stderr,
            ),
            cores=Cores(cores),
            cancelled=threading.Event(),
        )

    def take_plan(self, plan: Plan) -> bool:
        """Take all jobs; they are to run."""
        self._supervisor.take_plan(plan.steps)
        return True

    def run(self, key: str) -> None:
        """Run a step of the plan; raise why it failed."""
        self._supervisor.run(key)

    def stop(self) -> None:
        """End what is running, and remove what it had half-written."""
        self._supervisor.cancelled.set()
        self._supervisor.wait()
        self._supervisor.clean_up()

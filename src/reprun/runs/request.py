"""What a user asks of a run, besides which run is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reprun.documents.reading import Scalar
from reprun.documents.selection import Selection
from reprun.engines.base import Setting
from reprun.engines.choose import EngineChoice


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    selection: Selection
    parameters: Mapping[str, Scalar] | None = None
    engine: EngineChoice = "auto"
    cores: int | None = None
    update_lock: bool = False
    allow_network: bool = False
    """Let conditions come over a network: what is not locked, and so not hermetic."""
    trust_snakefile: bool = False
    """Execute the Snakefile as the user where no sandbox can be made."""
    again: bool = False
    """Run every step, changed or not."""
    relock_images: bool = False
    """Where locked inputs of the image are gone, build one like it and say so."""
    setting: Setting | None = None
    """What the steps find around them, to see what depends on it; None for what every run has."""

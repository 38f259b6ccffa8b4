"""The code of the examples as modules, so that tests can ask it without a container."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load_code(analysis: str, path: str) -> ModuleType:
    """Load one file of an analysis; it may import only what reprun itself depends on."""
    file = EXAMPLES / analysis / path
    name = f"{analysis}_{file.stem}".replace("-", "_")
    specification = importlib.util.spec_from_file_location(name, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their annotations up there
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # nothing is left in code/
        specification.loader.exec_module(module)
    return module

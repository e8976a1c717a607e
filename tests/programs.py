"""Programs that are run by their path, as modules: those of `benchmarks/`, `docs/` and `models/`."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@functools.cache
def load_program(path: str) -> ModuleType:
    """Return the program at a path below the project's folder; what it imports from beside it is found."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / Path(path).parent)
        spec.loader.exec_module(module)
    return module

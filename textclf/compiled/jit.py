"""How functions are compiled: without Python objects, without the interpreter's lock, and kept for the next process."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core import config

from textclf.compiled import loops_folder

Function = TypeVar("Function", bound=Callable[..., Any])

Number: TypeAlias = Any
"""A number of a kind that Numba finds out: np.uint64, np.uint32, float."""

config.CACHE_DIR = str(loops_folder())  # type: ignore[attr-defined]


def compiled(function: Function) -> Function:
    """Compile a function when it is first called."""
    made: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast("Function", made)

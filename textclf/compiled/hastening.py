"""Whether the compiled steps of training pay; asking imports no Numba."""

from functools import partial

from textclf.compiled import are_available, are_kept, prepare
from textclf.stepping import MakeSteps

_SECONDS_TO_LOAD, _SECONDS_TO_COMPILE = 3.0, 40.0
"""What plain steps would have to take for the compiled ones to be worth loading; or, for once, compiling."""


def quicker_steps(seconds: float, *, threads: int) -> MakeSteps | None:
    """Return how to take steps that plain ones would take so many seconds for, or None if plain ones are as good."""
    if seconds < _SECONDS_TO_LOAD or not are_available():
        return None
    if (seconds < _SECONDS_TO_COMPILE and not are_kept("passes.follow")) or not prepare("passes"):
        return None
    from textclf.compiled.stepping import compiled_steps

    return partial(compiled_steps, threads=threads)

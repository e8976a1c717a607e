"""The work of `features` and `sparse` on many texts as compiled loops: the extra `fast`, which needs Numba.

NumPy's form is the definition, and what runs where Numba is not installed or the input too small for it to pay. Importing
this package imports no Numba.
"""

from importlib.util import find_spec
from pathlib import Path

from textclf.files import user_cache


def are_available() -> bool:
    """Whether Numba is installed."""
    return find_spec("numba") is not None


def is_made() -> bool:
    """Whether the loops were compiled before and kept, so that loading them takes well under a second."""
    return any(_folder().glob("*/loops.sum_texts-*.nbi"))


def prepare() -> bool:
    """Make Numba keep what it compiles in the user's cache folder; False if the loops cannot be used here."""
    try:
        import numba

        if not numba.config.CACHE_DIR:  # which $NUMBA_CACHE_DIR sets
            numba.config.CACHE_DIR = str(_folder())
        import textclf.compiled.loops  # noqa: F401
    except (ImportError, RuntimeError):  # RuntimeError: there is no folder to keep them in
        return False
    return True


def _folder() -> Path:
    return user_cache("compiled")

"""The work of `features` and `sparse` on many texts, and steps of training, as compiled loops: the extra `fast`.

It needs Numba. NumPy's form is the definition, and what runs where Numba is not installed or the input too small for
it to pay.
Importing this package imports no Numba.
"""

import hashlib
import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from textclf.files import user_cache


def are_available() -> bool:
    """Whether Numba is installed."""
    return find_spec("numba") is not None


def are_kept(last: str = "loops.sum_texts") -> bool:
    """Whether the loops up to this one were compiled before and kept, so that loading them takes about a second."""
    return any(loops_folder().glob(f"*/{last}-*.nbi"))


def prepare(name: str = "loops") -> bool:
    """Import these loops; return False if they cannot be used here: no Numba, or no folder to keep them in."""
    folder = loops_folder()
    try:
        # Else Numba would take the folder of the sources, where nothing tells old loops from new ones.
        folder.mkdir(parents=True, exist_ok=True)
        import_module(f"{__name__}.{name}")
    except (OSError, ImportError):
        return False
    return os.access(folder, os.W_OK)


@cache
def loops_folder() -> Path:
    """Return where compiled loops are kept: in $NUMBA_CACHE_DIR or the user's cache, for these sources alone.

    Numba by itself looks at the file that a function is in, not at those of the functions that it calls.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(chosen) if chosen else user_cache("compiled")) / digest[:16]

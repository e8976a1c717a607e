"""Reads a native fastText file and writes its word vectors as plain arrays; runs as a process of its own, with limits.

Called by path with the file and a folder; the words go to ``words`` (separated by NUL), the vectors to ``matrix.npy``.
"""

import sys
from contextlib import suppress
from pathlib import Path

_LEAST_MEMORY = 4 << 30


def main(source: Path, folder: Path) -> None:
    """Read `source` within a memory limit and write what it holds into `folder`."""
    _limit_memory(max(_LEAST_MEMORY, 6 * source.stat().st_size))
    import numpy as np
    from gensim.models.fasttext import load_facebook_vectors

    vectors = load_facebook_vectors(str(source))
    np.save(folder / "matrix.npy", np.asarray(vectors.vectors, np.float32), allow_pickle=False)
    (folder / "words").write_bytes("\0".join(word or "" for word in vectors.index_to_key).encode("utf-8", "replace"))


def _limit_memory(limit: int) -> None:
    """Bound what this process may take, where the system has such limits: Windows has none, macOS refuses this one."""
    if sys.platform == "win32":
        return
    import resource

    for kind, bound in ((resource.RLIMIT_AS, limit), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except BaseException as error:
        sys.exit(f"{type(error).__name__}: {error}")

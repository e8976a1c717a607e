"""Call the command line in this process, which has NumPy and SciPy already: a new one would import them again."""

import io
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from textclf.cli import run


def captured(work: Callable[[], int], folder: Path, given: str = "") -> tuple[int, str, str]:
    """Do work in a folder, with this on standard input; return its exit code, and what it said on both streams."""
    out, talk = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(talk),
    ):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8"))
        code = work()
    written, said = (stream.buffer.getvalue().decode() for stream in (out, talk))
    return code, written, said


def textclf(*arguments: object, folder: Path, stdin: str = "", code: int = 0) -> tuple[str, str]:
    """Run the command line in a folder, which must end with this code; return standard output and standard error."""
    found, out, talk = captured(lambda: run([*map(str, arguments)]), folder, stdin)
    assert found == code, talk
    assert "Traceback" not in talk
    return out, talk

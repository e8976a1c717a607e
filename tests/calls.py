"""Call the command line in this process, which has NumPy and SciPy already: a new one would import them again."""

import io
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from textclf.cli import run


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def captured(work: Callable[[], int], stdin: bytes = b"", folder: Path = Path()) -> Outcome:
    """Do work in a folder, with this on standard input, and return what it did."""
    streams = [io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="") for content in (stdin, b"", b"")]
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        code = work()
    for stream in streams[1:]:
        stream.flush()
    return Outcome(code, *(stream.buffer.getvalue().decode("utf-8") for stream in streams[1:]))


def textclf(*arguments: object, folder: Path, stdin: str = "", code: int = 0) -> tuple[str, str]:
    """Run the command line in a folder, which must end with this code; return standard output and standard error."""
    done = captured(lambda: run([*map(str, arguments)]), stdin.encode(), folder)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    return done.out, done.err

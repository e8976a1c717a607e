"""Where a report comes from: the command, when, how long, on which files, by which programs on which machine."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from textclf import __version__
from textclf.storage.files import sha256


@dataclass(frozen=True)
class Fact:
    """A name and a value of a table of facts."""

    name: str
    value: str


@dataclass(frozen=True)
class RunDetails:
    """What a report says of its making; the same run and the same figures make the same report."""

    command: str
    facts: tuple[Fact, ...]

    @staticmethod
    def of(command: str, files: Mapping[str, Path | None], *, seconds: float) -> "RunDetails":
        """Describe the run that now comes to its end; `files`: what each file that was read is, "-" for a stream."""
        facts = [Fact("date", datetime.now().astimezone().isoformat(" ", "minutes"))]
        facts += [Fact("time taken", f"{seconds:,.1f} s")]
        for what, path in files.items():
            if path is not None:
                facts += _of_file(what, path)
        facts += [
            Fact("textclf", __version__),
            Fact("Python", platform.python_version()),
            Fact("NumPy", np.__version__),
            *(Fact(name, version(name)) for name in ("scipy", "gensim") if find_spec(name) is not None),
            Fact("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
        ]
        return RunDetails(command, tuple(facts))


def _of_file(what: str, path: Path) -> list[Fact]:
    if not path.is_file():
        return [Fact(what, "standard input" if str(path) == "-" else str(path))]
    return [Fact(what, f"{path.name} ({path.stat().st_size:,} bytes)"), Fact(f"SHA-256 of {what}", sha256(path))]

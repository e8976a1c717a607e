"""Pages to look at in a browser: one HTML file made from a template, everything in it escaped, loading nothing.

A report also says where it comes from: the command, when, how long, on which files, by which programs and machine.
"""

import functools
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf import __version__
from textclf.errors import spell
from textclf.model.file import FileFacts
from textclf.storage.files import sha256, write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST_LABEL = 120
LONGEST_SHOWN = 1200
"""Characters of a text whose words are of interest."""
_LONGEST_TEXT = 400


def write_page(path: Path, template: str, **values: Any) -> None:  # noqa: ANN401 - whatever the template shows
    """Write the page that a template makes of these values, whole or not at all."""
    html = _templates().get_template(template).render(**values)
    with write_whole(path) as stream:
        stream.write(html.encode("utf-8", "backslashreplace"))


@functools.cache
def _templates() -> "Environment":
    """Return the templates, each of which is compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                        loader=PackageLoader("textclf.report", "templates"))  # fmt: skip
    found.filters["text"] = lambda value: truncate(value, _LONGEST_TEXT)
    found.filters["long"] = lambda value: truncate(value, LONGEST_SHOWN)
    found.filters["label"] = lambda value: truncate(value, LONGEST_LABEL)
    found.filters["shown"] = spell
    found.filters["passage"] = lambda value: "\n".join(map(spell, value.split("\n")))  # its line breaks stand
    return found


def truncate(value: str, longest: int) -> str:
    """Return text for people, of at most so many characters."""
    return spell(value[:longest]) + ("…" if len(value) > longest else "")


# --- where a report comes from ---------------------------------------------------------------------------------------


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
    def of(command: str, files: Iterable[Fact], *, seconds: float) -> "RunDetails":
        """Describe the run that now comes to its end; `files`: what `describe_files` said of those that it read."""
        facts = [
            Fact("date", datetime.now().astimezone().isoformat(" ", "minutes")),
            Fact("time taken", f"{seconds:,.1f} s"),
            *files,
            Fact("textclf", __version__),
            Fact("Python", platform.python_version()),
            Fact("NumPy", np.__version__),
            *(Fact(name, version(name)) for name in ("scipy", "gensim") if find_spec(name) is not None),
            Fact("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
        ]
        return RunDetails(command, tuple(facts))


def describe_files(files: Mapping[str, Path | FileFacts | None]) -> list[Fact]:
    """Return the name, size and SHA-256 of what each file is now, or was when it was read.

    "-" is a stream, None a file that there is not.
    """
    return [fact for what, file in files.items() if file is not None for fact in _describe_file(what, file)]


def _describe_file(what: str, file: Path | FileFacts) -> list[Fact]:
    if isinstance(file, FileFacts):
        return _file_facts(what, file.name, file.bytes, file.sha256)
    if not file.is_file():
        return [Fact(what, "standard input" if str(file) == "-" else str(file))]
    try:
        return _file_facts(what, file.name, file.stat().st_size, sha256(file))
    except OSError:
        return [Fact(what, str(file))]  # who reads it says what is wrong


def _file_facts(what: str, name: str, size: int, digest: str) -> list[Fact]:
    return [Fact(what, f"{name} ({size:,} bytes)"), Fact(f"SHA-256 of {what}", digest)]

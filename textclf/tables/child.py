"""Run the program that reads Parquet and Excel files: a damaged file may abort it, and never this one."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

from textclf.errors import DataError, require_packages
from textclf.tables.records import clip
from textclf.tables.source import display_name

CHILD = Path(__file__).with_name("reader_child.py")
_FILE, _MACHINE, _LIMIT = 3, 4, 5
"""What the child says is at fault, by its exit code."""
_MOST_WAITING = 30
"""How many times the processor time that the child may take it may take by the clock."""
_MEMORY_FLOOR = 8 << 30
"""Bytes of address space that the child may take beside thirty times the file: allocators reserve more than is used."""


def run_child(child: Path, arguments: list[str], path: Path, *, package: str, extra: str, kind: str) -> None:
    """Run the program `child` on the file `path`, with limits of memory and time in proportion to the file.

    `package` is what it imports, the extra `extra` installs it, and `kind` names the file in messages. Raises DataError
    when the file is damaged, takes too much, or cannot be unpacked here; of it ReaderDiedError when the child ends
    without a word.
    """
    from tempfile import gettempdir  # now: help has no use for it

    name = display_name(path)
    require_packages(name, package, extra=extra)
    size = path.stat().st_size
    found = importlib.util.find_spec(package)
    library = str(Path(str(found.origin)).parents[1]) if found else ""
    seconds = 60 + size // 1_000_000
    memory = _MEMORY_FLOOR + 30 * size
    command = [sys.executable, "-I", str(child), *arguments, str(memory), str(seconds), library]
    too_long = f"{name}: expected a {kind}, found none that is read in {seconds} s. Write it again."
    try:
        # The child's limit is processor time: on a machine that is busy with other things a sound file takes long.
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_MOST_WAITING * seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(too_long) from error
    if sys.platform != "win32" and done.returncode == -signal.SIGXCPU:
        raise DataError(too_long)
    if not done.returncode:
        return
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = clip(said[-1], 120) if said else ""
    if done.returncode == _MACHINE:
        raise DataError(
            f"{name}: cannot be unpacked on this machine ({reason}). Free space in {gettempdir()}, or set TMPDIR."
        )
    if done.returncode == _LIMIT or any("memory allocation" in line for line in said):
        raise DataError(
            f"{name}: expected a {kind} that is read in {memory >> 20:,} MiB of memory, found that it needs more."
            f" {_ADVICE.get(package, 'Split the file.')}"
        )
    if done.returncode == _FILE and said:
        raise DataError(damage_error(name, kind, said[-1]))
    raise ReaderDiedError(damage_error(name, kind, f"the reader died, code {done.returncode}"))


_ADVICE = {"python_calamine": "Delete cells that stand far below or right of the table, or save it as CSV."}


class ReaderDiedError(DataError):
    """The child ended without a word, as it does at some damaged columns."""


def damage_error(name: str, kind: str, reason: str) -> str:
    """Return what to say of a damaged file."""
    return f"{name}: expected a sound {kind}, found a damaged one ({clip(reason, 120)}). Write it again."

"""How a run ends by Ctrl-C or SIGTERM: at once, with outputs whole, and with a word on how to go on."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from textclf.cli.console import given_arguments, warn
from textclf.errors import OutputError

if TYPE_CHECKING:
    from textclf.training.checkpoint import CheckpointFile

INTERRUPTED, TERMINATED = 130, 143
"""The exit codes of a run that Ctrl-C, or SIGTERM, ended: 128 and the signal's number."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the run is left the same way as by Ctrl-C."""


def take_signals() -> None:
    """From now on SIGTERM too unwinds the run, so that temporary files go and child processes are ended."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else it was ignored on purpose, or is another's
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def outcome(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message of a run that was stopped; click puts its own error around ours."""
    cause = error.__cause__ if isinstance(error, click.Abort) and error.__cause__ is not None else error
    code = TERMINATED if isinstance(cause, Terminated) else INTERRUPTED
    notes = getattr(cause, "__notes__", [])
    return code, "; ".join(["stopped", *notes]) if notes else "stopped."  # a command to copy ends without a full stop


@contextmanager
def going_on_later(checkpoint: "CheckpointFile") -> Iterator[None]:
    """When the block is stopped, write the checkpoint, and let the message say how to go on; else remove it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        try:
            checkpoint.write()
        except OutputError as error:
            stop.add_note(str(error).removesuffix("."))
        if checkpoint.path.exists():
            stop.add_note(f"go on with: {_command_to_go_on()}")
        raise
    if checkpoint.trouble is not None:
        warn(str(checkpoint.trouble))
    checkpoint.remove()


def _command_to_go_on() -> str:
    arguments = given_arguments()
    return shlex.join(["textclf", *arguments, *([] if "--resume" in arguments else ["--resume"])])

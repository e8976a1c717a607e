"""How a run ends by Ctrl-C, SIGTERM or SIGHUP: at once, with outputs whole, and with a message on how to resume.

Windows has Ctrl-Break instead of SIGHUP.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from textclf.cli.console import command_line, list_given_arguments, warn
from textclf.errors import OutputError

if TYPE_CHECKING:
    from textclf.training.checkpoint import CheckpointFile

_OF_SHELLS = 128
"""The exit code of a run that a signal ended is this and the signal's number."""
_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform == "win32":
    _SIGNALS += (signal.SIGBREAK,)
else:
    _SIGNALS += (signal.SIGHUP,)
_PAUSE = 0.01  # seconds, in which what frees the object ends
_came: list[int] = []


class Stopped(KeyboardInterrupt):
    """A signal came: Ctrl-C, SIGTERM, or SIGHUP of a terminal that was closed."""


def take_signals() -> None:
    """From now on these signals unwind the run, so that temporary files go and child processes are ended."""
    for number in _SIGNALS:
        # Another handler is somebody else's, and one that ignores was set on purpose, as by nohup.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)
    sys.unraisablehook = _raise_again


def ignore_signals() -> None:
    """From now on the process ends by itself, with the exit code that it has: nothing is left to be stopped."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    raise Stopped


def _raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that fell where Python passes over errors, as while it frees an object: it would be lost."""
    if isinstance(lost.exc_value, Stopped):
        threading.Timer(_PAUSE, _send, (_came[-1],)).start()
    else:
        sys.__unraisablehook__(lost)


def _send(number: int) -> None:
    """Send a signal to the main thread, and end what it waits for, where the system can."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        signal.raise_signal(number)
    else:
        signal.pthread_kill(main, number)


def exit_code() -> int | None:
    """Return the exit code of a run that a signal stopped; None when none came.

    A signal falls anywhere, also where a library makes another error of it: that error too is the signal's.
    """
    return _OF_SHELLS + _came[0] if _came else None


def outcome(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message of a run that was stopped; click puts its own error around ours."""
    cause = error.__cause__ if isinstance(error, click.Abort) and error.__cause__ is not None else error
    code = exit_code() or _OF_SHELLS + signal.SIGINT
    notes = getattr(cause, "__notes__", [])
    return code, "; ".join(["stopped", *notes]) if notes else "stopped."  # a command to copy ends without a full stop


@contextmanager
def resumable(checkpoint: "CheckpointFile") -> Iterator[None]:
    """When the block is stopped, write the checkpoint, and let the message say how to resume; else remove it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        try:
            checkpoint.write()
        except OutputError as error:
            stop.add_note(str(error).removesuffix("."))
        if checkpoint.path.exists():
            stop.add_note(f"resume with: {_command_to_resume()}")
        raise
    if checkpoint.trouble is not None:
        warn(str(checkpoint.trouble))
    checkpoint.remove()


def _command_to_resume() -> str:
    arguments = list_given_arguments()
    return command_line([*arguments, *([] if "--resume" in arguments else ["--resume"])])

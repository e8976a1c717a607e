"""The command line: ``textclf COMMAND``. A command's module is imported when the command is called."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

import click

from textclf import __version__
from textclf.cli import signals
from textclf.cli.config import add_options, from_file
from textclf.cli.console import ARGUMENTS, talk
from textclf.errors import TextclfError, spell

# Each command: the heading it stands under, and its one line of help (kept here, so that --help imports no command).
COMMANDS = {
    "train": ("Main commands", "Train a classifier on a table of texts and labels."),
    "evaluate": ("Main commands", "Measure a model on a table of texts and labels."),
    "predict": ("Main commands", "Label sentences, or every row of a table."),
    "serve": ("Main commands", "Serve models over HTTP, with a page to try them."),
    "tune": ("Main commands", "Search settings for a given time, and train with the best."),
    "check": ("Data and quality", "Find errors in a table before training: copies, typos, damage."),
    "split": ("Data and quality", "Split a table into a training table and a test table."),
    "label": ("Data and quality", "Label rows on a page in the browser, the most useful first."),
    "suggest": ("Data and quality", "Choose the rows to label next: those that teach a model most."),
    "curve": ("Data and quality", "Forecast how much more rows would help."),
    "compare": ("Data and quality", "Compare models on the same rows, with significance tests."),
    "explain": ("Data and quality", "Show what each word adds to the score of a label."),
    "info": ("Models and vectors", "Show what a model file holds and how it was made."),
    "export": ("Models and vectors", "Write a smaller model, JavaScript, a page, or ONNX."),
    "vectors": ("Models and vectors", "Inspect, train and cache word vectors."),
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, each imported only when it is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, and keep them as they are for reports, which say how they were made."""
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands, the main ones first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"textclf.cli.commands.{cmd_name}").command
        if not isinstance(command, click.Group):
            add_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; a misspelt one is answered with the nearest name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None and not isinstance(command, click.Group):
            ctx.default_map = {name: from_file(command, rest, ctx)}
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        for heading in dict.fromkeys(heading for heading, _ in COMMANDS.values()):
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (place, text) in COMMANDS.items() if place == heading])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="textclf")
def cli() -> None:
    """Classify texts: train on a table of examples, evaluate, and label new texts.

    \b
    textclf train reviews.csv -o sentiment.safetensors
    textclf evaluate sentiment.safetensors test.csv
    textclf predict sentiment.safetensors "A film that stays with you."
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 done, 1 wrong data or files, 2 wrong usage, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM.
    """
    fill_closed_streams()
    spell_out_what_streams_lack()
    try:
        signals.take_signals()
        code = run(arguments)
        signals.ignore_signals()
    except KeyboardInterrupt as error:  # it came before the run began, or after its end
        code, message = signals.outcome(error)
        _fail(message)
    if code == signals.exit_code():
        # Where the signal falls into the import of a module, Python would end itself by the signal, whatever the code.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. No traceback reaches the user."""
    try:
        outcome = cli.main(args=arguments, prog_name="textclf", standalone_mode=False)
        sys.stdout.flush()
        if isinstance(outcome, int):  # of a command that left with an exit code: click hands it back
            return outcome
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TextclfError as error:
        return _fail(str(error))
    except (click.Abort, KeyboardInterrupt) as error:
        code, message = signals.outcome(error)
        return _fail(message, code)
    except (BrokenPipeError, SystemExit):  # the latter is what click makes of the former
        _drop_output()  # whoever read our output has left; nothing is wrong
        return 0
    except OSError as error:
        message = _system_fault(error)
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _drop_output()
        return _fail(message)
    except Exception as error:  # what no one thought of: still one line
        return _fail(_unexpected(error))
    return 0


def _system_fault(error: OSError) -> str:
    if error.errno == errno.EBADF:
        _drop_output()
        return "standard output: cannot be written, it is closed. Open it, or redirect it into a file."
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}. Check the name, the permissions and the free space."


def _unexpected(error: Exception) -> str:
    """Return what to say: that memory was not enough, or the place of a fault for whoever fixes it."""
    if _is_lack_of_memory(error):
        return "the memory is not enough for this. Use fewer rows, smaller vectors, or a larger machine."
    import traceback

    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return f"unexpected {type(error).__name__} at {place} ({error}). This is a fault in textclf: report it."


def fill_closed_streams() -> None:
    """Put something in the place of a standard stream that was closed when the program was started.

    A result must not vanish: writing to the standard output fails then. And no file that is opened later
    may get its number, for what libraries say would end up in it.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def spell_out_what_streams_lack() -> None:
    """Let characters that the encoding of a standard stream does not have be written as escapes: nothing is lost."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let what is still to be written go nowhere: Python must not complain about it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_lack_of_memory(error: Exception) -> bool:
    """Return whether there was no memory left: for an array, for a thread's stack, or for a library's code."""
    ends = ("can't start new thread", "failed to map segment from shared object", "Cannot allocate memory")
    return isinstance(error, MemoryError) or str(error).endswith(ends)


def _fail(message: str, code: int = 1) -> int:
    stopped = signals.exit_code()
    if stopped is not None and not message.startswith("stopped"):  # another error that a library made of it
        message = "stopped."
    code = stopped or code
    # One line: what a file holds may hold line breaks and control characters, and none of them reaches the terminal.
    talk(f"Error: {spell(message)}")
    return code

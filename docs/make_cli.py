"""Write docs/reference/cli.md, the reference of the command line, from the program: ``python docs/make_cli.py``."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from textclf.cli import COMMANDS, LazyGroup, cli
from textclf.cli.options import sections

HEAD = """# The command line

Made from the program by `python docs/make_cli.py`; a test holds this page to it. What the commands are for, and what
comes out, is told in [usage](../how-to/usage.md).

    textclf [--version] [--help] COMMAND [OPTIONS] [ARGUMENTS]

Results go to standard output, talk to standard error. The exit code is 0 when the work is done, 1 when data or files
are wrong, 2 when the call is, 130 after Ctrl-C. `NO_COLOR` in the environment turns colours off; without a terminal
there are none. Names are completed by the shell after `eval "$(_TEXTCLF_COMPLETE=bash_source textclf)"` in `.bashrc`
(`zsh_source` in `.zshrc`, `fish_source` likewise).
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(text for name in COMMANDS for text in _described(command(name), f"textclf {name}"))


def command(name: str) -> click.Command:
    """Return a command of the program."""
    assert isinstance(cli, LazyGroup)
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def examples(given: click.Command) -> list[str]:
    """Return the example calls in a command's help."""
    help_text = inspect.cleandoc(given.help or "")
    return [line.strip() for line in help_text.splitlines() if re.match(r"\s*(textclf|cat) ", line)]


def _described(given: click.Command, path: str) -> Iterator[str]:
    if isinstance(given, click.Group):
        yield f"\n## {path}\n\n{_prose(given)}\n"
        for name, each in given.commands.items():
            yield from _described(each, f"{path} {name}")
        return
    context = click.Context(given, info_name=path)
    usage = " ".join([path, *given.collect_usage_pieces(context)])
    yield f"\n## {path}\n\n    {usage}\n\n{_prose(given)}\n"
    if examples(given):
        yield "\n" + "\n".join(f"    {line}" for line in examples(given)) + "\n"
    for heading, parameters in sections(given, context):
        rows = [parameter.get_help_record(context) for parameter in parameters if "--help" not in parameter.opts]
        if rows:
            yield f"\n| {heading.lower()} | |\n|---|---|\n"
            yield "".join(f"| `{_cell(name)}` | {_cell(text)} |\n" for name, text in filter(None, rows))


def _prose(given: click.Command) -> str:
    paragraphs = inspect.cleandoc(given.help or "").split("\n\n")
    kept = [" ".join(part.split()) for part in paragraphs if "\b" not in part]
    return "\n\n".join(kept)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    (Path(__file__).parent / "reference" / "cli.md").write_text(page(), "utf-8")

"""Write docs/reference/cli.md, the reference of the command line, from the program: ``python docs/make_cli.py``."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from textclf.cli import COMMANDS, LazyGroup, cli
from textclf.cli.options import sections

HEAD = """# The command line

`python docs/make_cli.py` generates this page from the program, and a test compares the two.

    textclf [--version] [--help] COMMAND [OPTIONS] [ARGUMENTS]

* **Streams.** Results go to stdout, messages and progress to stderr.
* **Exit codes.** 0: done. 1: the data or the files are wrong. 2: the call is wrong. 130, 143, 129: stopped by Ctrl-C,
  SIGTERM, SIGHUP.
* **Outputs.** An output is written whole or not at all. Until it is complete, an old file of that name stays.
* **Options from a file.** `--config FILE` reads options from TOML; options of the call win. `--print-config` prints the
  TOML of a call.
* **Colours.** `NO_COLOR` turns colours off. Without a terminal there are none.
* **Completion.** Put `eval "$(_TEXTCLF_COMPLETE=bash_source textclf)"` into `.bashrc` (`zsh_source` for zsh,
  `fish_source` for fish).
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

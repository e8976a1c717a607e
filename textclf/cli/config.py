"""Options from a file: ``--config FILE`` reads them, ``--print-config`` writes those that reproduce a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from textclf.cli.values import fetch_input
from textclf.errors import TextclfError

_OWN = ("config", "print_config")

Values = dict[str, Any]


def add_options(command: click.Command) -> None:
    """Add both options to a command, once."""
    if any(parameter.name == "config" for parameter in command.params):
        return
    command.params += [
        click.Option(
            ["--config"],
            metavar="FILE",
            expose_value=False,
            help="Take options from a TOML file; those given here win.",
        ),
        click.Option(
            ["--print-config"],
            is_flag=True,
            expose_value=False,
            help="Print the TOML of this call, and do nothing else.",
        ),
    ]


def from_file(command: click.Command, arguments: Sequence[str], ctx: click.Context) -> Values:
    """Return, by parameter, what the file of ``--config`` says; nothing where none is named.

    With ``--print-config`` the options of file and call are printed and the program ends. Raises TextclfError when the
    file cannot be read or names an option that the command does not have.
    """
    of_command = click.Context(command, info_name=command.name, parent=ctx)
    given = _given(command, arguments, of_command)
    source = given.get("config")
    values = _read(fetch_input(source, ctx), command) if source else {}
    if given.get("print_config"):
        click.echo(_as_toml({**values, **given}, of_command), nl=False)
        raise click.exceptions.Exit(0)
    return values


def _given(command: click.Command, arguments: Sequence[str], ctx: click.Context) -> Values:
    """Return the options and arguments that stand in the call, as they are written."""
    values, _, _ = command.make_parser(ctx).parse_args(list(arguments))
    return {name: value for name, value in values.items() if value not in (None, ()) and isinstance(value, _PLAIN)}


_PLAIN = (str, int, float, bool, list, tuple)


def _read(path: Path, command: click.Command) -> Values:
    import tomllib
    from difflib import get_close_matches

    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise TextclfError(f"{path}: cannot be read ({error.strerror}). Check the name.") from error
    except (ValueError, RecursionError) as error:
        raise TextclfError(f'{path}: expected TOML such as recipe = "best", found something else ({error}).') from None
    names = {_name(parameter): parameter for parameter in command.params if parameter.name not in _OWN}
    values: Values = {}
    for key, value in content.items():
        parameter = names.get(key.replace("_", "-"))
        if parameter is None:
            near = get_close_matches(key, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(sorted(names))}."
            raise TextclfError(f"{path}: expected options of textclf {command.name}, found {key!r}.{hint}")
        if not isinstance(value, _PLAIN):
            raise TextclfError(f"{path}: expected text, a number, true or false for {key!r}, found another value.")
        is_flag = isinstance(parameter, click.Option) and parameter.is_flag
        if is_flag != isinstance(value, bool):
            wanted = "true or false" if is_flag else "text or a number"
            raise TextclfError(f"{path}: expected {wanted} for {key!r}, found {value!r}.")
        takes_several = parameter.nargs != 1 or (isinstance(parameter, click.Option) and parameter.multiple)
        if isinstance(value, list) and not takes_several:
            raise TextclfError(f"{path}: expected text or a number for {key!r}, found {value!r}.")
        values[str(parameter.name)] = value if is_flag else _as_written(value, takes_several)
    return values


def _as_written(value: Any, takes_several: bool) -> str | list[str]:
    """Return a value as it would stand in a call, which is what the types of options know how to read."""
    if takes_several:
        return [str(each) for each in (value if isinstance(value, list) else [value])]
    return str(value)


def _as_toml(values: Values, ctx: click.Context) -> str:
    """Return the values as TOML, in the order of the command's help."""
    lines = [
        f"{_name(parameter)} = {_toml(values[str(parameter.name)], parameter, ctx)}\n"
        for parameter in ctx.command.params
        if parameter.name in values and parameter.name not in _OWN
    ]
    return f"# textclf {ctx.command.name}\n{''.join(lines)}"


def _name(parameter: click.Parameter) -> str:
    """Return the longest name of an option, without its dashes; an argument's own."""
    if isinstance(parameter, click.Argument):
        return str(parameter.name)
    return max(parameter.opts, key=len).lstrip("-")


def _toml(value: Any, parameter: click.Parameter, ctx: click.Context) -> str:
    import json

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each, parameter, ctx) for each in value)}]"
    if isinstance(value, str) and isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
        return repr(parameter.type_cast_value(ctx, value))
    # JSON's strings are TOML's, but for the control character that JSON may leave as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)

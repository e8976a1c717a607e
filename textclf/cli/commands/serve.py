"""``textclf serve``: answer over HTTP, with a page to try models on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from textclf.cli.console import say, warn
from textclf.cli.options import INPUT, Command, list_given_options, quiet_option, section, takes, threads_option
from textclf.errors import TextclfError
from textclf.serve import (
    ServeLimits,
    ServeSettings,
    check_host,
    check_origin,
    check_serve_available,
    name_models,
    read_token,
    serve,
)

_LIMITS = ServeLimits()
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Which models are served, where, to whom, and within which limits."""

    models: tuple[str, ...]
    host: str
    port: int
    token_file: Path | None
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    keep_alive: int
    max_body: int
    max_upload: int
    max_texts: int
    max_characters: int
    max_seconds: float
    log_requests: bool
    threads: int
    quiet: bool

    @property
    def limits(self) -> ServeLimits:
        """The limits as the service takes them."""
        return ServeLimits(
            body=self.max_body * _MIB,
            upload=self.max_upload * _MIB,
            texts=self.max_texts,
            characters=self.max_characters,
            seconds=self.max_seconds,
        )

    def check_usage(self) -> None:
        """Raise UsageError where an option has no effect beside another."""
        if "*" in self.origins and len(self.origins) > 1:
            raise click.UsageError("--allow-origin * allows all origins: the others have no effect. Leave them out.")
        if "max_characters" in list_given_options() and self.max_characters > self.max_body * _MIB:
            raise click.UsageError(
                f"--max-characters {self.max_characters} has no effect: a request of --max-body {self.max_body} MiB has"
                " no text as long. Raise that."
            )


class _CheckedText(click.ParamType[str]):
    """A text that a function checks, and returns as it is to be taken."""

    def __init__(self, name: str, check: Callable[[str], str]) -> None:
        self.name = name
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is to be taken; fails where the function refuses it."""
        try:
            return self._check(value)
        except TextclfError as error:
            self.fail(str(error), param, ctx)


@click.command("serve", cls=Command, short_help="Serve models over HTTP, with a page to try them.")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@section(
    "Address and access",
    click.option(
        "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all addresses."
    ),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0 for any."
    ),
    click.option("--token-file", type=INPUT, help="Require the token in this file from every client."),
    click.option(
        "--allow-host",
        "hosts",
        type=_CheckedText("host", check_host),
        multiple=True,
        metavar="NAME",
        help="Host name of the service; repeatable.",
    ),
    click.option(
        "--allow-origin",
        "origins",
        type=_CheckedText("origin", check_origin),
        multiple=True,
        metavar="ORIGIN",
        help="Origin of web pages that may send requests, such as https://app.example.org; * for all; repeatable.",
    ),
    click.option(
        "--keep-alive",
        type=click.IntRange(1, 3600),
        default=5,
        show_default=True,
        metavar="SECONDS",
        help="Time that an idle connection stays open; longer than the proxy keeps one.",
    ),
)
@section(
    "Limits",
    click.option("--max-body", type=click.IntRange(1, 64), default=_LIMITS.body // _MIB, show_default=True,
                 metavar="MIB", help="Largest request."),
    click.option("--max-upload", type=click.IntRange(1, 1 << 20), default=_LIMITS.upload // _MIB, show_default=True,
                 metavar="MIB", help="Largest table to label."),
    click.option("--max-texts", type=click.IntRange(1, 100_000), default=_LIMITS.texts, show_default=True,
                 help="Largest number of texts in a request."),
    click.option("--max-characters", type=click.IntRange(1, 1 << 24), default=_LIMITS.characters, show_default=True,
                 help="Largest number of characters in a text."),
    click.option("--max-seconds", type=click.FloatRange(0.1, 3600), default=_LIMITS.seconds, show_default=True,
                 help="Longest time that a request may wait."),
)  # fmt: skip
@section(
    "Running",
    click.option("--log-requests", is_flag=True, help="Log a line for each request: path, status and time, no text."),
    threads_option,
    quiet_option,
)
@takes(ServeOptions)
def command(options: ServeOptions) -> None:
    """Serve one or more MODELs over HTTP: a JSON API, and at / a page to try them on.

    A MODEL is a file, or NAME=FILE. Without NAME it has the name of its file without the ending. A file that changes
    replaces its model, and no request is lost. Ctrl-C and SIGTERM let open requests finish, then stop.

    \b
    textclf serve model.safetensors
    textclf serve old=a.safetensors new=b.safetensors --port 8080
    curl -d '{"texts": ["A film that stays with you."]}' -H 'Content-Type: application/json' localhost:8000/predict
    """
    options.check_usage()
    check_serve_available()
    token = None if options.token_file is None else read_token(options.token_file)
    host, quiet = options.host, options.quiet
    settings = ServeSettings(
        name_models(options.models), host, options.port, token, options.hosts, options.origins, options.keep_alive,
        options.threads, options.log_requests, options.limits,
    )  # fmt: skip
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        warn(f"{host}: anyone who reaches this address can send requests. Use --token-file, or a proxy with a login.")
    serve(settings, lambda address: say(f"{', '.join(settings.models)} at {address} (Ctrl-C stops)", quiet=quiet))

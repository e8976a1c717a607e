"""``textclf serve``: answer over HTTP, with a page to try models on."""

from pathlib import Path

import click

from textclf.cli.options import FILE, quiet_option, threads_option
from textclf.cli.output import say, warn
from textclf.errors import TextclfError
from textclf.serve import ServeLimits, ServeSettings, check_available, check_origin, name_models, read_token, serve

_LIMITS = ServeLimits()
_MIB = 1 << 20


def _check_origins(_context: click.Context, _parameter: click.Parameter, origins: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(map(check_origin, origins))
    except TextclfError as error:
        raise click.BadParameter(str(error)) from None


@click.command("serve", short_help="Answer over HTTP, with a page to try models on.")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for everywhere.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 for any.")
@click.option("--token-file", type=FILE, help="Answer only to those who send the token in this file.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that the service is reached by.")
@click.option("--allow-origin", "origins", multiple=True, metavar="ORIGIN", callback=_check_origins,
              help="A web page that may ask, such as https://app.example.org; * for all.")  # fmt: skip
@click.option("--keep-alive", type=click.IntRange(1, 3600), default=5, show_default=True, metavar="SECONDS",
              help="How long an idle connection stays open; more than that of a proxy before it.")  # fmt: skip
@click.option("--max-body", type=click.IntRange(1, 64), default=_LIMITS.body // _MIB, show_default=True,
              metavar="MIB", help="The largest request.")  # fmt: skip
@click.option("--max-upload", type=click.IntRange(1, 1 << 20), default=_LIMITS.upload // _MIB, show_default=True,
              metavar="MIB", help="The largest table to label.")  # fmt: skip
@click.option("--max-texts", type=click.IntRange(1, 100_000), default=_LIMITS.texts, show_default=True,
              help="The most texts of a request.")  # fmt: skip
@click.option("--max-characters", type=click.IntRange(1, 1 << 24), default=_LIMITS.characters, show_default=True,
              help="The longest text.")  # fmt: skip
@click.option("--max-seconds", type=click.FloatRange(0.1, 3600), default=_LIMITS.seconds, show_default=True,
              help="How long a request may wait for its turn.")  # fmt: skip
@click.option("--log-requests", is_flag=True, help="Log a line for each request: path, status and time, no text.")
@threads_option
@quiet_option
def command(
    models: tuple[str, ...],
    host: str,
    port: int,
    token_file: Path | None,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    keep_alive: int,
    threads: int,
    log_requests: bool,
    quiet: bool,
    **most: float,
) -> None:
    """Serve one or more MODELs over HTTP: a JSON API, and at / a page to try them on.

    A MODEL is a file, or NAME=FILE; without a name it is called as the file without its ending. Where a file changes,
    the new model takes the old one's place without a request lost. Ctrl-C and SIGTERM end what is begun, then stop.

    \b
    textclf serve model.safetensors
    textclf serve old=a.safetensors new=b.safetensors --port 8080
    curl -d '{"texts": ["A film that stays with you."]}' -H 'Content-Type: application/json' localhost:8000/predict
    """
    check_available()
    limits = ServeLimits(
        body=int(most["max_body"]) * _MIB,
        upload=int(most["max_upload"]) * _MIB,
        texts=int(most["max_texts"]),
        characters=int(most["max_characters"]),
        seconds=most["max_seconds"],
    )
    token = None if token_file is None else read_token(token_file)
    settings = ServeSettings(
        name_models(models), host, port, token, hosts, origins, keep_alive, threads, log_requests, limits
    )
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        warn(f"{host}: whoever reaches this address may ask. Use --token-file, or a proxy that lets in who may.")
    if token is None and "*" in origins:
        warn("--allow-origin *: any web page that is opened on this machine may ask. Name its origin instead.")
    serve(settings, lambda address: say(f"{', '.join(settings.models)} at {address} (Ctrl-C stops)", quiet=quiet))

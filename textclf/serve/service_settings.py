"""What a service is told: which models, where it listens, whom it answers, and how much it takes."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textclf.errors import TextclfError
from textclf.storage.remote import is_url

_NAME = re.compile(r"[\w.-]{1,100}")
_ORIGIN = re.compile(r"(?ai)https?://[\w.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_HOST = re.compile(r"(?a)\w([\w.-]*\w)?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}  # browsers leave them out
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class ServeLimits:
    """How much is taken: what is over is refused, with a status that says so.

    `body`: bytes of a request, but for tables: `upload` bytes. `texts` a request, `characters` a text, `explained`
    texts of a request to explain. `waiting`: characters that wait for a model before newcomers are sent away.
    `seconds`: how long a request may wait for its turn. `tables`: how many tables are labelled at a time.

    Of connections there are at most `connections`. A request must arrive within `receipt` seconds, and one more for
    each `bytes_a_second` bytes that came; an answer that is not taken for `unread` seconds is given up.
    """

    body: int = 1 << 20
    upload: int = 1 << 30
    texts: int = 1000
    characters: int = 100_000
    explained: int = 100
    waiting: int = 4 << 20
    seconds: float = 30.0
    tables: int = 2
    connections: int = 512
    receipt: float = 10.0
    bytes_a_second: int = 64 << 10
    unread: float = 20.0
    bodies: int = 64 << 20  # bytes of bodies held at a time, all requests together
    head: int = 32 << 10  # bytes of a request before its body
    headers: int = 100
    address: int = 8 << 10  # bytes of a path with its query


@dataclass(frozen=True)
class ServeSettings:
    """A service: its models by name, its address, `token` for whoever asks (None lets all in), limits and threads.

    `hosts` are the names that a request may give as Host beside localhost and addresses in figures: a name that an
    attacker makes point here (DNS rebinding) is none of them. `origins` are those of other web pages that may ask, "*"
    for all. An idle connection is closed after `keep_alive` seconds.
    """

    models: dict[str, Path]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    keep_alive: int = 5
    threads: int = 2
    log_requests: bool = False
    limits: ServeLimits = ServeLimits()


def name_models(models: Sequence[str]) -> dict[str, Path]:
    """Return models by name: NAME=PATH, or the file's stem; raises TextclfError at a name that cannot be or is taken.

    A path that exists is a path, even with = in it.
    """
    named: dict[str, Path] = {}
    for model in models:
        if is_url(model):
            raise TextclfError(
                f"{model}: expected a file, found a URL: a service takes up what a file changes to. Download it first."
            )
        name, equals, rest = model.partition("=")
        path = Path(rest) if equals and not Path(model).exists() else Path(model)
        if path == Path(model):
            name = re.sub(r"[^\w.-]", "-", path.stem)
        if not _NAME.fullmatch(name):
            raise TextclfError(f"{model}: expected a name of letters, digits, . _ and -. Give it as NAME={path}.")
        if name in named:
            raise TextclfError(f"{model}: expected models of different names, found {name!r} twice. Give NAME={path}.")
        named[name] = path
    return named


def read_token(path: Path) -> str:
    """Return the token in a file, without the white space around it; raises TextclfError when there is no good one."""
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not ASCII"
        raise TextclfError(f"{path}: expected a file with a token, which cannot be read ({reason}).") from error
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise TextclfError(
            f"{path}: expected one token of at least {_SHORTEST_TOKEN} characters, found something else. "
            "Make one with: openssl rand -hex 24."
        )
    return token


def check_host(name: str) -> str:
    """Return the name of a host as clients send it, without a port; raises TextclfError at none, and at an address."""
    if is_address(name.strip("[]")) or name.lower() == "localhost":
        raise TextclfError(f"{name}: has no effect: localhost and IP addresses are always allowed. Leave it out.")
    if not _HOST.fullmatch(name):
        raise TextclfError(
            f"{name}: expected the name of a host such as texts.example.org, without scheme, port and path,"
            " found something else."
        )
    return name.lower()


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_origin(origin: str) -> str:
    """Return an origin as browsers send it; raises TextclfError where it is none."""
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise TextclfError(
            f"{origin}: expected an origin such as https://app.example.org, without a path, or *, found something else."
        )
    scheme, _, rest = origin.lower().partition("://")
    return f"{scheme}://{rest.removesuffix(_DEFAULT_PORTS[scheme])}" if rest else origin

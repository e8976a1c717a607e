"""Run the service: its socket, its log, its end."""

import logging
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from textclf.errors import TextclfError, require_packages
from textclf.serve.service_settings import ServeSettings

if TYPE_CHECKING:
    from textclf.serve.counters import Counters
    from textclf.serve.guard import Guard

_SECONDS_TO_END = 5  # for requests that are being answered when the service is stopped


def check_serve_available() -> None:
    """Raise TextclfError when the packages that the service needs are not installed."""
    require_packages("serve", "starlette", "pydantic", "uvicorn", "prometheus_client", extra="serve")


class Application(Protocol):
    """What is served: an ASGI application, and its counters."""

    asgi: "Guard"
    counters: "Counters"


def serve(settings: ServeSettings, ready: Callable[[str], None]) -> None:
    """Serve models as `listen` says; raises ModelError when one cannot be read."""

    def make() -> Application:
        from textclf.serve.service import Service

        return Service(settings)

    listen(settings, make, ready)


def listen(settings: ServeSettings, make: Callable[[], Application], ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then end what is begun; `ready` gets the address once it can be reached.

    Raises what `make` raises, and TextclfError when the address cannot be listened on. Ends as uvicorn does: by the
    signal that stopped it.
    """
    import uvicorn

    from textclf.serve.connections import Connection, Server

    _log_to_stderr()
    with _open_listener(settings) as listener:
        service = make()
        config = uvicorn.Config(
            service.asgi,
            http=Connection.with_limits(settings.limits),
            ws="none",
            lifespan="on",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=_SECONDS_TO_END,
            h11_max_incomplete_event_size=settings.limits.head,
        )
        port = listener.getsockname()[1]
        ready(f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}")
        Server(config, service.counters).run(sockets=[listener])


def _open_listener(settings: ServeSettings) -> socket.socket:
    # The protocol is named: asyncio sends at once (TCP_NODELAY) only over sockets that say that they are TCP.
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise TextclfError(
            f"{settings.host}:{settings.port}: cannot be listened on ({reason}). Choose --host and --port."
        ) from error
    return listener


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, level in (("textclf", logging.INFO), ("uvicorn.error", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False

"""Run the service: its socket, its log, its end."""

import logging
import socket
import sys
from collections.abc import Callable

from textclf.errors import TextclfError, require_packages
from textclf.serve.service_settings import ServeSettings

_SECONDS_TO_END = 5  # for requests that are being answered when the service is stopped


def check_serve_available() -> None:
    """Raise TextclfError when the packages that the service needs are not installed."""
    require_packages("serve", "starlette", "pydantic", "uvicorn", "prometheus_client", extra="serve")


def serve(settings: ServeSettings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, then end what is begun; `ready` gets the address once it can be reached.

    Raises ModelError when a model cannot be read, TextclfError when the address cannot be listened on. Ends as uvicorn
    does: by the signal that stopped it.
    """
    import uvicorn

    from textclf.serve.connections import Connection, Server
    from textclf.serve.service import Service

    _log_to_stderr()
    with _open_listener(settings) as listener:
        service = Service(settings)
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
    for name, level in (("textclf.serve", logging.INFO), ("uvicorn.error", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False

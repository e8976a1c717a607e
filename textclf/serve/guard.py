"""The ASGI application: who may ask, how much is taken, which operation answers, and what every answer carries.

It refuses foreign hosts and origins (a web page elsewhere must reach nothing here, not even through a name that its
owner makes point here), requests without the token, bodies that are too large or packed, and framing that two
readers might read in two ways. It answers a fault of the program with 500 and no word of what was sent.
"""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from textclf.serve.counters import Counters
from textclf.serve.messages import EXPECTED, HttpError, make_http_error
from textclf.serve.operations import Operation, find_operation
from textclf.serve.service_settings import ServeSettings, is_address

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]

_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}
_ABSOLUTE = re.compile(rb"(?i)https?://([^/]*)(/.*)?")
_ONCE = {b"host", b"content-length", b"content-type", b"content-encoding", b"origin", b"authorization"}
_DRAINED, _DRAINING = 256 << 20, 3.0  # of a body that is too large: bytes and seconds, so that its sender can read

log = logging.getLogger("textclf.serve")


class Guard:
    """Answers requests by operations, by path; `run` is called for the lifespan of the service."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        settings: ServeSettings,
        counters: Counters,
        run: Callable[[Receive, Send], Awaitable[None]],
    ) -> None:
        self._operations = operations
        self._run = run
        self._limits = settings.limits
        self._token = None if settings.token is None else settings.token.encode()
        self._log_requests = settings.log_requests
        self._counters = counters
        self._held = 0
        self._names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.hosts)}
        self._origins = {origin.lower().encode() for origin in settings.origins}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or pass the start and the end of the service on."""
        if scope["type"] != "http":
            await self._run(receive, send)
            return
        exchange = _Exchange(send)
        began = time.perf_counter()
        try:
            await self._answer(scope, receive, exchange)
        except HttpError as problem:
            await exchange.refuse(problem)
            if problem.status == 413 and not exchange.expects_nothing:
                await _drain(receive)
            await exchange.end()
        except Exception as error:
            # Type and place, but not the message: it may hold a text.
            log.error("%s %s: %s", scope["method"], self._name_path(scope), _locate_fault(error))
            if not exchange.status:  # else the server cuts the connection, so that half an answer looks like one
                await exchange.refuse(make_http_error(error))
                await exchange.end()
        except asyncio.CancelledError:
            log.warning("%s %s: not answered to its end, the service stops", scope["method"], self._name_path(scope))
        seconds = time.perf_counter() - began
        self._counters.count_request(self._name_path(scope), exchange.status, seconds)
        if self._log_requests:
            log.info(
                "%s %s %d %.1f ms", scope["method"], self._name_path(scope), exchange.status, 1000 * seconds
            )  # fmt: skip

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, exchange: "_Exchange") -> None:
        headers = self._check_head(scope, exchange)
        exchange.expects_nothing = b"expect" in headers
        if scope["method"] == "OPTIONS" and exchange.is_shared and b"access-control-request-method" in headers:
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, exchange.send)
            return
        self._check_token(scope, headers)
        operation = find_operation(self._operations, scope["path"], scope["method"])
        _check_body(operation, headers)
        limit = self._limits.upload if operation.tables else self._limits.body
        length = int(headers.get(b"content-length", b"0"))  # digits: the parser of requests has seen to that
        if length > limit:
            raise _too_large(limit)
        request = Request(scope, _limit_body(receive, limit))
        with self._hold(0 if operation.body is None else length or limit):
            try:
                response = await operation.answer(request)
            except ClientDisconnect:
                return
            except EXPECTED as error:
                problem = make_http_error(error)
                if problem.status == 413:  # there is more to come, which nobody reads
                    raise problem from None
                response = problem.response()
            await response(scope, receive, exchange.send)

    @contextmanager
    def _hold(self, size: int) -> Iterator[None]:
        """Hold a body of so many bytes; raises HttpError 503 when all that are held would be too many."""
        if size and self._held + size > self._limits.bodies:
            raise HttpError(503, "busy: too many requests arrive at once. Come back.", headers={"retry-after": "1"})
        self._held += size
        try:
            yield
        finally:
            self._held -= size

    def _name_path(self, scope: Mapping[str, Any]) -> str:
        return scope["path"] if scope["path"] in self._operations else "other"

    def _check_head(self, scope: MutableMapping[str, Any], exchange: "_Exchange") -> Headers:
        """Return the headers of a request that may be answered; raises HttpError at another."""
        listed = scope["headers"]
        if len(listed) > self._limits.headers:
            raise HttpError(431, f"headers: expected at most {self._limits.headers}, found more.")
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._limits.address:
            raise HttpError(414, f"address: expected at most {self._limits.address:,} bytes, found more.")
        headers = dict(listed)
        if len(headers) < len(listed):
            names = [name for name, _ in listed]
            if any(names.count(name) > 1 for name in _ONCE):
                raise HttpError(400, "headers: expected one of a kind, found several.")
        if absolute := _ABSOLUTE.fullmatch(scope["raw_path"]):  # as to a proxy; its host counts (RFC 9112, 3.2.2)
            headers[b"host"] = absolute[1]
            scope["path"] = unquote((absolute[2] or b"/").decode("latin-1"))
        self._check_sender(headers, exchange)
        if b"content-length" in headers and b"transfer-encoding" in headers:
            raise HttpError(400, "headers: expected a length or chunks, found both.")
        return headers

    def _check_sender(self, headers: Headers, exchange: "_Exchange") -> None:
        host = headers.get(b"host", b"").lower()
        name = _cut_port(host)
        if name not in self._names and not is_address(name):
            raise HttpError(403, "host: expected a name of this service, found another. Allow it with --allow-host.")
        origin = headers.get(b"origin")
        exchange.varies = bool(self._origins)
        if origin is None or origin.split(b"://", 1)[-1].lower() == host:
            return
        if not self._origins & {b"*", origin.lower()}:
            raise HttpError(
                403, "origin: expected the page of this service, found another. Allow it with --allow-origin."
            )
        exchange.shared_with = origin

    def _check_token(self, scope: Mapping[str, Any], headers: Headers) -> None:
        operation = self._operations.get(scope["path"])
        if self._token is None or (operation is not None and operation.is_open):
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            raise HttpError(
                401,
                "authorization: expected the token of this service as Bearer, found none that fits.",
                headers={"www-authenticate": "Bearer"},
            )


def _check_body(operation: Operation, headers: Headers) -> None:
    if headers.get(b"content-encoding", b"").strip().lower() not in (b"", b"identity"):
        raise HttpError(415, "body: expected it as it is, found it packed. Send it without Content-Encoding.")
    if operation.body is not None:
        kind = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
        if kind != b"application/json":
            raise HttpError(415, "body: expected Content-Type: application/json, found another.")


class _Exchange:
    """The answer of one request on its way: its status once it has begun, and what every answer carries.

    `shared_with` is the origin of another page that may read it; with `varies` a cache must tell origins apart.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.expects_nothing = False
        self.varies = False
        self.shared_with = b""

    @property
    def is_shared(self) -> bool:
        """Whether another page may read the answer."""
        return bool(self.shared_with)

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *SECURITY, *self._list_sharing()]
        await self._send(message)

    def _list_sharing(self) -> list[tuple[bytes, bytes]]:
        headers = [(b"vary", b"origin")] if self.varies else []
        if self.is_shared:
            headers.append((b"access-control-allow-origin", self.shared_with))
            headers.append((b"access-control-expose-headers", b"x-rows, x-rows-refused, retry-after"))
        return headers

    async def refuse(self, problem: HttpError) -> None:
        """Send an error, and close after it: what follows of such a request is not worth reading. Not yet its end."""
        response = problem.response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": True})

    async def end(self) -> None:
        """Send the end."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _limit_body(receive: Receive, limit: int) -> Receive:
    size = 0

    async def receive_part() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return receive_part


async def _drain(receive: Receive) -> None:
    """Read and forget what is left of a body: a client that still sends would not see the answer."""
    left = _DRAINED
    try:
        async with asyncio.timeout(_DRAINING):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"body: expected at most {limit:,} bytes, found more.")


def _cut_port(host: bytes) -> str:
    """Return the name in a Host header."""
    text = host.decode("latin-1")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if ":" in text else text


def _locate_fault(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"

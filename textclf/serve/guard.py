"""What stands before the application: who may ask, how much is taken, and what every answer carries.

It refuses foreign hosts and origins (a web page elsewhere must reach nothing here, not even through a name that its
owner makes point here), requests without the token, bodies that are too large or packed, and framing that two
readers might read in two ways. It answers a fault of the program with 500 and no word of what was sent.
"""

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from starlette.responses import Response

from textclf.serve.messages import EXPECTED, Problem, problem_of
from textclf.serve.metrics import Metrics
from textclf.serve.settings import ServeSettings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

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

_OPEN = {"/", "/page.css", "/page.js", "/table.js", "/icon.svg", "/healthz", "/openapi.json"}  # nothing secret there
_PATHS = _OPEN | {"/predict", "/explain", "/label", "/models", "/metrics"}
_TABLES, _JSON = "/label", {"/predict", "/explain"}
_ONCE = {b"host", b"content-length", b"content-type", b"content-encoding", b"origin", b"authorization"}
_DRAINED, _DRAINING = 256 << 20, 3.0  # of a body that is too large: bytes and seconds, so that its sender can read

log = logging.getLogger("textclf.serve")


class Guard:
    """An ASGI application before another; what is POSTed to the paths `direct` it hands to these functions itself."""

    def __init__(
        self,
        application: Application,
        settings: ServeSettings,
        metrics: Metrics,
        direct: Mapping[str, Callable[[bytes], Awaitable[Response]]],
    ) -> None:
        self._application = application
        self._direct = direct
        self._limits = settings.limits
        self._token = None if settings.token is None else settings.token.encode()
        self._log_requests = settings.log_requests
        self._metrics = metrics
        self._held = 0
        names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.hosts)}
        self._is_ours = lru_cache(1024)(lambda host: _name(host) in names or _is_address(_name(host)))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or pass the start and the end of the service on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        exchange = _Exchange(send)
        began = time.perf_counter()
        path = scope["path"] if scope["path"] in _PATHS else "other"
        try:
            await self._answer(scope, receive, exchange)
        except Problem as problem:
            await exchange.refuse(problem)
            if problem.status == 413 and not exchange.expects_nothing:
                await _drain(receive)
            await exchange.end()
        except Exception as error:
            # Type and place, but not the message: it may hold a text.
            log.error("%s %s: %s", scope["method"], path, _fault(error))
            if not exchange.status:  # else the server cuts the connection, so that half an answer looks like one
                await exchange.refuse(problem_of(error))
                await exchange.end()
        except asyncio.CancelledError:
            log.warning("%s %s: not answered to its end, the service stops", scope["method"], path)
        seconds = time.perf_counter() - began
        self._metrics.answered(path, exchange.status, seconds)
        if self._log_requests:
            log.info("%s %s %d %.1f ms", scope["method"], path, exchange.status, 1000 * seconds)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, exchange: "_Exchange") -> None:
        headers = self._checked(scope)
        exchange.expects_nothing = b"expect" in headers
        length = int(headers.get(b"content-length", b"0"))  # digits: the parser of requests has seen to that
        if scope["path"] == _TABLES:
            limit = self._limits.upload
            if length > limit:
                raise _too_large(limit)
            await self._application(scope, _limited(receive, limit), exchange.send)
            return
        limit = self._limits.body
        if length > limit:
            raise _too_large(limit)
        if not length and b"transfer-encoding" not in headers:
            await self._application(scope, receive, exchange.send)
            return
        size = length or limit
        if self._held + size > self._limits.bodies:
            raise Problem(503, "busy: too many requests arrive at once. Come back.", headers={"retry-after": "1"})
        self._held += size
        try:
            body = await _whole(receive, limit)
            if body is None:
                return  # the client left
            handler = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
            if handler is None:
                await self._application(scope, _again(body, receive), exchange.send)
            else:
                await exchange.respond(await _response(handler, body))
        finally:
            self._held -= size

    def _checked(self, scope: MutableMapping[str, Any]) -> dict[bytes, bytes]:
        """Return the headers of a request that may be answered; raises Problem at another."""
        listed = scope["headers"]
        if len(listed) > self._limits.headers:
            raise Problem(431, f"headers: expected at most {self._limits.headers}, found more.")
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._limits.address:
            raise Problem(414, f"address: expected at most {self._limits.address:,} bytes, found more.")
        headers = dict(listed)
        if len(headers) < len(listed):
            names = [name for name, _ in listed]
            if any(names.count(name) > 1 for name in _ONCE):
                raise Problem(400, "headers: expected one of a kind, found several.")
        self._check_sender(headers)
        if self._token is not None and scope["path"] not in _OPEN:
            self._check_token(headers, self._token)
        _check_body(scope, headers)
        return headers

    def _check_sender(self, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"")
        if not self._is_ours(host):
            raise Problem(403, "host: expected a name of this service, found another. Allow it with --allow-host.")
        origin = headers.get(b"origin")
        if origin is not None and origin.split(b"://", 1)[-1].lower() != host.lower():
            raise Problem(403, "origin: expected the page of this service, found another.")

    def _check_token(self, headers: dict[bytes, bytes], token: bytes) -> None:
        if not hmac.compare_digest(headers.get(b"authorization", b""), b"Bearer " + token):
            raise Problem(
                401,
                "authorization: expected the token of this service as Bearer, found none that fits.",
                headers={"www-authenticate": "Bearer"},
            )


def _check_body(scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> None:
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise Problem(400, "headers: expected a length or chunks, found both.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(415, "body: expected it as it is, found it packed. Send it without Content-Encoding.")
    if scope["method"] == "POST" and scope["path"] in _JSON:
        kind = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
        if kind != b"application/json":
            raise Problem(415, "body: expected Content-Type: application/json, found another.")


class _Exchange:
    """The answer of one request on its way: its status once it has begun, and what every answer carries."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.expects_nothing = False

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *SECURITY]
        await self._send(message)

    async def respond(self, response: Response) -> None:
        """Send a whole answer."""
        headers = response.raw_headers
        await self.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    async def refuse(self, problem: Problem) -> None:
        """Send an error, and close after it: what follows of such a request is not worth reading. Not yet its end."""
        response = problem.response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": True})

    async def end(self) -> None:
        """Send the end."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _response(handler: Callable[[bytes], Awaitable[Response]], body: bytes) -> Response:
    try:
        return await handler(body)
    except EXPECTED as error:
        return problem_of(error).response()


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that has been read, then whatever comes."""
    message: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def again() -> Message:
        nonlocal message
        if message is None:
            return await receive()
        given, message = message, None
        return given

    return again


async def _whole(receive: Receive, limit: int) -> bytes | None:
    """Return a body; None when the client leaves meanwhile."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        return None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _limited(receive: Receive, limit: int) -> Receive:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return limited


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


def _too_large(limit: int) -> Problem:
    return Problem(413, f"body: expected at most {limit:,} bytes, found more.")


def _name(host: bytes) -> str:
    """Return the name in a Host header, without the port."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if ":" in text else text


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _fault(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"

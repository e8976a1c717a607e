"""Connections that cannot be held for nothing: deadlines for what arrives and leaves, and a limit to their number.

uvicorn has no deadline for a request's arrival and none for an answer's departure: 300 clients that send a byte now
and then hold 300 connections for ever. Here one look a second at all of them keeps the rules of `ServeLimits`.
"""

import json
import time

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from textclf.serve.counters import Counters
from textclf.serve.service_settings import ServeLimits

_SECONDS_TO_READ = 1.0  # why one was refused
_TICKS_BETWEEN_LOOKS = 5  # ticks of uvicorn's, ten a second


def _write_refusal(status: str, message: str, extra: str = "") -> bytes:
    body = json.dumps({"error": message})
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{extra}connection: close\r\n\r\n{body}".encode()


_LATE = _write_refusal("408 Request Timeout", "request: expected all of it in time, found a part.")
_LONG_HEAD = _write_refusal("431 Request Header Fields Too Large", "headers: expected fewer bytes, found more.")
_FULL = _write_refusal(
    "503 Service Unavailable", "busy: too many connections are open. Come back.", "retry-after: 1\r\n"
)
_FOLDED = _write_refusal("400 Bad Request", "headers: expected each in one line, found a folded one.")
_BROKEN = _write_refusal("400 Bad Request", "request: expected HTTP/1.1, found something else.")


class Connection(H11Protocol):
    """A connection of uvicorn's that knows since when a request is on its way, and how much of it came.

    `limits` stands in the class: uvicorn makes the connections, and passes on nothing of ours. See `with_limits`.
    """

    limits = ServeLimits()
    arriving_since: float | None = None
    unread_since: float | None = None
    arrived = 0
    _head = b""
    _is_refused = False

    @classmethod
    def with_limits(cls, limits: ServeLimits) -> type["Connection"]:
        """Return the class of connections that keep these limits."""
        return type("LimitedConnection", (cls,), {"limits": limits})

    def connection_made(self, transport) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - as uvicorn's
        """Take a connection; where there are too many, for one that keeps us waiting, or not at all."""
        super().connection_made(transport)
        self.arriving_since = time.monotonic()
        if len(self.connections) <= self.limits.connections:
            return
        others = [c for c in self.connections if isinstance(c, Connection) and c is not self and c.is_waited_for]
        if others:
            half_open = [c for c in others if c.arriving_since is not None]
            min(half_open or others, key=lambda c: c.arriving_since or 0.0).transport.abort()
        else:
            self.transport.write(_FULL)
            self.transport.close()

    @property
    def is_waited_for(self) -> bool:
        """Whether the client has yet to send a whole request: nothing is lost but its own time."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY) or self.cycle is None or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._is_refused or self.transport.is_closing():
            return
        if self.arriving_since is None:
            self.arriving_since, self.arrived = time.monotonic(), 0
        self.arrived += len(data)
        if self.conn.their_state is h11.IDLE and not self._is_good_head(data):
            return
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self.arriving_since = None

    def on_response_complete(self) -> None:
        """Go on to the next request, which may be here already."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self.arriving_since = None

    def resume_writing(self) -> None:
        """Go on writing: the client has taken what it was sent."""
        self.unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; where an answer is under way already nothing can be said any more."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self._say_and_close(_BROKEN)
        else:
            self.transport.abort()
        if self.cycle is not None:  # whoever was answering the head of it has nobody to talk to
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def look(self, now: float) -> None:
        """Close the connection if it breaks a rule."""
        if self._is_refused:
            return
        if self.transport.get_write_buffer_size():
            if self.unread_since is None:
                self.unread_since = now
            elif now - self.unread_since > self.limits.unread:
                self.transport.abort()
            return
        self.unread_since = None
        if self.arriving_since is None and self.conn.their_state is h11.SEND_BODY:
            self.arriving_since, self.arrived = now, 0  # the head came together with the request before
        if self.arriving_since is None:
            return
        allowed = self.limits.receipt + self.arrived / self.limits.bytes_a_second
        if now - self.arriving_since > allowed:
            if self.cycle is None or self.cycle.response_complete:
                self._say_and_close(_LATE)
            else:
                self.transport.abort()

    def _is_good_head(self, data: bytes) -> bool:
        """Check what there is of a request's head, as it came: its size, and no folded line."""
        self._head += data
        head, blank, _ = self._head.partition(b"\r\n\r\n")
        if len(head) > self.limits.head:
            self._say_and_close(_LONG_HEAD)
            return False
        if b"\n " in head or b"\n\t" in head:
            self._say_and_close(_FOLDED)
            return False
        if blank:
            self._head = b""
        return True

    def _say_and_close(self, answer: bytes) -> None:
        """Answer, and close in a moment: a client that still sends would be cut off before it has read why."""
        self._is_refused = True
        self.transport.write(answer)
        self.transport.write_eof()
        self.loop.call_later(_SECONDS_TO_READ, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn's server, which looks at its connections twice a second."""

    def __init__(self, config: uvicorn.Config, counters: Counters) -> None:
        super().__init__(config)
        self._counters = counters

    async def on_tick(self, counter: int) -> bool:
        """Do what is due; returns whether the server is to end."""
        if counter % _TICKS_BETWEEN_LOOKS == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look(now)
            self._counters.connections.set(len(self.server_state.connections))
        return await super().on_tick(counter)

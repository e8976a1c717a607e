"""The labelling page's service: a session, what it answers at each path, and the ASGI application of both."""

from starlette.requests import Request
from starlette.responses import Response

from textclf.labelling.label_session import LabelSession
from textclf.serve.counters import Counters
from textclf.serve.guard import Guard, Receive, Send
from textclf.serve.messages import GiveRequest, NoContent, SkipRequest, parse_body, write_json
from textclf.serve.operations import Operation
from textclf.serve.service import serve_file
from textclf.serve.service_settings import ServeSettings

_HTML, _CSS, _JAVASCRIPT = (f"text/{kind}; charset=utf-8" for kind in ("html", "css", "javascript"))
PAGE = {
    "/": ("label.html", _HTML),
    "/page.css": ("page.css", _CSS),
    "/label.css": ("label.css", _CSS),
    "/label.js": ("label.js", _JAVASCRIPT),
    "/elements.js": ("elements.js", _JAVASCRIPT),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class LabelService:
    """A session of labelling behind the same guard as every service; each answer is the state that the page shows."""

    def __init__(self, session: LabelSession, settings: ServeSettings) -> None:
        self.session = session
        self.counters = Counters()
        operations = [
            Operation("/state", "GET", self.show),
            Operation("/give", "POST", self.give, body=GiveRequest),
            Operation("/skip", "POST", self.skip, body=SkipRequest),
            Operation("/undo", "POST", self.undo, body=NoContent),
            Operation("/look-again", "POST", self.look_again, body=NoContent),
            *(serve_file(path, *PAGE[path]) for path in PAGE),
        ]
        self.asgi = Guard({one.path: one for one in operations}, settings, self.counters, self._run)

    async def _run(self, receive: Receive, send: Send) -> None:
        """Put the rows in order at the start of the service, and end its work at the end."""
        await receive()
        self.session.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.session.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def show(self, _: Request) -> Response:
        """Give the state."""
        return write_json(self.session.state())

    async def give(self, request: Request) -> Response:
        """Label the row that is shown; when the answer comes it is on the disk."""
        given = parse_body(GiveRequest, await request.body())
        self.session.give(given.row, given.labels, unsure=given.unsure, note=given.note.strip(), seconds=given.seconds)
        return write_json(self.session.state())

    async def skip(self, request: Request) -> Response:
        """Show the row later."""
        self.session.skip(parse_body(SkipRequest, await request.body()).row)
        return write_json(self.session.state())

    async def undo(self, request: Request) -> Response:
        """Take the last label back."""
        parse_body(NoContent, await request.body())
        self.session.undo()
        return write_json(self.session.state())

    async def look_again(self, request: Request) -> Response:
        """Look for rows whose labels are in doubt; they come when they are found."""
        parse_body(NoContent, await request.body())
        self.session.look_again()
        return write_json(self.session.state())

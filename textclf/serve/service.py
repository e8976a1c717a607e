"""The services, of models and of rows to label: what each answers at each path, and its ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from textclf.explain import ExplainSettings, explain
from textclf.model.decision import Decision, DecisionSettings
from textclf.serve import messages
from textclf.serve.batching import Batcher
from textclf.serve.counters import Counters
from textclf.serve.guard import Guard, Receive, Send
from textclf.serve.messages import (
    ExamplesQuery,
    ExplainRequest,
    GiveRequest,
    HttpError,
    LabelQuery,
    NoContent,
    PredictRequest,
    SkipRequest,
    format_prediction,
    pack_texts,
    parse_body,
    parse_query,
    parse_request,
    write_json,
)
from textclf.serve.operations import Operation, describe_operations
from textclf.serve.registry import ModelRegistry, ServedModel
from textclf.serve.service_settings import ServeSettings
from textclf.serve.uploads import TABLE_TYPES, Uploads

if TYPE_CHECKING:
    from textclf.labelling.label_session import LabelSession  # which imports what trains: models are served without it

_HTML, _CSS, _JAVASCRIPT = (f"text/{kind}; charset=utf-8" for kind in ("html", "css", "javascript"))
PAGE = {
    "/": ("index.html", _HTML),
    "/page.css": ("page.css", _CSS),
    "/page.js": ("page.js", _JAVASCRIPT),
    "/table.js": ("table.js", _JAVASCRIPT),
    "/rows.js": ("rows.js", _JAVASCRIPT),
    "/elements.js": ("elements.js", _JAVASCRIPT),
    "/docs": ("api.html", _HTML),
    "/api.js": ("api.js", _JAVASCRIPT),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
LABEL_PAGE = {
    "/": ("label.html", _HTML),
    "/page.css": ("page.css", _CSS),
    "/label.css": ("label.css", _CSS),
    "/label.js": ("label.js", _JAVASCRIPT),
    "/elements.js": ("elements.js", _JAVASCRIPT),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
# Characters of texts whose prediction takes about as long:
_EXAMPLES_SIZE = 100_000
_PROMISE_SIZE = 10_000
_EXPLAINING = 20  # an explanation costs as much as so many predictions


class Service:
    """The models, what predicts for whoever asks, the figures, and the application `asgi` that answers."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.counters = Counters()
        self.models = ModelRegistry(settings.models, self.counters)
        self.batcher = Batcher(settings.threads, settings.limits, self.counters)
        self.uploads = Uploads(settings.limits, self.counters)
        operations = [*self._list_operations(), *(_serve_file(path, *PAGE[path]) for path in PAGE)]
        self._description = describe_operations(operations, has_token=settings.token is not None)
        self._describe_limits()
        self.asgi = Guard({one.path: one for one in operations}, settings, self.counters, self._run)

    def _list_operations(self) -> list[Operation]:
        return [
            Operation("/predict", "POST", self.predict, "Label texts.",
                      body=PredictRequest, answers=messages.PredictAnswer),
            Operation("/explain", "POST", self.explain, "Show which words and n-grams moved a prediction.",
                      body=ExplainRequest, answers=messages.ExplainAnswer),
            Operation("/label", "POST", self.label, "Label the rows of a table.",
                      query=LabelQuery, tables=TABLE_TYPES, answers=TABLE_TYPES),
            Operation("/models", "GET", self.list_models, "List the models; the first answers where none is named.",
                      answers=messages.ModelsAnswer),
            Operation("/examples", "GET", self.give_examples, "Give words and texts that are typical of each label.",
                      query=ExamplesQuery, answers=messages.ExamplesAnswer),
            Operation("/healthz", "GET", self.tell_health, "Tell that the service runs.",
                      is_open=True, answers=messages.HealthAnswer),
            Operation("/metrics", "GET", self.give_metrics, "Give the service's figures in the format of Prometheus.",
                      answers=["text/plain"]),
            Operation("/openapi.json", "GET", self.describe, is_open=True),
        ]  # fmt: skip

    def _describe_limits(self) -> None:
        limits = self.settings.limits
        for message, most in ((PredictRequest, limits.texts), (ExplainRequest, limits.explained)):
            fields = self._description["components"]["schemas"][message.__name__]["properties"]
            fields["texts"]["maxItems"] = most

    async def _run(self, receive: Receive, send: Send) -> None:
        """Watch the models' files from the start of the service to its end."""
        await receive()
        watching = asyncio.create_task(self.models.watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        self.batcher.close()
        self.uploads.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def predict(self, request: Request) -> Response:
        """Label texts."""
        limits = self.settings.limits
        asked = parse_request(PredictRequest, await request.body(), limits, limits.texts)
        served = self.take(asked.model)
        decision = await self._decide(served, asked.rule())
        texts = pack_texts(asked.texts, served.model.features.columns)
        predictions = await self.batcher.predict(served.model, texts, decision)
        self.counters.count_texts(served.name, len(predictions))
        said = [format_prediction(one, asked.top_k) for one in predictions]
        return write_json({"model": served.name, "version": served.version, "predictions": said})

    async def explain(self, request: Request) -> Response:
        """Show which words and n-grams moved a prediction."""
        limits = self.settings.limits
        asked = parse_request(ExplainRequest, await request.body(), limits, limits.explained)
        served = self.take(asked.model)
        model = served.model
        if asked.label is not None and asked.label not in model.labels:
            raise HttpError(404, f"label: expected one that the model {served.name!r} has. See /models.")
        if model.is_multi_label:
            raise HttpError(
                422, "explain: expected a model of one label a text, found a multi-label one. Name another."
            )
        settings = ExplainSettings(asked.label, "gradients", asked.ngrams)
        texts = pack_texts(asked.texts, model.features.columns)
        size = _EXPLAINING * sum(map(len, texts))
        found = await self.batcher.run(lambda: [one.as_dict() for one in explain(model, texts, settings)], size)
        for one in found:
            del one["text"]  # whoever asks has it
        return write_json({"model": served.name, "version": served.version, "explanations": found})

    async def label(self, request: Request) -> Response:
        """Label the rows of a table."""
        query = parse_query(LabelQuery, request.query_params)
        served = self.take(query.model)
        decision = await self._decide(served, query.rule())
        return await self.uploads.label(served, query, decision, request)

    async def list_models(self, _: Request) -> Response:
        """List the models; the first answers where none is named."""
        return write_json({"models": [self.take(name).as_dict() for name in self.models.names]})

    async def give_examples(self, request: Request) -> Response:
        """Give words and texts that are typical of each label."""
        served = self.take(parse_query(ExamplesQuery, request.query_params).model)
        found = await self.batcher.run(lambda: served.examples, _EXAMPLES_SIZE)
        return write_json({"model": served.name, "version": served.version, "examples": found})

    async def tell_health(self, _: Request) -> Response:
        """Tell that the service runs."""
        return write_json({"status": "ok"})

    async def give_metrics(self, _: Request) -> Response:
        """Give the service's figures."""
        return Response(self.counters.write_text(), media_type=_PROMETHEUS)

    async def describe(self, _: Request) -> Response:
        """Give the description of the service."""
        return write_json(self._description)

    async def _decide(self, served: ServedModel, asked: DecisionSettings) -> Decision:
        if asked.target_precision is None:
            return served.decide(asked)
        return await self.batcher.run(lambda: served.decide(asked), _PROMISE_SIZE)

    def take(self, name: str | None) -> ServedModel:
        """Return the model of this name, or the first; raises HttpError 404 when there is none."""
        served = self.models.take(name)
        if served is None:
            raise HttpError(404, f"model: expected one of {', '.join(self.models.names)}, found another name.")
        return served


def _serve_file(path: str, name: str, kind: str) -> Operation:
    """Return what answers a path with a file of the folder `page`."""
    return Operation(path, "GET", _give((files("textclf.serve") / "page" / name).read_bytes(), kind), is_open=True)


def _give(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def give(_: Request) -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return give


# --- labelling rows --------------------------------------------------------------------------------------------------


class LabelService:
    """A session of labelling behind the same guard as every service; each answer is the state that the page shows."""

    def __init__(self, session: "LabelSession", settings: ServeSettings) -> None:
        self.session = session
        self.counters = Counters()
        operations = [
            Operation("/state", "GET", self.show),
            Operation("/give", "POST", self.give, body=GiveRequest),
            Operation("/skip", "POST", self.skip, body=SkipRequest),
            Operation("/undo", "POST", self.undo, body=NoContent),
            Operation("/look-again", "POST", self.look_again, body=NoContent),
            *(_serve_file(path, *LABEL_PAGE[path]) for path in LABEL_PAGE),
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

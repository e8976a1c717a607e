"""The paths of the service, as a FastAPI application; `guard.Guard` stands before it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from textclf import __version__
from textclf.explain import ExplainSettings, explain
from textclf.serve import messages
from textclf.serve.batching import Batcher
from textclf.serve.guard import Guard
from textclf.serve.messages import ExplainRequest, PredictRequest, Problem, answer, parsed, prediction
from textclf.serve.metrics import Metrics
from textclf.serve.registry import Shelf, Shelved
from textclf.serve.settings import ServeSettings
from textclf.serve.uploads import Uploads

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/table.js": ("table.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

_ERRORS = (400, 401, 403, 404, 413, 415, 422, 503)
_EXPLAINING = 20  # an explanation costs as much as so many predictions


class Service:
    """The models, what predicts for whoever asks, the figures, and the application `asgi` that answers."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.shelf = Shelf(settings.models, self.metrics)
        self.batcher = Batcher(settings.threads, settings.limits, self.metrics)
        self.uploads = Uploads(settings.limits, self.metrics)
        self.asgi = Guard(_application(self), settings, self.metrics, self.direct)

    @property
    def direct(self) -> dict[str, Callable[[bytes], Awaitable[Response]]]:
        """What answers the body of a request to each of these paths, as the guard calls it."""
        return {"/predict": self.predict, "/explain": self.explain}

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Watch the models' files while the application runs."""
        tasks = [asyncio.create_task(self.shelf.watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            self.batcher.close()
            self.uploads.close()

    async def predict(self, body: bytes) -> Response:
        """Label texts."""
        limits = self.settings.limits
        asked = parsed(PredictRequest, body, limits, limits.texts)
        shelved = self.take(asked.model)
        predictions = await self.batcher.predict(shelved.model, asked.texts)
        self.metrics.labelled(shelved.name, len(predictions))
        said = [prediction(one, asked.top_k) for one in predictions]
        return answer({"model": shelved.name, "version": shelved.version, "predictions": said})

    async def explain(self, body: bytes) -> Response:
        """Show which words and n-grams moved a prediction."""
        limits = self.settings.limits
        asked = parsed(ExplainRequest, body, limits, limits.explained)
        shelved = self.take(asked.model)
        model = shelved.model
        if asked.label is not None and asked.label not in model.labels:
            raise Problem(422, f"label: expected one that the model {shelved.name!r} has. See /models.")
        if model.is_multi_label:
            raise Problem(422, "explain: expected a model of one label a text, found a multi-label one. Name another.")
        settings = ExplainSettings(asked.label, "gradients", asked.ngrams)
        size = _EXPLAINING * sum(map(len, asked.texts))
        found = await self.batcher.run(lambda: [one.as_dict() for one in explain(model, asked.texts, settings)], size)
        for one in found:
            del one["text"]  # whoever asks has it
        return answer({"model": shelved.name, "version": shelved.version, "explanations": found})

    async def label(self, request: Request) -> Response:
        """Label the rows of a table."""
        shelved = self.take(request.query_params.get("model"))
        return await self.uploads.label(shelved, request)

    def take(self, name: str | None) -> Shelved:
        """Return the model of this name, or the first; raises Problem 404 when there is none."""
        shelved = self.shelf.take(name)
        if shelved is None:
            raise Problem(404, f"model: expected one of {', '.join(self.shelf.names)}, found another name.")
        return shelved


def _application(service: Service) -> FastAPI:
    # The pages of FastAPI's documentation load scripts from elsewhere: /openapi.json is there, they are not.
    app = FastAPI(title="textclf", version=__version__, docs_url=None, redoc_url=None, lifespan=service.running)
    _add_answers(app, service)
    _add_page(app)
    for kind in (*messages.EXPECTED, HTTPException, Exception):
        app.add_exception_handler(kind, _answer_problem)
    return app


def _add_answers(app: FastAPI, service: Service) -> None:
    async def models() -> Response:
        """List the models; the first answers where none is named."""
        shelved = [service.take(name).as_dict() for name in service.shelf.names]
        return answer({"models": shelved})

    async def healthz() -> Response:
        """Tell that the service runs; needs no token."""
        return answer({"status": "ok"})

    async def metrics() -> Response:
        """Give the service's figures in the text format of Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    problem: dict[str, Any] = {"model": messages.ErrorAnswer}
    refused: dict[int | str, dict[str, Any]] = dict.fromkeys(_ERRORS, problem)
    for path, body, model in (
        ("/predict", PredictRequest, messages.PredictAnswer),
        ("/explain", ExplainRequest, messages.ExplainAnswer),
    ):
        schema = {"required": True, "content": {"application/json": {"schema": body.model_json_schema()}}}
        answers: dict[int | str, dict[str, Any]] = {200: {"model": model}, **refused}
        # The guard answers these by itself: the way through FastAPI costs half as much again as all the rest. Here
        # they stand for /openapi.json, and for the methods that they do not take.
        app.add_api_route(path, _from_request(service.direct[path]), methods=["POST"], response_model=None,
                          openapi_extra={"requestBody": schema}, responses=answers)  # fmt: skip
    app.add_api_route("/label", service.label, methods=["POST"], response_model=None, openapi_extra=Uploads.OPENAPI,
                      responses={200: {"description": "The table with its labels.", "content": {"text/csv": {}}},
                                 **refused})  # fmt: skip
    app.add_api_route("/models", models, methods=["GET"], response_model=None,
                      responses={200: {"model": messages.ModelsAnswer}})  # fmt: skip
    app.add_api_route("/healthz", healthz, methods=["GET"], response_model=None)
    app.add_api_route("/healthz", healthz, methods=["HEAD"], response_model=None, include_in_schema=False)
    app.add_api_route("/metrics", metrics, methods=["GET"], response_model=None)


def _add_page(app: FastAPI) -> None:
    folder = files("textclf.serve") / "page"

    def serving(content: bytes, kind: str) -> Any:  # noqa: ANN401 - a handler
        async def file() -> Response:
            return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

        return file

    for path, (name, kind) in PAGE.items():
        handler = serving((folder / name).read_bytes(), kind)
        app.add_api_route(path, handler, methods=["GET", "HEAD"], include_in_schema=False, response_model=None)


def _from_request(handler: Callable[[bytes], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await handler(await request.body())

    handle.__name__, handle.__doc__ = handler.__name__, handler.__doc__
    return handle


async def _answer_problem(_: Request, error: Exception) -> Response:
    return messages.problem_of(error).response()

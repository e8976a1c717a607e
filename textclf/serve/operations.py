"""What the service answers: one entry a path, from which requests are dispatched and `/openapi.json` is written."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from textclf import __version__
from textclf.serve.messages import ErrorAnswer, HttpError

JSON = "application/json"

_REASONS = {
    400: "The request is broken, or its body is no JSON in UTF-8.",
    401: "The token is missing or wrong.",
    403: "The host or the origin is foreign.",
    404: "There is no model or label of this name.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The content is of another kind.",
    422: "The content does not fit.",
    431: "The headers are too many or too large.",
    500: "The service failed; its log says where.",
    503: "There is too much to do.",
}
_ANY_REQUEST = (400, 403, 408, 414, 415, 431, 500, 503)
_WITH_PARAMETERS = (404, 413, 422)


@dataclass(frozen=True)
class Operation:
    """One path: its method, the function that answers, and what stands in the description.

    GET answers HEAD, too. An operation with an empty `summary` is not described. `is_open`: no token is needed.
    `answers` is a message, or the media types of another answer. `query` and `body` are messages; `tables` are the
    media types of a body that is a table, which `ServeLimits.upload` bounds instead of `ServeLimits.body`.
    """

    path: str
    method: str
    answer: Callable[[Request], Awaitable[Response]]
    summary: str = ""
    is_open: bool = False
    answers: type[BaseModel] | Iterable[str] = ()
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    tables: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are answered."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


def find_operation(operations: Mapping[str, Operation], path: str, method: str) -> Operation:
    """Return what answers a path; raises HttpError 404 and 405."""
    operation = operations.get(path)
    if operation is None:
        raise HttpError(404, "path: expected one that /openapi.json lists, found another.")
    if method not in operation.methods:
        allowed = ", ".join(operation.methods)
        raise HttpError(405, f"method: expected {allowed}, found another.", headers={"allow": allowed})
    return operation


def describe_operations(operations: Iterable[Operation], *, has_token: bool) -> dict[str, Any]:
    """Return the OpenAPI description of operations; with a token it says which of them need it."""
    listed = [operation for operation in operations if operation.summary]
    schemas = _collect_schemas(listed)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "textclf", "version": __version__},
        "paths": {one.path: {one.method.lower(): _describe(one, has_token=has_token)} for one in listed},
        "components": {"schemas": schemas},
    }
    if has_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def _describe(operation: Operation, *, has_token: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.path.strip("/"), "summary": operation.summary}
    if operation.query is not None:
        fields = operation.query.model_json_schema()["properties"]
        described["parameters"] = [_describe_parameter(name, schema) for name, schema in fields.items()]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _refer(operation.body)}}}
    elif operation.tables:
        schema = {"type": "string", "minLength": 1}
        described["requestBody"] = {
            "required": True,
            "description": "The table itself, not a form.",
            "content": {kind: {"schema": schema} for kind in operation.tables},
        }
    if isinstance(operation.answers, type):
        content = {JSON: {"schema": _refer(operation.answers)}}
    else:
        content = {kind: {"schema": {"type": "string"}} for kind in operation.answers}
    responses: dict[str, Any] = {"200": {"description": "The answer.", "content": content}}
    statuses = {*_ANY_REQUEST}
    if operation.body is not None or operation.query is not None:
        statuses.update(_WITH_PARAMETERS)
    if has_token and not operation.is_open:
        statuses.add(401)
        described["security"] = [{"token": []}]
    problem = {JSON: {"schema": _refer(ErrorAnswer)}}
    responses |= {str(status): {"description": _REASONS[status], "content": problem} for status in sorted(statuses)}
    return {**described, "responses": responses}


def _describe_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema = dict(schema)
    description = schema.pop("description")
    schema.pop("title", None)
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _refer(message: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{message.__name__}"}


def _collect_schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    asked = {one.body for one in operations if one.body is not None}
    given: set[type[BaseModel]] = {ErrorAnswer, *(one.answers for one in operations if isinstance(one.answers, type))}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(message, "validation") for message in asked]
    modes += [(message, "serialization") for message in given]
    modes.sort(key=lambda pair: pair[0].__name__)
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")
    found: dict[str, Any] = schemas["$defs"]
    return found

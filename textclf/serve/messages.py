"""What clients send and get: bodies, their checks, and errors that never hand back what was sent."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from textclf.errors import TextclfError
from textclf.model.prediction import Prediction
from textclf.serve.settings import Limits


class Problem(Exception):  # noqa: N818 -- an answer that a client gets, not a fault of the program
    """A request that is answered with an error: the status, and one line that says what was expected."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    def response(self) -> Response:
        """Return the answer."""
        return answer({"error": self.message}, status=self.status, headers=self.headers)


class Busy(Exception):  # noqa: N818 -- it is no error: whoever gets it may come back
    """More waits than is taken, or a request has waited for too long."""


EXPECTED = (Problem, Busy, TextclfError)
"""What a handler raises where a request cannot be answered."""

_STANDARD = {
    404: "path: there is nothing here. See /openapi.json for what there is.",
    405: "method: expected another one. See /openapi.json for those of each path.",
}


def problem_of(error: Exception) -> Problem:
    """Return what to answer to one of `EXPECTED`, to an HTTPException of Starlette's, or to a fault of the program."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Busy):
        return Problem(503, "busy: too much waits for an answer. Come back in a second.", headers={"retry-after": "1"})
    if isinstance(error, HTTPException):
        message = _STANDARD.get(error.status_code, str(error.status_code))
        return Problem(error.status_code, message, headers=error.headers)
    if isinstance(error, TextclfError):
        return Problem(422, str(error))
    return Problem(500, "the service failed at this request; its log says where.")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Strict):
    """Texts to label."""

    texts: list[str] = Field(description="The texts to label.", min_length=1)
    model: str | None = Field(None, description="The model's name; the first model when left out.")
    top_k: int | None = Field(None, ge=1, description="Give the K likeliest labels only.")


class ExplainRequest(_Strict):
    """Texts to explain."""

    texts: list[str] = Field(description="The texts to explain.", min_length=1)
    model: str | None = Field(None, description="The model's name; the first model when left out.")
    label: str | None = Field(None, description="Explain this label; each text's own when left out.")
    ngrams: int = Field(10, ge=0, le=100, description="How many n-grams to list for each text.")


class PredictionAnswer(BaseModel):
    """What the model says of one text; a multi-label model gives `labels`, another `label`."""

    label: str | None = None
    labels: list[str] | None = None
    confidence: float
    probabilities: dict[str, float]
    known_words: int


class PredictAnswer(BaseModel):
    """One prediction a text, in order, all of the same version of the model."""

    model: str
    version: int
    predictions: list[PredictionAnswer]


class ExplainAnswer(BaseModel):
    """One explanation a text, in order; places are counted in code points of the text, or of `normal_form`."""

    model: str
    version: int
    explanations: list[dict[str, Any]]


class ModelAnswer(BaseModel):
    """A model of the service."""

    name: str
    version: int
    loaded: str
    labels: list[str]
    multi_label: bool
    words: int


class ModelsAnswer(BaseModel):
    """The models of the service; the first answers where none is named."""

    models: list[ModelAnswer]


class ErrorAnswer(BaseModel):
    """What was expected, and what was found."""

    error: str


Request = TypeVar("Request", PredictRequest, ExplainRequest)


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    """Return a value as JSON."""
    return Response(to_json(value), status, headers, "application/json")


def prediction(one: Prediction, top_k: int | None) -> dict[str, Any]:
    """Return a prediction as plain values, figures rounded as `textclf predict --json` does."""
    best = sorted(one.probabilities.items(), key=lambda item: -item[1])[:top_k]
    return {
        **({"label": one.label} if one.labels is None else {"labels": one.labels}),
        "confidence": round(one.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in best},
        "known_words": one.known_words,
    }


def parsed(kind: type[Request], body: bytes, limits: Limits, most_texts: int) -> Request:
    """Return what a body says; raises Problem 400 when it is no JSON, 422 when it is not what is asked for."""
    try:
        request = kind.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None
    if len(request.texts) > most_texts:
        raise Problem(
            422, f"texts: expected at most {most_texts:,}, found {len(request.texts):,}. Send several requests."
        )
    longest = max(map(len, request.texts))
    if longest > limits.characters:
        raise Problem(
            422, f"texts: expected at most {limits.characters:,} characters in a text, found {longest:,}. Cut it."
        )
    return request


def _problem(error: ValidationError) -> Problem:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return Problem(400, f"body: expected JSON in UTF-8, found something else ({first['msg']}).")
    if first["type"] == "extra_forbidden":  # its place is a name that the client chose
        return Problem(422, "body: found a field that is not known here. See /openapi.json for those that are.")
    place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]) or "body"
    return Problem(422, f"{place}: {first['msg']}.")

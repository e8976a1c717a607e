"""What clients send and get: bodies, their checks, and errors that never hand back what was sent."""

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, to_json
from starlette.datastructures import QueryParams
from starlette.responses import Response

from textclf.errors import TextclfError
from textclf.model.decision import Costs, DecisionSettings
from textclf.model.prediction import Prediction
from textclf.serve.service_settings import ServeLimits
from textclf.storage.row_columns import RowColumns, parse_number


class HttpError(Exception):
    """A request that is answered with an error: the status, and one line that says what was expected."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    def response(self) -> Response:
        """Return the answer."""
        return write_json({"error": self.message}, status=self.status, headers=self.headers)


class Busy(Exception):  # noqa: N818 -- it is no error: whoever gets it may come back
    """More waits than is taken, or a request has waited for too long."""


EXPECTED = (HttpError, Busy, TextclfError)
"""What a handler raises where a request cannot be answered."""


def make_http_error(error: Exception) -> HttpError:
    """Return what to answer to one of `EXPECTED`, or to a fault of the program."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, Busy):
        return HttpError(
            503, "busy: too much waits for an answer. Come back in a second.", headers={"retry-after": "1"}
        )
    if isinstance(error, TextclfError):
        return HttpError(422, str(error))
    return HttpError(500, "the service failed at this request; its log says where.")


def _read_whole(value: object) -> object:
    """Return a float without a fraction as the integer that it is in JSON (and in JSON Schema)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_flag(value: object) -> bool:
    if value not in ("true", "false"):
        raise PydanticCustomError("flag", "expected true or false, found something else")
    return value == "true"


# Python knows stranger encodings, some of them slow: none that a table has.
ENCODINGS = [
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "latin-1"),
    *(f"iso-8859-{part}" for part in (*range(2, 12), *range(13, 17))),
    *("cp437", "cp850", "cp852", "cp866", "cp932", "cp949", *(f"cp{page}" for page in range(1250, 1259))),
    *("gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "koi8-r", "koi8-u", "mac-roman"),
]
_CODECS = {codecs.lookup(name).name for name in ENCODINGS}


def _check_encoding(name: str) -> str:
    try:
        is_known = codecs.lookup(name).name in _CODECS
    except (LookupError, ValueError):
        is_known = False
    if not is_known:
        raise PydanticCustomError("encoding", "expected one such as utf-8, utf-16, latin-1 or cp1252, found another")
    return name


Whole = Annotated[int, BeforeValidator(_read_whole)]
RequestCount = Annotated[int, Field(ge=1), BeforeValidator(_read_whole)]
Flag = Annotated[bool, BeforeValidator(_read_flag)]


RequestedShare = Annotated[float, Field(ge=0.5, le=0.999)]  # as --target-precision
Probability = Annotated[float, Field(ge=0, le=1)]
_PROMISE = "The share of answers that is to be right; abstained says where the model is not sure enough."
_THRESHOLD = "The confidence that an answer needs; with positive, the probability that this label needs."
_POSITIVE = "One of two labels, to be given from threshold on, or so that target_recall is reached."
_RECALL = "The share of the positive label's texts that is to be found."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Fields = dict[str, str | int | float | None]
_TEXTS = "Each is a text, or an object with the columns that the model reads."


class CostsOfLabels(_Strict):
    """What mistakes cost: `costs` by true and given label, 1 where none is given, and abstaining."""

    costs: dict[str, dict[str, float]] = Field(default_factory=dict, description="Cost by true and by given label.")
    abstain: float | None = Field(None, description="The cost of giving no answer. Left out, each text gets one.")


def _make_rule(
    asked: "PredictRequest | LabelQuery", of_labels: Mapping[str, float] | None, costs: CostsOfLabels | None
) -> DecisionSettings:
    """Return what a request asks of decisions; raises HttpError 422 where two rules do not go together."""
    try:
        return DecisionSettings(
            asked.threshold,
            tuple((of_labels or {}).items()),
            asked.target_precision,
            None if costs is None else Costs.of(costs.model_dump()),
            asked.positive,
            asked.target_recall,
        )
    except (TextclfError, ValueError) as error:
        raise HttpError(422, f"{str(error).rstrip('.')}.") from None


class PredictRequest(_Strict):
    """Texts to label."""

    texts: list[str | Fields] = Field(description=f"The texts to label. {_TEXTS}", min_length=1)
    model: str | None = Field(None, description="The model's name; the first model when left out.")
    top_k: RequestCount | None = Field(None, description="Give the K likeliest labels only.")
    target_precision: RequestedShare | None = Field(None, description=_PROMISE)
    threshold: Probability | None = Field(None, description=_THRESHOLD)
    thresholds: dict[str, Probability] | None = Field(None, description="The confidence that single labels need.")
    costs: CostsOfLabels | None = Field(None, description="Give the label that costs least, or abstain.")
    positive: str | None = Field(None, description=_POSITIVE)
    target_recall: RequestedShare | None = Field(None, description=_RECALL)

    def rule(self) -> DecisionSettings:
        """Return what is asked of decisions; raises HttpError 422 where two rules do not go together."""
        return _make_rule(self, self.thresholds, self.costs)


class ExplainRequest(_Strict):
    """Texts to explain."""

    texts: list[str | Fields] = Field(description=f"The texts to explain. {_TEXTS}", min_length=1)
    model: str | None = Field(None, description="The model's name; the first model when left out.")
    label: str | None = Field(None, description="Explain this label; each text's own when left out.")
    ngrams: Whole = Field(10, ge=0, le=100, description="How many n-grams to list for each text.")


class LabelQuery(_Strict):
    """How a table is to be labelled, as the query of the address."""

    model: str | None = Field(None, description="The model's name; the first model when left out.")
    text_column: str | None = Field(None, description="The column of texts. Detected from the header when left out.")
    format: Literal["csv", "tsv", "jsonl"] = Field("csv", description="The table's format.")
    separator: str | None = Field(None, description="The character that separates columns.",
                                  json_schema_extra={"minLength": 1, "maxLength": 1})  # fmt: skip
    no_quotes: Flag = Field(False, description='A " is a character like any other.')
    encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(
        "utf-8", description="The table's encoding.", json_schema_extra={"enum": list(ENCODINGS)}
    )
    on_error: Literal["fail", "skip"] = Field("fail", description="What to do at an invalid row.")
    top_k: RequestCount | None = Field(None, description="Give the K likeliest labels.")
    proba: Flag = Field(False, description="Give the probability of every label.")
    target_precision: RequestedShare | None = Field(None, description=_PROMISE)
    threshold: Probability | None = Field(None, description=_THRESHOLD)
    positive: str | None = Field(None, description=_POSITIVE)
    target_recall: RequestedShare | None = Field(None, description=_RECALL)

    def rule(self) -> DecisionSettings:
        """Return what is asked of decisions; raises HttpError 422 where two rules do not go together."""
        return _make_rule(self, None, None)


class ExamplesQuery(_Strict):
    """Whose examples are asked for, as the query of the address."""

    model: str | None = Field(None, description="The model's name; the first model when left out.")


class GiveRequest(_Strict):
    """A person's labels for the row that the labelling page shows."""

    row: Whole = Field(description="The row's number.", ge=0)
    labels: list[str] = Field(description="Its labels.", max_length=1000)
    unsure: bool = Field(False, description="Whether the row is to come back for a second look.")
    note: str = Field("", description="A note on the row.", max_length=10_000)
    seconds: float = Field(0.0, description="How long the row was shown.", ge=0, le=86_400)


class SkipRequest(_Strict):
    """A row of the labelling page that is to come later."""

    row: Whole = Field(description="The row's number.", ge=0)


class NoContent(_Strict):
    """A request of the labelling page that says all by its address."""


class PredictionAnswer(BaseModel):
    """What the model says of one text; a multi-label model gives `labels`, another `label`."""

    label: str | None = Field(None, description="The label, where a text has one.")
    labels: list[str] | None = Field(None, description="The labels, where a text may have several.")
    confidence: float = Field(description="The calibrated probability that the answer is right.")
    probabilities: dict[str, float] = Field(description="That of each label.")
    known_words: int = Field(description="How many words of the text the model knows.")
    abstained: bool | None = Field(None, description="Whether the rule gives no answer, where it may.")


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


class ValidationAnswer(BaseModel):
    """How good a model was on its validation rows."""

    texts: int
    macro_f1: float
    log_loss: float
    accuracy: float | None
    micro_f1: float | None
    exact_match: float | None


class ModelAnswer(BaseModel):
    """A model of the service."""

    name: str
    version: int
    loaded: str
    labels: list[str]
    multi_label: bool
    words: int
    columns: list[str] = Field(description="The columns that it reads of a row.")
    can_promise: bool = Field(description="Whether it takes target_precision.")
    target_precision: float | None = Field(description="The one that it was trained for, if any.")
    validation: ValidationAnswer | None


class ModelsAnswer(BaseModel):
    """The models of the service; the first answers where none is named."""

    models: list[ModelAnswer]


class ErrorAnswer(BaseModel):
    """What was expected, and what was found."""

    error: str


class LabelExamples(BaseModel):
    """The words that speak most for a label, strongest first, and the texts that the model keeps of it."""

    label: str
    words: list[str]
    texts: list[str]


class ExamplesAnswer(BaseModel):
    """Typical words of each label, unless the model is multi-label or very large, and the texts that it keeps."""

    model: str
    version: int
    examples: list[LabelExamples]


class HealthAnswer(BaseModel):
    """The service runs."""

    status: Literal["ok"]


Texts = TypeVar("Texts", PredictRequest, ExplainRequest)
Message = TypeVar("Message", bound=BaseModel)
Query = TypeVar("Query", LabelQuery, ExamplesQuery)


def write_json(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    """Return a value as JSON."""
    return Response(to_json(value), status, headers, "application/json")


def format_prediction(one: Prediction, top_k: int | None) -> dict[str, Any]:
    """Return a prediction as plain values, figures rounded as `textclf predict --json` does."""
    best = sorted(one.probabilities.items(), key=lambda item: -item[1])[:top_k]
    return {
        **({"label": one.label} if one.labels is None else {"labels": one.labels}),
        "confidence": round(one.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in best},
        "known_words": one.known_words,
        **({} if one.abstained is None else {"abstained": one.abstained}),
    }


def parse_request(kind: type[Texts], body: bytes, limits: ServeLimits, most_texts: int) -> Texts:
    """Return what a body says, as `parse_body` does; raises HttpError 422, too, at too many or too long texts."""
    request = parse_body(kind, body)
    if len(request.texts) > most_texts:
        raise HttpError(
            422, f"texts: expected at most {most_texts:,}, found {len(request.texts):,}. Send several requests."
        )
    longest = max(map(_count_characters, request.texts))
    if longest > limits.characters:
        raise HttpError(
            422, f"texts: expected at most {limits.characters:,} characters in a text, found {longest:,}. Cut it."
        )
    return request


def parse_body(kind: type[Message], body: bytes) -> Message:
    """Return what a body says; raises HttpError 400 when it is no JSON, 422 when it is not what is asked for."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _name_mistake(error) from None


def _count_characters(text: str | Fields) -> int:
    return len(text) if isinstance(text, str) else sum(len(str(value)) for value in text.values())


def pack_texts(texts: Sequence[str | Fields], columns: RowColumns) -> list[str]:
    """Return the rows that a model of these columns reads; raises HttpError 422 where a column is missing."""
    rows = []
    for place, text in enumerate(texts):
        if isinstance(text, str) and columns.is_plain:
            rows.append(text)
            continue
        if isinstance(text, str) or not set(columns.names) <= set(text):
            raise HttpError(422, f"texts[{place}]: expected an object with the columns of the model, see /models.")
        cells = ["" if text[name] is None else str(text[name]) for name in columns.names]
        for cell in cells[len(columns) - len(columns.numbers) :]:
            try:
                parse_number(cell)
            except ValueError:
                raise HttpError(422, f"texts[{place}]: expected numbers in columns of numbers, found others.") from None
        rows.append(cells[0] if columns.is_plain else columns.pack(cells))
    return rows


def parse_query(kind: type[Query], query: QueryParams) -> Query:
    """Return what a query says; parameters without a value count as left out. Raises HttpError 422."""
    given = query.multi_items()
    if len(dict(given)) < len(given):
        raise HttpError(422, "query: expected each parameter once, found one several times.")
    try:
        return kind.model_validate_strings({name: value for name, value in given if value})
    except ValidationError as error:
        raise _name_mistake(error, "query") from None


def _name_mistake(error: ValidationError, whole: str = "body") -> HttpError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return HttpError(400, f"body: expected JSON in UTF-8, found something else ({first['msg']}).")
    if first["type"] == "extra_forbidden":  # its place is a name that the client chose
        return HttpError(422, f"{whole}: expected only fields that are known here, found another. See /openapi.json.")
    if first["loc"][:1] == ("texts",) and len(first["loc"]) > 2:  # what is wrong with each kind that it may be
        place = f"texts[{first['loc'][1]}]"
        return HttpError(422, f"{place}: expected a text or an object of columns, found something else.")
    place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"]) or whole
    return HttpError(422, f"{place}: {_reword(first['msg'])}.")


def _reword(message: str) -> str:
    """Return a message of pydantic's in the words of this package."""
    if message == "Field required":
        return "expected it, found nothing"
    if counted := re.fullmatch(r"\w+ should have (at \w+ \d+ \w+)(?: after validation, not (\d+))?", message):
        return f"expected {counted[1]}, found {counted[2] or 'another number'}"
    if wanted := re.fullmatch(r"Input should be ([^,]+(?:, '[^,]+)*).*", message):
        number = "a number " if wanted[1].startswith(("less", "greater")) else ""
        return f"expected {number}{wanted[1]}, found something else"
    return message

"""The model card: everything that a model file says about itself beside its arrays, typed and bounded.

A file's description is JSON that anybody may have written, so nothing of it is believed: `read_as` holds every value to
the type and the bounds that the dataclasses here state, and names the field that does not fit. Names that this version
does not know, as a later one may add, are left out.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from textclf.errors import TextclfError, spell
from textclf.settings import Settings
from textclf.types import Array

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """The lowest and the highest value that a number may have, both allowed."""

    lowest: float
    highest: float


@dataclass(frozen=True)
class AtMost:
    """How many entries a list may have."""

    entries: int


Count = Annotated[int, Bounds(0, 2**53)]
Share = Annotated[float, Bounds(0.0, 1.0)]
BoundedNumber = Annotated[float, Bounds(-1e30, 1e30)]
LabelKind = Literal["str", "int", "float", "bool"]
Positive = Annotated[float, Bounds(1e-6, 1e6)]

_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class EpochFigures:
    """The losses of one epoch, or of one step of L-BFGS.

    `fit` is 0 for epochs of mini-batches. Fits by L-BFGS are numbered from 1: each continues the one before it with
    another regularization, so their training losses do not compare. The three validation figures need validation
    rows; of a fit by L-BFGS only the last step has a validation loss.
    """

    number: Count
    loss: BoundedNumber
    valid_loss: BoundedNumber | None = None
    valid_accuracy: Share | None = None
    valid_macro_f1: Share | None = None
    fit: Count = 0


@dataclass(frozen=True)
class Scaling:
    """What vector scaling makes of Z, shape (n, k): Z ⊙ a + b; `factors` a > 0 and `biases` b, k of each.

    >>> scaling = Scaling((2.0, 1.0), (0.5, 0.0))
    >>> scaling.apply(np.array([[1.0, 1.0]]))
    array([[2.5, 1. ]])
    >>> scaling.undo(scaling.apply(np.array([[1.0, 1.0]])))
    array([[1., 1.]])
    """

    factors: tuple[Positive, ...]
    biases: tuple[Annotated[float, Bounds(-1e6, 1e6)], ...]

    def apply(self, Z: Array) -> Array:
        """Return Z ⊙ a + b."""
        scaled: Array = Z * np.asarray(self.factors) + np.asarray(self.biases)
        return scaled

    def undo(self, Z: Array) -> Array:
        """Return the Z that `apply` made this of."""
        original: Array = (Z - np.asarray(self.biases)) / np.asarray(self.factors)
        return original


@dataclass(frozen=True)
class RegularizationFigures:
    """The L2 regularization and the scale of each kind of n-grams that the model was fitted with."""

    l2: Annotated[float, Bounds(0.0, 1e9)]
    ngram_scales: tuple[Annotated[float, Bounds(0.0, 1e9)], ...]


@dataclass(frozen=True)
class WeakestClass:
    """The label with the lowest F1 among those that validation rows have, and how many of them have it."""

    label: str
    f1: Share
    texts: Count


@dataclass(frozen=True)
class ValidationFigures:
    """The few figures that are kept of the validation rows: with one label a text the accuracy, else F1 and matches.

    `macro_f1_interval`: the 95% interval. `majority`: the accuracy of always answering with the commonest label.
    `independent`: the share of the texts that intervals count, because copies of a text count about once.
    """

    texts: Count
    macro_f1: Share
    log_loss: BoundedNumber
    accuracy: Share | None = None
    micro_f1: Share | None = None
    exact_match: Share | None = None
    macro_f1_interval: tuple[Share, Share] | None = None
    majority: Share | None = None
    ece: Share | None = None
    weakest: WeakestClass | None = None
    independent: Share = 1.0

    @property
    def independent_texts(self) -> float:
        """How many independent texts there are."""
        return max(self.texts * self.independent, 1.0)


@dataclass(frozen=True)
class TrainingData:
    """What is kept of a training table: how many texts and classes, the largest class, and a digest.

    `files`, and for each kind of n-grams the largest count that may be missing, are known of many files only.
    """

    texts: Count
    sha256: str
    classes: Count
    largest: Count
    files: Count | None = None
    missing_counts: tuple[Count, ...] | None = None


@dataclass(frozen=True)
class VectorSource:
    """The pretrained word vectors that a model was trained with."""

    name: str
    sha256: str
    kind: str


@dataclass(frozen=True)
class Provenance:
    """The versions that made a model, and the pretrained vectors, if there were any.

    `kernel`: for which kind of processor the linear algebra ran; another kind changes a model's last bits.
    """

    textclf: str
    python: str
    numpy: str
    vectors: VectorSource | None = None
    kernel: str | None = None


@dataclass(frozen=True)
class BeforeAfter:
    """One figure of a model, and of the smaller one that was made of it."""

    before: BoundedNumber
    after: BoundedNumber


@dataclass(frozen=True)
class ExportValidation:
    """How a smaller model does on labelled rows beside the one that it was made of."""

    texts: Count
    log_loss: BeforeAfter
    largest_change_of_a_probability: Share
    accuracy: BeforeAfter | None = None
    micro_f1: BeforeAfter | None = None


@dataclass(frozen=True)
class ExportFacts:
    """How a smaller model was made: of which file, by checksum, and with how many words and n-grams."""

    quantize: Literal["int8"]
    source: str
    folded: bool
    words: Count
    ngrams: Count
    validation: ExportValidation | None = None


@dataclass(frozen=True)
class ModelCard:
    """How a model was trained and exported, and how it did; what is not known is None or empty.

    `before`: the data of the models that this one continues. `label_kind`: what the labels were in Python, where they
    were no strings.
    """

    history: tuple[EpochFigures, ...] = ()
    scaling: Scaling | None = None
    settings: Settings | None = None
    regularization: RegularizationFigures | None = None
    validation: ValidationFigures | None = None
    data: TrainingData | None = None
    before: tuple[TrainingData, ...] = ()
    provenance: Provenance | None = None
    label_kind: LabelKind = "str"
    export: ExportFacts | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, from which `read_as` makes this card; what is not known is left out."""
        return cast(dict[str, Any], plain(self))


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return plain values for JSON: dataclasses as objects without the fields that have their default."""
    if isinstance(value, Settings):
        return value.as_dict()
    if is_dataclass(value):
        found = [(field, getattr(value, field.name)) for field in fields(value)]
        return {
            field.name: plain(entry) for field, entry in found if field.default is MISSING or entry != field.default
        }
    return [plain(entry) for entry in value] if isinstance(value, tuple) else value


def read_as(kind: type[T], value: object, where: str = "") -> T:
    """Return a value that was JSON as this kind; raises ValueError that names the field and what was expected."""
    return cast(T, _read(kind, value, where))


def _read(kind: Any, value: object, where: str) -> object:  # noqa: ANN401 - types are values here
    origin, arguments = _parts(kind)
    if origin is Annotated and isinstance(arguments[1], AtMost):
        if isinstance(value, list) and len(value) > arguments[1].entries:
            raise ValueError(f"{where}: expected at most {arguments[1].entries} entries, found {len(value)}")
        return _read(arguments[0], value, where)
    if origin is Annotated:
        return _bound(_read(arguments[0], value, where), arguments[1], where)
    if origin in (Union, UnionType):
        return _read_union(arguments, value, where)
    if origin is Literal:
        if not (isinstance(value, str) and value in arguments):
            raise _unlike(where, f"one of {', '.join(map(str, arguments))}", value)
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _unlike(where, "names with values", value)
        return {name: _read(arguments[1], entry, _within(where, name)) for name, entry in value.items()}
    return _read_dataclass(cast(type, kind), value, where) if is_dataclass(kind) else _read_plain(kind, value, where)


@lru_cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401 - types are values here
    return get_origin(kind), get_args(kind)


def _read_plain(kind: type, value: object, where: str) -> object:
    if kind is float and type(value) in (int, float):
        number = cast(float, value)
        if abs(number) > _LARGEST or not math.isfinite(number):
            raise _unlike(where, "a finite number", value)
        return float(number)
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", NoneType: "null"}
    if type(value) is not kind:
        raise _unlike(where, names[kind], value)
    return value


_LARGEST = 1e300


def _read_union(kinds: tuple[Any, ...], value: object, where: str) -> object:
    others = [kind for kind in kinds if kind is not NoneType]
    if value is None and len(others) < len(kinds):
        return None
    for kind in others[:-1]:
        try:
            return _read(kind, value, where)
        except ValueError:
            continue  # the last kind says what was expected
    return _read(others[-1], value, where)


def _read_tuple(kinds: tuple[Any, ...], value: object, where: str) -> object:
    if not isinstance(value, list):
        raise _unlike(where, "a list", value)
    each = [kinds[0]] * len(value) if kinds[1:] == (...,) else list(kinds)
    if len(each) != len(value):
        raise _unlike(where, f"a list of {len(each)}", value)
    return tuple(_read(kind, entry, f"{where}[{i}]") for i, (kind, entry) in enumerate(zip(each, value, strict=True)))


def _read_dataclass(kind: type, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise _unlike(where, "names with values", value)
    read = {}
    for field in fields(kind):
        name = _within(where, field.name)
        if field.name in value:
            read[field.name] = _read(_hints(kind)[field.name], value[field.name], name)
        elif field.default is MISSING:
            raise ValueError(f"{name}: expected a value, found none")
    try:
        return kind(**read)
    except TextclfError as error:  # settings know their ranges themselves
        raise ValueError(f"{where}: {str(error).rstrip('.')}") from None


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _bound(value: object, bounds: Bounds, where: str) -> object:
    if not bounds.lowest <= cast(float, value) <= bounds.highest:
        raise _unlike(where, f"{bounds.lowest:g} to {bounds.highest:g}", value)
    return value


def _within(where: str, name: str) -> str:
    return spell(f"{where}.{name}" if where else name)


def _unlike(where: str, expected: str, value: object) -> ValueError:
    kinds = {NoneType: "null", list: "a list", dict: "names with values"}
    found = kinds.get(type(value)) or spell(repr(value)[:_LONGEST_SHOWN])
    return ValueError(f"{where}: expected {expected}, found {found}")

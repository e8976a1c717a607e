"""What a user may choose about training, checked once, at the door."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from textclf.errors import TextclfError

Weighting = Literal["mean", "tfidf", "sif"]
Activation = Literal["relu", "tanh", "sigmoid"]
LossName = Literal["cross-entropy", "squared-error"]
Output = Literal["softmax", "sigmoid"]
OptimizerName = Literal["lbfgs", "adam", "momentum", "sgd"]
RecipeName = Literal["auto", "fast", "best"]
ColumnUse = Literal["auto", "joined", "apart"]

CHOICES: dict[str, tuple[str, ...]] = {
    "recipe": get_args(RecipeName),
    "columns": get_args(ColumnUse),
    "weighting": ("auto", *get_args(Weighting)),
    "activation": get_args(Activation),
    "loss": get_args(LossName),
    "output": get_args(Output),
    "optimizer": get_args(OptimizerName),
}

RANGES: dict[str, tuple[float, float]] = {
    "target_precision": (0.5, 0.999),
    "dimension": (1, 10_000),
    "word_ngrams": (0, 10),
    "pattern_ngrams": (0, 10),
    "min_texts": (1, 1_000_000),
    "learning_rate": (1e-9, 100.0),
    "vector_rate": (0.0, 100.0),
    "batch_size": (1, 1_000_000),
    "epochs": (1, 100_000),
    "patience": (1, 100_000),
    "dropout": (0.0, 0.95),
    "word_dropout": (0.0, 0.95),
    "l2": (0.0, 1e6),
    "valid_fraction": (0.0, 0.5),
    "seed": (0, 2**63 - 1),
    "threads": (1, 256),
}
"""The lowest and the highest value of each number, both allowed."""
LARGEST_WEIGHT = 1e12
"""The largest weight of a row: sums of squares of so many stay finite in 32 bits."""


@dataclass(frozen=True)
class Settings:
    """How a classifier is trained. None means: what suits the data and the optimizer.

    `recipe` is the search effort: ``fast`` no search, ``auto`` a search that takes seconds, ``best`` a thorough one.
    `vectors` is a file, ``starter``, a name of gensim's downloader, or ``none``; `dimension` counts only with none.
    `class_weight` is ``none``, ``balanced`` (each class counts alike) or what one row of each label weighs.
    `label_names`: words that say what each label is about, for tables with few rows; None takes the labels themselves.
    `calibrate`: the temperature of the probabilities is fitted on validation rows.
    `target_precision`: the precision that answers are to have (see `abstention`); all rows are then cross-validated.
    `min_texts`: words, n-grams and sub-words of fewer texts are left out, so that they cannot be guessed from a model.
    `word_ngrams`, `pattern_ngrams`: the longest, 0 for none. `char_ngrams`: the shortest and the longest, (0, 0) for
    none. `hidden` are the hidden layers' sizes.
    `weighting`: of words in a text's average; ``auto`` is ``sif``, or ``mean`` where mini-batches train the vectors.
    `ordinal`: labels have an order, that of their numbers or the one that is listed, and a text gets the label nearest
    to its expected rank.
    `columns`: whether several text columns are ``joined`` to one text or kept ``apart``, with averages and word n-grams
    of their own; ``auto`` asks the validation rows.
    With `multi_label` a text may have several labels or none, and each is a yes or no of its own: `output` is sigmoid.
    Raises TextclfError when a value is out of its range.
    """

    recipe: RecipeName = "auto"
    vectors: str = "starter"
    freeze_vectors: bool = False
    dimension: int = 100
    weighting: Literal["auto"] | Weighting = "auto"
    word_ngrams: int | None = None
    pattern_ngrams: int | None = None
    char_ngrams: tuple[int, int] | None = None
    min_texts: int | None = None
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    loss: LossName = "cross-entropy"
    output: Output = "softmax"
    optimizer: OptimizerName = "lbfgs"
    learning_rate: float | None = None
    vector_rate: float = 0.02
    batch_size: int = 64
    epochs: int | None = None
    patience: int = 3
    dropout: float = 0.0
    word_dropout: float = 0.3
    l2: float | None = None
    class_weight: Literal["none", "balanced"] | Mapping[str, float] = "none"
    label_names: Mapping[str, str] | None = None
    calibrate: bool = True
    target_precision: float | None = None
    valid_fraction: float = 0.1
    seed: int = 1
    threads: int = 2
    multi_label: bool = False
    ordinal: bool | tuple[str, ...] = False
    columns: ColumnUse = "auto"

    def __post_init__(self) -> None:
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not lowest <= value <= highest:  # NaN is in no range
                raise TextclfError(f"{name}: expected {lowest:g} to {highest:g}, found {value!r}.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise TextclfError(f"{name}: expected one of {', '.join(choices)}, found {getattr(self, name)!r}.")
        if any(not 1 <= size <= 100_000 for size in self.hidden):
            raise TextclfError(f"hidden: expected sizes of 1 to 100000, found {list(self.hidden)}.")
        shortest, longest = self.char_ngrams or (0, 0)
        if not (0 <= shortest <= longest <= 10) or (longest and not shortest):
            raise TextclfError(f"char_ngrams: expected SHORTEST-LONGEST of 1 to 10, or none, found {self.char_ngrams}.")
        _check_class_weight(self.class_weight)
        if self.multi_label and self.output != "sigmoid":
            raise TextclfError(f"output: expected sigmoid, as texts may have several labels, found {self.output!r}.")
        if self.multi_label and self.ordinal:
            raise TextclfError("ordinal: expected one label a text, found several. Leave it out.")
        _check_columns(self.columns, self.optimizer)
        if self.multi_label and self.class_weight != "none":
            raise TextclfError("class_weight: expected none, as texts may have several labels. Leave it out.")

    @property
    def word_weighting(self) -> Weighting:
        """The weighting that is used: vectors that are trained can themselves make common words count less."""
        if self.weighting != "auto":
            return self.weighting
        return "sif" if self.optimizer == "lbfgs" or self.freeze_vectors else "mean"

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; what changes nothing is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "threads"}
        for name in ("multi_label", "ordinal"):
            if not values[name]:
                del values[name]
        if self.label_names is None:
            del values["label_names"]
        if self.columns == "auto":
            del values["columns"]
        if self.min_texts is None:
            del values["min_texts"]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _check_columns(columns: ColumnUse, optimizer: OptimizerName) -> None:
    if columns == "apart" and optimizer != "lbfgs":
        raise TextclfError(f"columns: expected joined, as {optimizer} trains the vectors, found 'apart'.")


def _check_class_weight(weights: str | Mapping[str, float]) -> None:
    if isinstance(weights, str) and weights not in ("none", "balanced"):
        raise TextclfError(f"class_weight: expected none, balanced, or a weight for each label, found {weights!r}.")
    if isinstance(weights, Mapping):
        for label, weight in weights.items():
            if not 0 <= weight <= LARGEST_WEIGHT:
                expected = f"weights of 0 to {LARGEST_WEIGHT:,.0f}"
                raise TextclfError(f"class_weight: expected {expected}, found {weight!r} for {label!r}.")

"""What is tried: settings that change much from one table to another, and in which range each is worth trying.

The ranges are those that cross-validation on seven sets ever preferred, and some room around them.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textclf.settings import Settings

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_CHARS: dict[str, tuple[int, int]] = {"none": (0, 0), "1-4": (1, 4), "1-5": (1, 5), "2-6": (2, 6)}

FIRST: dict[str, Any] = {"kind": "linear", "l2": 0.15, "word_ngrams": 2, "char_ngrams": "1-5", "weighting": "mean"}
"""The first proposal after the plain recipe: what the plain recipe starts from."""


def suggest(trial: "BaseTrial", base: Settings, *, weigh_classes: bool, allow_chars: bool) -> Settings:
    """Return `base` with what the trial proposes. Without `allow_chars` long texts get no n-grams of characters."""
    kind = trial.suggest_categorical("kind", ["linear", "network"])
    chars = trial.suggest_categorical("char_ngrams", list(_CHARS)) if allow_chars else "none"
    chosen: dict[str, Any] = {
        "l2": trial.suggest_float("l2", 0.02, 3.0, log=True),
        "word_ngrams": trial.suggest_int("word_ngrams", 1, 3),
        "char_ngrams": _CHARS[chars],
        "weighting": trial.suggest_categorical("weighting", ["mean", "tfidf"]),
    }
    if weigh_classes:
        chosen["class_weight"] = trial.suggest_categorical("class_weight", ["none", "balanced"])
    if kind == "network":
        chosen |= {
            "optimizer": "adam",
            "hidden": (trial.suggest_categorical("hidden", [32, 128]),),
            "activation": trial.suggest_categorical("activation", ["relu", "tanh"]),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }
    return replace(base, **chosen)

"""Predictions as lines: JSON objects, or a label, its confidence and the text."""

from typing import Any

from textclf.cli.console import json_line
from textclf.errors import spell
from textclf.model.prediction import Prediction


def prediction_line(prediction: Prediction, top_k: int | None) -> str:
    """Return a prediction as one line of JSON."""
    line: dict[str, Any] = {
        "text": prediction.text,
        **({"label": prediction.label} if prediction.labels is None else {"labels": list(prediction.labels)}),
        "confidence": round(prediction.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in rank(prediction, top_k)},
        "known_words": prediction.known_words,
    }
    if prediction.abstained is not None:
        line["abstained"] = prediction.abstained
    return json_line(line)


def prediction_text(prediction: Prediction, top_k: int | None, *, proba: bool) -> str:
    """Return a prediction as one line: its label and confidence, or several with probabilities, and the text."""
    text = f"abstained  {spell(prediction.text)}" if prediction.abstained else spell(prediction.text)
    if top_k is None and not proba:
        label = prediction.label or "[]"  # no label at all, as a JSON list says it
        return f"{spell(label)}  {prediction.confidence:.3f}  {text}"
    labels = "  ".join(f"{spell(label)} {p:.3f}" for label, p in rank(prediction, top_k))
    return f"{labels}  {text}"


def rank(prediction: Prediction, top_k: int | None) -> list[tuple[str, float]]:
    """Return the labels and their probabilities, likeliest first, at most `top_k`."""
    best = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    return best[:top_k]

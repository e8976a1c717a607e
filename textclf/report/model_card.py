"""A model card: what a model is, was trained on and can do, in the Markdown with YAML front matter that hubs read.

JSON is YAML, so the values of the front matter are written as JSON: no label or name can break it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from textclf.errors import say_count, spell
from textclf.metrics.bootstrap import wilson_interval
from textclf.model.card import ValidationFigures
from textclf.model.model import Model

_SHOWN_LABELS = 50


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside what the model knows: a name, the checksum of the file, and the licence."""

    name: str
    sha256: str
    licence: str


def write_model_card(model: Model, facts: CardFacts) -> str:
    """Return the card as Markdown: front matter, labels, data, figures with intervals, limits, use and citation."""
    parts = (
        _front_matter(model, facts),
        [f"# {_cell(facts.name)}", "", *_description(model)],
        _data(model),
        _figures(model.card.validation),
        _limits(model),
        _use(facts),
        _citation(facts),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _front_matter(model: Model, facts: CardFacts) -> Iterator[str]:
    yield "---"
    yield f"license: {json.dumps(facts.licence)}"
    yield 'library_name: "textclf"'
    yield 'pipeline_tag: "text-classification"'
    yield 'tags: ["text-classification", "textclf"]'
    found = model.card.validation
    if found is not None:
        yield "model-index:"
        yield f"- name: {json.dumps(facts.name)}"
        yield "  results:"
        yield '  - task: {"type": "text-classification"}'
        yield '    dataset: {"name": "held-out rows of the training data", "type": "held-out"}'
        yield "    metrics:"
        for kind, name, value, _ in _measured(found):
            yield f"    - {json.dumps({'type': kind, 'name': name, 'value': round(value, 6)})}"
    yield "---"


def _description(model: Model) -> list[str]:
    k = len(model.labels)
    which = "any number of" if model.is_multi_label else "one of"
    listed = ", ".join(f"`{_cell(label)}`" for label in model.labels[:_SHOWN_LABELS])
    more = f" and {k - _SHOWN_LABELS:,} more" if k > _SHOWN_LABELS else ""
    layers = " → ".join(map(str, model.network.sizes))
    return [
        f"Gives a text {which} {say_count(k, 'label')}: {listed}{more}.",
        "",
        f"Made by textclf: averaged vectors of {len(model.words):,} words, n-grams, and a network of {layers} neurons.",
    ]


def _data(model: Model) -> Iterator[str]:
    yield "## Training data"
    yield ""
    card, data = model.card, model.card.data
    if data is None:
        yield "Not known."
        return
    texts, classes = say_count(data.texts, "text"), say_count(data.classes, "class")
    yield f"* {texts} of {classes}; {data.largest:,} have the commonest."
    yield f"* SHA-256 of texts and labels: `{data.sha256}`"
    for before in card.before:
        yield f"* Continues a model of {say_count(before.texts, 'text')}, SHA-256 `{before.sha256}`"
    if card.provenance is not None and card.provenance.vectors is not None:
        vectors = card.provenance.vectors
        yield f"* Word vectors: {_cell(vectors.name)}, SHA-256 `{vectors.sha256}`"


def _measured(found: ValidationFigures) -> Iterator[tuple[str, str, float, tuple[float, float] | None]]:
    """Give the figures of a hub: type, name, value and 95% interval."""
    if found.accuracy is not None:
        yield "accuracy", "accuracy", found.accuracy, wilson_interval(found.accuracy, found.independent_texts)
    if found.micro_f1 is not None:
        yield "f1", "micro-F1", found.micro_f1, None
    yield "f1", "macro-F1", found.macro_f1, found.macro_f1_interval
    if found.exact_match is not None:
        yield (
            "exact_match",
            "exact match",
            found.exact_match,
            wilson_interval(found.exact_match, found.independent_texts),
        )


def _figures(found: ValidationFigures | None) -> Iterator[str]:
    yield "## Figures"
    yield ""
    if found is None:
        yield "There were no held-out rows. Measure the model with `textclf evaluate MODEL TEST.csv`."
        return
    yield f"On {say_count(found.texts, 'held-out row')} of the training data."
    yield ""
    yield "| figure | value | 95% interval |"
    yield "|---|---:|---|"
    for _, name, value, interval in _measured(found):
        span = "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"
        yield f"| {name} | {value:.4f} | {span} |"
    for name, figure in (("majority baseline", found.majority), ("calibration error", found.ece)):
        if figure is not None:
            yield f"| {name} | {figure:.4f} | |"
    yield f"| log loss | {found.log_loss:.4f} | |"
    if found.weakest is not None:
        weakest = found.weakest
        texts = say_count(weakest.texts, "text")
        yield ""
        yield f"Weakest label: `{_cell(weakest.label)}`, F1 {weakest.f1:.4f} ({texts})."


def _limits(model: Model) -> Iterator[str]:
    yield "## Limits"
    yield ""
    which = "no other" if model.is_multi_label else "no other, and one of them to every text, whatever it is about"
    yield f"* The model gives these labels and {which}."
    yield "* The figures hold for texts like those of training. `textclf predict --drift` tells whether texts differ."
    yield "* Held-out rows also chose the temperature, which flatters the log loss. A test table tells more."
    if model.card.settings is not None and model.card.settings.vectors == "starter":
        yield "* The word vectors are of English text. In other languages n-grams and sub-words do the work."
    if model.is_multi_label or model.record is None:
        yield "* It makes no promise of a precision: it does not abstain where it is unsure."
    else:
        yield "* Where mistakes matter, let it abstain: `--target-precision`, `--threshold` or `--costs`."
    yield "* What it learnt from labels includes their mistakes and their bias."


def _use(facts: CardFacts) -> list[str]:
    return [
        "## How to use", "", "```python", "import textclf", "", f"model = textclf.load({json.dumps(facts.name)})",
        'model.predict(["A text to label."])', "```",
    ]  # fmt: skip


def _citation(facts: CardFacts) -> list[str]:
    title = spell(facts.name).translate({ord(sign): None for sign in "{}\\"})
    return [
        "## How to cite", "", "```bibtex", "@misc{textclf-model,", f"  title = {{{title}: a textclf model}},",
        f"  note = {{SHA-256 {facts.sha256}}},", "}", "```",
    ]  # fmt: skip


def _cell(text: str) -> str:
    """Return a name as it stands in a line or a table of Markdown."""
    return spell(text).replace("`", "'").replace("|", "\\|").replace("<", "&lt;")

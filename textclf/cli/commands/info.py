"""``textclf info``: what a model file holds and how it was made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import json_line
from textclf.cli.options import FILE, INPUT, Command, check_outputs, json_option, refuse_idle, section
from textclf.errors import say_count, spell

if TYPE_CHECKING:
    from textclf.model.file import FileFacts
    from textclf.model.model import Model

_SHOWN_LABELS = 20


@click.command("info", cls=Command, short_help="Show what a model file holds and how it was made.")
@click.argument("model", type=INPUT)
@section(
    "Output",
    click.option(
        "--card", type=FILE, metavar="FILE", help="Write a model card: Markdown with the front matter that hubs read."
    ),
    click.option(
        "--license",
        "licence",
        default="unknown",
        show_default=True,
        metavar="NAME",
        help="With --card: the licence, such as apache-2.0.",
    ),
    json_option,
)
def command(model: Path, card: Path | None, licence: str, as_json: bool) -> None:
    """Show what MODEL holds and how it was made.

    \b
    textclf info model.safetensors
    textclf info model.safetensors --card card.md --license apache-2.0
    """
    from textclf.model.model import Model

    loaded, file = Model.load_with_facts(model)
    if card is not None:
        check_outputs([model], card)
        _write_card(loaded, file, card, licence)
        return
    refuse_idle(("licence",), "there is no --card to write it to")
    facts = {"file": str(model), "bytes": file.bytes, **_facts(loaded)}
    if as_json:
        click.echo(json_line(facts))
        return
    for name, value in facts.items():
        if name == "history":
            value = f"{say_count(len(value), 'epoch')}, last loss {value[-1]['loss']:.4f}" if value else "none"
        elif name == "labels" and len(value) > _SHOWN_LABELS:
            value = f"{len(value)}: {', '.join(value[:_SHOWN_LABELS])} …"
        elif name == "thresholds" and len(value) > _SHOWN_LABELS:
            value = f"{min(value.values()):.4f} to {max(value.values()):.4f}, see --json"
        elif isinstance(value, list):
            value = ", ".join(map(_shown_value, value))
        elif isinstance(value, dict):
            value = ", ".join(f"{key} {_shown_value(entry)}" for key, entry in value.items() if entry is not None)
        click.echo(f"{name}: {spell(_shown_value(value))}")


def _write_card(model: "Model", file: "FileFacts", target: Path, licence: str) -> None:
    """Write the model card."""
    from textclf.report.model_card import CardFacts, write_model_card
    from textclf.storage.files import write_whole

    text = write_model_card(model, CardFacts(file.name, file.sha256, licence))
    with write_whole(target) as stream:
        stream.write(text.encode())


def _shown_value(value: object) -> str:
    """Return a value for people: of numbers six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shown_value(each)}' for key, each in value.items())}}}"
    return str(value)


def _facts(model: "Model") -> dict[str, Any]:
    several = {}
    if model.thresholds is not None:
        several = {"thresholds": dict(zip(model.labels, model.thresholds.astype(float).round(4).tolist(), strict=True))}
    return {
        "labels": list(model.labels),
        **several,
        "layers": list(model.network.sizes),
        "activation": model.network.activation.name,
        "output": model.output,
        "words": len(model.words),
        "dimension": int(model.E.shape[1]),
        "n-grams": {table.kind: len(table.index) for table in model.features.ngrams},
        **_columns(model),
        **model.card.as_dict(),
    }


def _columns(model: "Model") -> dict[str, Any]:
    """Return the columns that the model reads, where they are more than one text."""
    columns, others = model.features.columns, model.features.others
    if columns.is_plain:
        return {}
    categories = {column.name: len(column.values) for column in others.categories}
    numbers = {column.name: {"mean": column.mean, "spread": column.spread} for column in others.numbers}
    return {"columns": {"texts": list(columns.texts), "categories": categories, "numbers": numbers}}

"""``textclf info``: what a model file holds and how it was made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import json_line
from textclf.cli.options import INPUT, Command, json_option, section
from textclf.errors import counted, spell

if TYPE_CHECKING:
    from textclf.model.model import Model

_SHOWN_LABELS = 20


@click.command("info", cls=Command, short_help="Show what a model file holds and how it was made.")
@click.argument("model", type=INPUT)
@section("Output", json_option)
def command(model: Path, as_json: bool) -> None:
    """Show what MODEL holds and how it was made.

    \b
    textclf info model.safetensors
    """
    from textclf.model.model import Model

    facts = _facts(Model.load(model), model)
    if as_json:
        click.echo(json_line(facts))
        return
    for name, value in facts.items():
        if name == "history":
            value = f"{counted(len(value), 'epoch')}, last loss {value[-1]['loss']:.4f}" if value else "none"
        elif name == "labels" and len(value) > _SHOWN_LABELS:
            value = f"{len(value)}: {', '.join(value[:_SHOWN_LABELS])} …"
        elif name == "thresholds" and len(value) > _SHOWN_LABELS:
            value = f"{min(value.values()):.4f} to {max(value.values()):.4f}, see --json"
        elif isinstance(value, list):
            value = ", ".join(map(_shown_value, value))
        elif isinstance(value, dict):
            value = ", ".join(f"{key} {_shown_value(entry)}" for key, entry in value.items() if entry is not None)
        click.echo(f"{name}: {spell(_shown_value(value))}")


def _shown_value(value: object) -> str:
    """Return a value for people: of numbers six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shown_value(each)}' for key, each in value.items())}}}"
    return str(value)


def _facts(model: "Model", path: Path) -> dict[str, Any]:
    several = {}
    if model.thresholds is not None:
        several = {"thresholds": dict(zip(model.labels, model.thresholds.astype(float).round(4).tolist(), strict=True))}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "labels": list(model.labels),
        **several,
        "layers": list(model.network.sizes),
        "activation": model.network.activation.name,
        "output": model.output,
        "words": len(model.words),
        "dimension": int(model.E.shape[1]),
        "n-grams": {table.kind: len(table.index) for table in model.features.ngrams},
        **model.card.as_dict(),
    }

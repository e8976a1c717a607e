"""``textclf export``: a model for elsewhere, small or as ONNX."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    Bytes,
    check_outputs,
    json_option,
    origin,
    quiet_option,
    read_options,
    table_options,
    threads_option,
)
from textclf.cli.output import json_line, report_table, say
from textclf.errors import shown

if TYPE_CHECKING:
    from textclf.export import LabelledRows, Shrunk
    from textclf.model.model import Model
    from textclf.tables import TableOptions

_ONNX = ".onnx"


@click.command("export", short_help="Write a model for elsewhere: small, or as ONNX.")
@click.argument("model", type=FILE)
@click.option("-o", "--output", "target", type=FILE, required=True, metavar="OUT", help="Where it goes; or NAME.onnx.")
@click.option("--quantize", type=click.Choice(["int8"]), help="Numbers of 8 bits, with a scale for each row.")
@click.option(
    "--max-size", type=Bytes(), metavar="SIZE", help="Leave out what has least effect until it fits, such as 1MB."
)
@click.option(
    "--validation", type=FILE, metavar="TABLE", help="Labelled rows not trained on, to judge by what is lost."
)
@table_options(labelled=True)
@json_option
@threads_option
@quiet_option
def command(
    model: Path,
    target: Path,
    quantize: str | None,
    max_size: int | None,
    validation: Path | None,
    as_json: bool,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Write MODEL small, or as ONNX.

    With --quantize int8 it is a model again, which every command takes. --validation says what that costs, and without
    --max-size decides how many words and n-grams are worth keeping; without --validation and --max-size all are kept.
    NAME.onnx takes numbers of words and n-grams; NAME.tokenizer.json, written beside it, says how to get them.

    \b
    textclf export model.safetensors -o small.safetensors --quantize int8 --validation valid.csv
    textclf export model.safetensors -o small.safetensors --quantize int8 --max-size 1MB
    textclf export model.safetensors -o model.onnx
    """
    from textclf.model.model import Model

    options = read_options(settings)
    if target.suffix.lower() == _ONNX:
        if quantize or max_size is not None or validation is not None:
            raise click.UsageError(f"{target}: export the small model first, and then that one as ONNX.")
        _write_onnx(model, target, as_json, quiet)
        return
    if quantize is None:
        raise click.UsageError("expected what to write: --quantize int8 for a small model, or -o NAME.onnx.")
    check_outputs([model, *([validation] if validation else [])], target)
    loaded = Model.load(model)
    rows = _read_rows(validation, options, loaded, threads) if validation is not None else None
    _write_small(loaded, model, target, rows, max_size, as_json)


def _read_rows(path: Path, options: "TableOptions", model: "Model", threads: int) -> "LabelledRows":
    """Return the labelled rows of a table that judge what is lost."""
    from dataclasses import replace

    from textclf.export import LabelledRows
    from textclf.tables import read_examples

    examples = read_examples(origin(path), replace(options, multi_label=model.is_multi_label))
    report_table(examples.name, examples.refused, examples.notes.sentences())
    return LabelledRows.of(examples, model, threads)


def _write_small(
    model: "Model", path: Path, target: Path, rows: "LabelledRows | None", max_size: int | None, as_json: bool
) -> None:
    from textclf.export import shrink
    from textclf.storage.files import sha256

    shrunk = shrink(model, sha256(path), rows=rows, max_size=max_size)
    shrunk.model.save(target)
    before, after = path.stat().st_size, target.stat().st_size
    if as_json:
        described = shrunk.model.card.as_dict()["export"]
        sizes = {"model": str(target), "bytes": after, "bytes_before": before}
        click.echo(json_line({**sizes, "validation": None, **described}))
        return
    click.echo(f"{shown(str(target))}: {after / 1e6:.2f} MB of {before / 1e6:.2f}; {_kept(shrunk)}")
    click.echo(_change_text(shrunk))


def _kept(shrunk: "Shrunk") -> str:
    (words, all_words), (ngrams, all_ngrams) = shrunk.words, shrunk.ngrams
    return f"{words:,} of {all_words:,} words, {ngrams:,} of {all_ngrams:,} n-grams"


def _change_text(shrunk: "Shrunk") -> str:
    change = shrunk.change
    if change is None:
        lost = "" if shrunk.model.record is not None or shrunk.model.is_multi_label else "; it promises no precision"
        return f"what is lost was not measured{lost}: give labelled rows with --validation"
    name = change.name.replace("micro_f1", "micro-F1")
    return (
        f"{name} {change.before:.4f} → {change.after:.4f} ({100 * (change.after - change.before):+.2f} points), "
        f"log loss {change.log_loss_before:.4f} → {change.log_loss_after:.4f}, "
        f"no probability changed by more than {change.largest:.4f} ({change.n:,} texts)"
    )


def _write_onnx(path: Path, target: Path, as_json: bool, quiet: bool) -> None:
    from textclf.export import check_onnx_available, write_onnx
    from textclf.model.model import Model

    check_onnx_available()
    tokenizer = target.with_suffix(".tokenizer.json")
    check_outputs([path], target, tokenizer)
    write_onnx(Model.load(path), target, tokenizer)
    if as_json:
        sizes = {"bytes": target.stat().st_size, "tokenizer_bytes": tokenizer.stat().st_size}
        click.echo(json_line({"model": str(target), "tokenizer": str(tokenizer), **sizes}))
    for each in (target, tokenizer):
        say(f"{shown(str(each))}: {each.stat().st_size / 1e6:.2f} MB", quiet=quiet)

"""``textclf export``: a model for elsewhere, small or as ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import json_line, report_table, say
from textclf.cli.options import (
    FILE,
    INPUT,
    READING,
    Bytes,
    Command,
    ReadingOptions,
    check_outputs,
    json_option,
    origin,
    quiet_option,
    refuse_idle,
    section,
    table_options,
    takes,
    threads_option,
)
from textclf.errors import counted, spell

if TYPE_CHECKING:
    from textclf.export import LabelledRows, Shrunk
    from textclf.model.model import Model

_ONNX = ".onnx"


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ReadingOptions):
    """Which model is written where, and how small."""

    model: Path
    target: Path
    quantize: str | None
    max_size: int | None
    validation: Path | None
    as_json: bool
    threads: int
    quiet: bool

    @property
    def is_onnx(self) -> bool:
        """Whether the model is written as ONNX."""
        return self.target.suffix.lower() == _ONNX

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        if self.is_onnx and (self.quantize or self.max_size is not None or self.validation is not None):
            raise click.UsageError(f"{self.target}: export the small model first, and then that one as ONNX.")
        if self.quantize is None and not self.is_onnx:
            raise click.UsageError("expected what to write: --quantize int8 for a small model, or -o NAME.onnx.")
        if self.validation is None:
            refuse_idle((*READING, "threads"), "it is for the rows of --validation")


@click.command("export", cls=Command, short_help="Write a smaller model, or ONNX.")
@click.argument("model", type=INPUT)
@section(
    "What is written",
    click.option(
        "-o",
        "--output",
        "target",
        type=FILE,
        required=True,
        metavar="OUT",
        help="File to write: a model, or NAME.onnx.",
    ),
    click.option("--quantize", type=click.Choice(["int8"]), help="Store numbers in 8 bits, with a scale for each row."),
    click.option(
        "--max-size",
        type=Bytes(),
        metavar="SIZE",
        help="Drop the least useful words and n-grams until the file fits, such as 1MB.",
    ),
    click.option(
        "--validation",
        type=INPUT,
        metavar="TABLE",
        help="Labelled rows, not used in training, to measure the loss in accuracy.",
    ),
    threads_option,
    json_option,
    quiet_option,
)
@table_options(labelled=True)
@takes(ExportOptions)
def command(options: ExportOptions) -> None:
    """Write MODEL small, or as ONNX.

    With --quantize int8 the output is a model that every command takes. With --validation the loss in accuracy is
    measured, and the words and n-grams that are not needed are dropped. With --max-size the file gets that size.
    NAME.onnx computes probabilities from counts of words and n-grams. NAME.tokenizer.json says how to count them.

    \b
    textclf export model.safetensors -o small.safetensors --quantize int8 --validation valid.csv
    textclf export model.safetensors -o small.safetensors --quantize int8 --max-size 1MB
    textclf export model.safetensors -o model.onnx
    """
    options.check_usage()
    if options.is_onnx:
        _write_onnx(options)
    else:
        _write_small(options)


def _write_small(options: ExportOptions) -> None:
    from textclf.export import shrink
    from textclf.model.model import Model
    from textclf.storage.files import sha256

    path, target = options.model, options.target
    check_outputs([path, *([options.validation] if options.validation else [])], target)
    model = Model.load(path)
    rows = None if options.validation is None else _read_rows(options.validation, model, options)
    shrunk = shrink(model, sha256(path), rows=rows, max_size=options.max_size)
    shrunk.model.save(target)
    before, after = path.stat().st_size, target.stat().st_size
    if options.as_json:
        described = shrunk.model.card.as_dict()["export"]
        sizes = {"model": str(target), "bytes": after, "bytes_before": before}
        click.echo(json_line({**sizes, "validation": None, **described}))
        return
    click.echo(f"{spell(str(target))}: {after / 1e6:.2f} MB of {before / 1e6:.2f}; {_count_kept(shrunk)}")
    click.echo(_change_text(shrunk))


def _read_rows(path: Path, model: "Model", options: ExportOptions) -> "LabelledRows":
    """Return the labelled rows of a table that measure the loss."""
    from textclf.export import LabelledRows
    from textclf.tables import read_examples

    reading = options.table_options(multi_label=model.is_multi_label, known=model.labels)
    examples = read_examples(origin(path), reading)
    report_table(examples.name, examples.refused, examples.notes.sentences())
    return LabelledRows.of(examples, model, options.threads)


def _count_kept(shrunk: "Shrunk") -> str:
    (words, all_words), (ngrams, all_ngrams) = shrunk.words, shrunk.ngrams
    return f"{words:,} of {all_words:,} words, {ngrams:,} of {all_ngrams:,} n-grams"


def _change_text(shrunk: "Shrunk") -> str:
    change = shrunk.change
    if change is None:
        lost = "" if shrunk.model.record is not None or shrunk.model.is_multi_label else "; it promises no precision"
        return f"the loss was not measured{lost}: give labelled rows with --validation"
    name = change.name.replace("micro_f1", "micro-F1")
    return (
        f"{name} {change.before:.4f} → {change.after:.4f} ({100 * (change.after - change.before):+.2f} points), "
        f"log loss {change.log_loss_before:.4f} → {change.log_loss_after:.4f}, "
        f"no probability changed by more than {change.largest:.4f} ({counted(change.n, 'text')})"
    )


def _write_onnx(options: ExportOptions) -> None:
    from textclf.export import check_onnx_available, write_onnx
    from textclf.model.model import Model

    check_onnx_available()
    target = options.target
    tokenizer = target.with_suffix(".tokenizer.json")
    check_outputs([options.model], target, tokenizer)
    write_onnx(Model.load(options.model), target, tokenizer)
    if options.as_json:
        sizes = {"bytes": target.stat().st_size, "tokenizer_bytes": tokenizer.stat().st_size}
        click.echo(json_line({"model": str(target), "tokenizer": str(tokenizer), **sizes}))
    for each in (target, tokenizer):
        say(f"{spell(str(each))}: {each.stat().st_size / 1e6:.2f} MB", quiet=options.quiet)

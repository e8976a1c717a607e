"""``textclf export``: a model for elsewhere: small, as JavaScript, as a page, or as ONNX."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from textclf.cli.console import json_line, report_table, say
from textclf.cli.options import (
    FILE,
    INPUT,
    READING,
    Command,
    ReadingOptions,
    check_outputs,
    json_option,
    locate_table,
    quiet_option,
    refuse_idle,
    section,
    table_options,
    takes,
    target_precision_option,
    threads_option,
)
from textclf.cli.values import Bytes
from textclf.errors import say_count, spell

if TYPE_CHECKING:
    from textclf.export import LabelledRows, Shrunk
    from textclf.model.model import Model
    from textclf.types import Array

Kind = Literal["model", "js", "html", "onnx"]
_KINDS: dict[str, Kind] = {".onnx": "onnx", ".js": "js", ".mjs": "js", ".html": "html", ".htm": "html"}


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ReadingOptions):
    """Which model is written where, and how small."""

    model: Path
    target: Path
    to: Kind | None
    quantize: str | None
    max_size: int | None
    validation: Path | None
    target_precision: float | None
    as_json: bool
    threads: int
    quiet: bool

    @property
    def kind(self) -> Kind:
        """What is written: as --to says, or as the file is named."""
        return self.to or _KINDS.get(self.target.suffix.lower(), "model")

    @property
    def is_small(self) -> bool:
        """Whether numbers are stored in 8 bits."""
        return self.quantize == "int8" or (self.quantize is None and self.is_program)

    @property
    def is_program(self) -> bool:
        """Whether JavaScript is written, alone or in a page."""
        return self.kind in ("js", "html")

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        is_cut = self.max_size is not None or self.validation is not None
        if self.kind == "onnx" and (self.quantize or is_cut):
            raise click.UsageError(f"{self.target}: export the small model first, and then that one as ONNX.")
        if self.kind == "model" and not self.is_small:
            raise click.UsageError(
                "expected what to write: --quantize int8 for a small model, -o NAME.js, NAME.html or NAME.onnx."
            )
        if self.is_program and is_cut and not self.is_small:
            raise click.UsageError("--max-size and --validation make a model in 8 bits: leave out --quantize none.")
        if not self.is_program and self.target_precision is not None:
            raise click.UsageError(
                "--target-precision is for NAME.js and NAME.html: a model file is asked for it by predict."
            )
        if self.target_precision is not None and self.max_size is not None and self.validation is None:
            raise click.UsageError("--target-precision with --max-size: give labelled rows to --validation as well.")
        if self.validation is None:
            refuse_idle((*READING, "threads"), "it is for the rows of --validation")


@click.command("export", cls=Command, short_help="Write a smaller model, JavaScript, a page, or ONNX.")
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
        help="File to write: a model, NAME.js, NAME.html or NAME.onnx.",
    ),
    click.option("--to", type=click.Choice(get_args(Kind)), help="Format to write. [default: by the name of OUT]"),
    click.option(
        "--quantize",
        type=click.Choice(["int8", "none"]),
        help="Store numbers in 8 bits, with a scale for each row: the default of NAME.js and NAME.html.",
    ),
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
    target_precision_option,
    threads_option,
    json_option,
    quiet_option,
)
@table_options(labelled=True)
@takes(ExportOptions)
def command(options: ExportOptions) -> None:
    """Write MODEL small, as JavaScript, as a page, or as ONNX.

    With --quantize int8 the output is a model that every command takes. With --validation the loss in accuracy is
    measured, and the words and n-grams that are not needed are dropped. With --max-size the file gets that size.
    NAME.js is an ES module that labels texts in a browser, Node, Deno or a worker. NAME.d.ts has its types.
    NAME.html is a page that labels texts offline, by double click.
    NAME.onnx computes probabilities from counts of words and n-grams. NAME.tokenizer.json says how to count them.

    \b
    textclf export model.safetensors -o small.safetensors --quantize int8 --validation valid.csv
    textclf export model.safetensors -o small.safetensors --quantize int8 --max-size 1MB
    textclf export model.safetensors -o model.js
    textclf export model.safetensors -o model.html
    textclf export model.safetensors -o model.onnx
    """
    options.check_usage()
    writers = {"model": _write_small, "js": _write_program, "html": _write_program, "onnx": _write_onnx}
    writers[options.kind](options)


def _write_small(options: ExportOptions) -> None:
    from textclf.export import shrink
    from textclf.model.model import Model

    check_outputs(_inputs(options), options.target)
    model, file = Model.load_with_facts(options.model)
    shrunk = shrink(model, file.sha256, rows=_read_rows(model, options), max_size=options.max_size)
    shrunk.model.save(options.target)
    _report(shrunk, file.bytes, options)


def _write_program(options: ExportOptions) -> None:
    """Write a model as JavaScript, or as a page."""
    from textclf.export import html_page, javascript, shrink, types_path, write_javascript
    from textclf.model.model import Model
    from textclf.storage.files import write_whole

    target = options.target
    types = types_path(target) if options.kind == "js" else None
    check_outputs(_inputs(options), target, types)
    (model, file), precision, shrunk = Model.load_with_facts(options.model), options.target_precision, None

    def content(model: Model, answer_from: "Array | None") -> bytes:
        if options.kind == "js":
            return javascript(model, answer_from)
        return html_page(model, options.model.stem, answer_from)

    answer_from = None if precision is None else model.answer_from(precision)
    if options.is_small:
        rows = _read_rows(model, options)
        shrunk = shrink(
            model, file.sha256, rows=rows, max_size=options.max_size,
            size_of=lambda small: len(content(small, answer_from)),
        )  # fmt: skip
        model = shrunk.model
        answer_from = None if precision is None else model.answer_from(precision)
    if types is not None:
        write_javascript(model, target, answer_from)
    else:
        with write_whole(target) as stream:
            stream.write(content(model, answer_from))
    _report(shrunk, file.bytes, options, types=types)


def _inputs(options: ExportOptions) -> list[Path]:
    return [options.model, *([options.validation] if options.validation else [])]


def _report(shrunk: "Shrunk | None", before: int, options: ExportOptions, types: Path | None = None) -> None:
    """Say what was written, of a file of `before` bytes, and what was lost if the model was made smaller."""
    target = options.target
    after = target.stat().st_size
    if options.as_json:
        described = {"validation": None, **shrunk.model.card.as_dict()["export"]} if shrunk else {}
        sizes = {"model": str(target), "bytes": after, "bytes_before": before}
        click.echo(json_line({**sizes, **({"types": str(types)} if types else {}), **described}))
        return
    kept = f"; {_count_kept(shrunk)}" if shrunk else ""
    click.echo(f"{spell(str(target))}: {after / 1e6:.2f} MB of {before / 1e6:.2f}{kept}")
    if shrunk:
        click.echo(_change_text(shrunk))


def _read_rows(model: "Model", options: ExportOptions) -> "LabelledRows | None":
    """Return the labelled rows of a table that measure the loss; None where there is no table."""
    if options.validation is None:
        return None
    from textclf.export import LabelledRows
    from textclf.tables import read_examples

    reading = options.table_options(multi_label=model.is_multi_label, known=model.labels)
    reading = reading.read_for(model.features.columns)
    examples = read_examples(locate_table(options.validation), reading)
    report_table(examples)
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
        f"no probability changed by more than {change.largest:.4f} ({say_count(change.n, 'text')})"
    )


def _write_onnx(options: ExportOptions) -> None:
    from textclf.export import check_onnx_available, write_onnx
    from textclf.model.model import Model

    check_onnx_available()
    target = options.target
    tokenizer = target.with_suffix(".tokenizer.json")
    check_outputs(_inputs(options), target, tokenizer)
    write_onnx(Model.load(options.model), target, tokenizer)
    if options.as_json:
        sizes = {"bytes": target.stat().st_size, "tokenizer_bytes": tokenizer.stat().st_size}
        click.echo(json_line({"model": str(target), "tokenizer": str(tokenizer), **sizes}))
    for each in (target, tokenizer):
        say(f"{spell(str(each))}: {each.stat().st_size / 1e6:.2f} MB", quiet=options.quiet)

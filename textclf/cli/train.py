"""``textclf train``: from a table of texts and labels to a model file."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    Bytes,
    NumberRange,
    cluster_of,
    cluster_options,
    json_option,
    quiet_option,
    read_options,
    refused_option,
    table_options,
    threads_option,
)
from textclf.cli.output import json_line, open_chosen_vectors, say
from textclf.cli.progress import showing_epochs
from textclf.cli.signals import going_on_later
from textclf.cli.starting import model_and_settings, say_where_it_begins
from textclf.cli.training_files import Data, TrainingFiles
from textclf.errors import shown
from textclf.settings import CHOICES, RANGES

if TYPE_CHECKING:
    from textclf.distributed import TrainedFar
    from textclf.model.model import Model
    from textclf.settings import Settings
    from textclf.storage.array_store import ArrayStore
    from textclf.tables import LoadedTable
    from textclf.training.checkpoint import CheckpointFile
    from textclf.training.train import LabelledTexts, Trained
    from textclf.vectors import WordVectors


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Sizes(click.ParamType[tuple[int, ...]]):
    """Layer sizes such as ``128,64``, or ``none``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the sizes."""
        if value == "none":
            return ()
        try:
            sizes = tuple(int(part) for part in value.split(","))
        except ValueError:
            sizes = (0,)
        if any(not 1 <= size <= 100_000 for size in sizes):
            self.fail(f"expected sizes of 1 to 100000 such as 128,64, or none, found {value!r}.", param, ctx)
        return sizes


class Span(click.ParamType[tuple[int, int]]):
    """The shortest and the longest n-gram, such as ``3-5``, or ``none``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return both lengths; (0, 0) for none."""
        if value == "none":
            return (0, 0)
        first, _, last = value.partition("-")
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 10):
            self.fail(f"expected SHORTEST-LONGEST of 1 to 10 such as 3-5, or none, found {value!r}.", param, ctx)
        return int(first), int(last)


class ClassWeight(click.ParamType[Any]):
    """``none``, ``balanced``, or a JSON file of labels and weights."""

    name = "class weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word, or the file's weights by label; raises DataError when the file is not as expected."""
        if value in ("none", "balanced"):
            return value
        from textclf.errors import DataError

        path = Path(value)
        expected = f'{path}: expected a JSON object of labels and weights such as {{"spam": 5}}'
        try:
            weights = json.loads(path.read_text("utf-8-sig"), parse_int=float)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{expected}, found something else ({error}). Correct the file.") from None
        if not isinstance(weights, dict) or any(type(weight) is not float for weight in weights.values()):
            raise DataError(f"{expected}, found other values. Correct the file.")
        return weights


def _number(name: str, kind: type[click.IntRange] | type[NumberRange], **settings: Any) -> Decorator:
    lowest, highest = RANGES[name]
    range_of = click.IntRange(int(lowest), int(highest)) if kind is click.IntRange else NumberRange(lowest, highest)
    return click.option(f"--{name.replace('_', '-')}", type=range_of, **settings)


def _choice(name: str, default: str, text: str) -> Decorator:
    kind = click.Choice(CHOICES[name])
    return click.option(f"--{name}", type=kind, default=default, show_default=True, help=text)


@click.command("train", short_help="Train a classifier on a table of texts and labels.")
@click.argument("table", type=FILE)
@click.option("-o", "--model", "target", type=FILE, required=True, metavar="MODEL", help="Where the model goes.")
@table_options(labelled=True)
@refused_option
@click.option("--multi-label", is_flag=True, help="Texts have several labels or none: a|b, or a JSON list of them.")
@click.option("--weight-column", metavar="NAME", help="The column of the examples' weights.")
@click.option("--valid", type=FILE, metavar="FILE", help="Validate on this table instead of a part of TABLE.")
@_number("valid_fraction", NumberRange, default=0.1, show_default=True, help="Share of each class to validate on.")
@click.option("--init-from", type=FILE, metavar="MODEL", help="Go on from this model: what it knows is held.")
@click.option("--replay", type=FILE, metavar="FILE", help="With --init-from: old rows, to stand for all of its rows.")
@_choice("recipe", "auto", "How much is tried out: nothing; what takes seconds; all.")
@click.option("--vectors", default="starter", show_default=True, metavar="FILE|NAME|none", help="Pretrained vectors.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep converted vectors in the user's cache folder.")
@_choice("weighting", "mean", "How a text's words are averaged.")
@_number("word_ngrams", click.IntRange, help="N-grams of up to N words; 0 for none. [default: 2; best: 3]")
@click.option(
    "--char-ngrams", type=Span(), metavar="A-B|none", help="N-grams of characters. [default: 1-5, for short texts]"
)
@click.option(
    "--hidden", type=Sizes(), default="none", show_default=True, metavar="N,N…|none", help="Hidden layers' sizes."
)
@_choice("activation", "relu", "Of the hidden layers.")
@_choice("loss", "cross-entropy", "What is minimized.")
@click.option(
    "--output",
    type=click.Choice(CHOICES["output"]),
    help="Of the last layer. [default: softmax; sigmoid with --multi-label]",
)
@_choice("optimizer", "lbfgs", "lbfgs fits all rows at once; the others go by mini-batches.")
@_number("learning_rate", NumberRange, help="Of mini-batches. [default: suits the optimizer]")
@_number("vector_rate", NumberRange, default=0.02, show_default=True, help="Learning rate of the vectors.")
@click.option("--freeze-vectors", is_flag=True, help="Leave pretrained vectors as they are.")
@_number("batch_size", click.IntRange, default=64, show_default=True, help="Texts a step.")
@_number("epochs", click.IntRange, help="At most. [default: suits the optimizer]")
@_number("patience", click.IntRange, default=3, show_default=True, help="Epochs without a better validation loss.")
@_number("dropout", NumberRange, default=0.0, show_default=True, help="Share of hidden neurons silenced a step.")
@_number("word_dropout", NumberRange, default=0.3, show_default=True, help="Share of words left out a step.")
@_number("l2", NumberRange, help="Weight penalty. [default: suits the optimizer]")
@click.option(
    "--class-weight",
    type=ClassWeight(),
    default="none",
    show_default=True,
    metavar="balanced|FILE",
    help="Let rare classes count more.",
)
@_number("target_precision", NumberRange, metavar="SHARE", help="Cross-validate, to promise this precision.")
@click.option("--calibrate/--no-calibrate", default=True, help="Fit the probabilities' temperature. [default: do]")
@_number("dimension", click.IntRange, default=100, show_default=True, help="Of random vectors (--vectors none).")
@_number("seed", click.IntRange, default=1, show_default=True, help="The same seed gives the same model.")
@cluster_options
@threads_option
@click.option(
    "--max-memory",
    type=Bytes(),
    metavar="SIZE",
    help="Keep so much of texts and matrices in memory, such as 4GB, the rest in files. By default a quarter of the "
    "machine's memory, and 1GB at most.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with a training that was stopped, if it was; the model is the same."
)
@click.option("--report", type=FILE, metavar="FILE", help="Write a report to look at in a browser (HTML).")
@json_option
@quiet_option
def command(
    table: Path,
    target: Path,
    refused: Path | None,
    valid: Path | None,
    init_from: Path | None,
    replay: Path | None,
    no_cache: bool,
    max_memory: int | None,
    weight_column: str | None,
    resume: bool,
    report: Path | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train a classifier on TABLE, which has a column of texts and one of labels.

    \b
    textclf train reviews.csv -o model.safetensors
    textclf train tweets.tsv -o model.safetensors --vectors glove.txt.gz
    textclf train tickets.csv -o model.safetensors --multi-label
    textclf train new.csv -o newer.safetensors --init-from model.safetensors
    textclf train 'labelled/*.csv' -o model.safetensors --workers 2
    """
    from dataclasses import replace

    from textclf.cli.many_files import train_files
    from textclf.tables.inputs import are_shards

    started = time.perf_counter()
    cluster = cluster_of(settings)
    options = replace(read_options(settings), weight_column=weight_column)
    old, chosen = model_and_settings(init_from, replay, settings)
    options = replace(options, multi_label=chosen.multi_label)
    files = TrainingFiles(table, target, valid, init_from, replay, report, refused)
    checkpoint = files.checked(options, chosen, resume=resume)
    if cluster.is_named or are_shards(str(table)):
        files.require_one_table({"--weight-column": weight_column, "--max-memory": max_memory})
        say_where_it_begins(checkpoint, resume, quiet)
        trained: Trained | TrainedFar = train_files(
            str(table), target, options, chosen, cluster, checkpoint, cache=not no_cache, quiet=quiet
        )
    else:
        say_where_it_begins(checkpoint, resume, quiet)
        store = files.store(max_memory)
        data = files.read(options, store)
        data.check_validation(old.labels if old else (), multi_label=options.multi_label)
        vectors = open_chosen_vectors(chosen.vectors, cache=not no_cache, quiet=quiet)
        trained = _train(data, chosen, vectors, old, checkpoint, store, target, quiet=quiet)
        files.report_on(trained, data, started)
    _say_result(trained, target, as_json, quiet)


def _train(
    data: Data,
    chosen: "Settings",
    vectors: "WordVectors | None",
    old: "Model | None",
    checkpoint: "CheckpointFile",
    store: "ArrayStore",
    target: Path,
    *,
    quiet: bool,
) -> "Trained":
    """Train and save, showing how far it is, in a way that can be gone on with when it is stopped."""
    from textclf.training.train import Start, train
    from textclf.training.trainer import Listener

    start = Start(old, _labelled(data.old) if data.old is not None else None) if old is not None else None
    valid = _labelled(data.valid) if data.valid is not None else None
    with going_on_later(checkpoint), showing_epochs(len(data.train), quiet=quiet) as show:
        listener = Listener(say=lambda text: say(text, quiet=quiet), epoch=show)
        trained = train(
            _labelled(data.train), chosen, vectors, valid=valid, start=start, listener=listener, store=store,
            checkpoint=checkpoint,
        )  # fmt: skip
        trained.model.save(target)  # before the checkpoint goes
    return trained


def _labelled(examples: "LoadedTable") -> "LabelledTexts":
    from textclf.training.train import LabelledTexts

    return LabelledTexts(examples.texts, examples.labels, examples.weights)


def _say_result(trained: "Trained | TrainedFar", output: Path, as_json: bool, quiet: bool) -> None:
    validation = trained.validation
    size = output.stat().st_size
    if as_json:
        card = trained.model.card.as_dict()
        click.echo(
            json_line(
                {
                    "model": str(output),
                    "bytes": size,
                    "labels": list(trained.model.labels),
                    "validation": card.get("validation"),
                    "settings": card["settings"],
                    "data": card["data"],
                }
            )
        )
        return
    figures = "no validation rows"
    if validation is not None:
        found = validation.summary()
        first = ("micro-F1", "micro_f1") if trained.model.is_multi_label else ("accuracy", "accuracy")
        scores = f"validation {first[0]} {found[first[1]]:.4f}, macro-F1 {found['macro_f1']:.4f}"
        figures = f"{scores} ({validation.n:,} texts)"
    model, settings = trained.model, trained.model.card.settings
    target = settings.target_precision if settings else None
    if target is not None and model.record is not None:
        coverage = model.record.coverage(target, len(model.labels))
        say(f"target precision {target:g}: {coverage:.1%} of rows like these would be answered", quiet=quiet)
    say(f"{shown(str(output))}: {size / 1e6:.1f} MB; {figures}", quiet=quiet)

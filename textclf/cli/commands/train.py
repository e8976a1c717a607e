"""``textclf train``: from a table of texts and labels to a model file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from textclf.cli.console import (
    ReportedRun,
    json_line,
    open_chosen_vectors,
    report_table,
    say,
    showing_epochs,
    warn,
    write_refused,
)
from textclf.cli.options import (
    FILE,
    INPUT,
    ClusterOptions,
    Command,
    Decorator,
    ReadingOptions,
    check_outputs,
    check_refused,
    cluster_options,
    fetch_if_url,
    json_option,
    list_given_options,
    locate_table,
    multi_label_option,
    quiet_option,
    refuse_idle,
    refused_option,
    report_option,
    section,
    split_column_option,
    table_options,
    takes,
    threads_option,
    vectors_options,
)
from textclf.cli.signals import resumable
from textclf.cli.values import Bytes, ClassWeight, LabelList, LabelNames, NumberRange, Sizes, Span
from textclf.errors import say_count, spell
from textclf.settings import CHOICES, RANGES, Settings

if TYPE_CHECKING:
    from textclf.analysis.cross_validation import CrossValidation
    from textclf.distributed import TrainedOnFiles
    from textclf.model.model import Model
    from textclf.storage.array_store import ArrayStore
    from textclf.tables import LoadedTable, TableOptions
    from textclf.training.checkpoint import CheckpointFile
    from textclf.training.train import Trained
    from textclf.vectors import WordVectors


def _number(name: str, kind: type[click.IntRange] | type[NumberRange], **settings: Any) -> Decorator:
    lowest, highest = RANGES[name]
    range_of = click.IntRange(int(lowest), int(highest)) if kind is click.IntRange else NumberRange(lowest, highest)
    return click.option(f"--{name.replace('_', '-')}", type=range_of, **settings)


def _choice(name: str, default: str, text: str) -> Decorator:
    kind = click.Choice(CHOICES[name])
    return click.option(f"--{name}", type=kind, default=default, show_default=True, help=text)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(ReadingOptions, ClusterOptions):
    """What a training reads and writes, and its settings."""

    table: str
    target: Path
    weight_column: str | None
    label_order: tuple[str, ...] | None
    split_column: str | None
    refused: Path | None
    valid: Path | None
    init_from: Path | None
    replay: Path | None
    no_cache: bool
    max_memory: int | None
    folds: int | None
    predictions: Path | None
    resume: bool
    keep_examples: int | None
    report: Path | None
    as_json: bool
    quiet: bool
    settings: Settings

    @staticmethod
    def of(**given: Any) -> "TrainOptions":
        """Return the options that a call gives by name; raises UsageError where two do not go together."""
        names = {field.name for field in fields(Settings)} & set(given)
        values = {name: given.pop(name) for name in names}
        if values["multi_label"] and values["output"] == "softmax":
            raise click.UsageError("--multi-label goes with --output sigmoid: a softmax gives each text one label.")
        if values["multi_label"] and values["class_weight"] != "none":
            raise click.UsageError(
                "--class-weight goes with one label a text: with several, thresholds weigh rare labels."
            )
        values["ordinal"] = given["label_order"] or values["ordinal"]
        if values["multi_label"] and values["ordinal"]:
            raise click.UsageError("--ordinal goes with one label a text: of several, none is between two others.")
        values["output"] = values["output"] or ("sigmoid" if values["multi_label"] else "softmax")
        options = TrainOptions(**given, settings=Settings(**values))
        options.check_usage()
        return options

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together, or one of them would have no effect."""
        settings = self.settings
        check_refused(self.refused, self.on_error)
        if self.replay is not None and self.init_from is None:
            raise click.UsageError("--replay goes with --init-from: it stands for the rows of the model given there.")
        if settings.optimizer == "lbfgs":
            refuse_idle(_MINI_BATCH_OPTIONS, "the optimizer lbfgs takes all rows at once; adam takes mini-batches")
        is_one_fit = settings.optimizer == "lbfgs" and not settings.hidden and self.init_from is None
        if not is_one_fit or self.is_distributed(self.table):
            refuse_idle(("label_names",), "names guide a fit of one table by lbfgs from scratch, without hidden layers")
        if not settings.hidden and self.init_from is None:
            refuse_idle(("activation", "dropout"), "there is no hidden layer (--hidden)")
        if settings.freeze_vectors:
            refuse_idle(("vector_rate",), "--freeze-vectors leaves the vectors as they are")
        if settings.vectors != "none":
            refuse_idle(("dimension",), "pretrained vectors have a dimension of their own")
        if len(self.text_column) < 2 and self.init_from is None:
            refuse_idle(("columns",), "there is one text column (--text-column)")
        self._check_judged_rows()

    def _check_judged_rows(self) -> None:
        """Raise UsageError where it is not clear which rows judge the model, or none do and some are needed."""
        if self.valid is not None:
            refuse_idle(("valid_fraction",), "--valid names the rows to validate on")
        elif self.settings.valid_fraction == 0 and self.split_column is None:
            refuse_idle(("calibrate", "target_precision"), "--valid-fraction 0 leaves no rows to validate on")
        if self.predictions is not None and (self.folds is None or self.table == "-"):
            raise click.UsageError("--predictions goes with --folds and a table that is a file, which is read twice.")
        if self.folds is not None and self.init_from is not None:
            raise click.UsageError("--folds does not go with --init-from: that model may have seen the rows.")
        if self.split_column is not None and (self.valid is not None or self.table == "-"):
            found = "--valid" if self.valid is not None else "standard input, which can be read once only"
            raise click.UsageError(
                f"--split-column names the rows to validate on in a file: it does not go with {found}."
            )

    @property
    def inputs(self) -> list[str | Path]:
        """The files that are read, but for the vectors."""
        return [path for path in (self.table, self.valid, self.init_from, self.replay) if path is not None]


_MINI_BATCH_OPTIONS = (
    "learning_rate", "vector_rate", "freeze_vectors", "batch_size", "patience", "dropout", "word_dropout"
)  # fmt: skip
_ONE_TABLE_OPTIONS = (
    "valid", "init_from", "replay", "keep_examples", "report", "refused", "weight_column", "max_memory",
    "category_column", "number_column", "split_column", "folds", "predictions",
)  # fmt: skip


@click.command("train", cls=Command, short_help="Train a classifier on a table of texts and labels.")
@click.argument("table")
@section(
    "Output",
    click.option(
        "-o", "--model", "target", type=FILE, required=True, metavar="MODEL", help="File that the model is written to."
    ),
)
@table_options(labelled=True, others=True)
@section(
    "Data",
    refused_option,
    multi_label_option,
    click.option(
        "--ordinal", is_flag=True, help="Labels are numbers in an order, such as 1 to 5: give the expected rank."
    ),
    click.option(
        "--label-order",
        type=LabelList(),
        metavar="A,B,…",
        help="As --ordinal, for labels that are words: all of them, from the lowest to the highest.",
    ),
    split_column_option,
    click.option("--weight-column", metavar="NAME", help="Column of the examples' weights. [default: all weigh 1]"),
    click.option(
        "--init-from", type=INPUT, metavar="MODEL", help="Continue from this model; earlier knowledge is preserved."
    ),
    click.option(
        "--replay", type=INPUT, metavar="FILE", help="With --init-from: a table of earlier rows to train on again."
    ),
)
@section(
    "Validation",
    click.option("--valid", type=INPUT, metavar="FILE", help="Table to validate on, instead of a part of TABLE."),
    click.option(
        "--folds", type=click.IntRange(2, 20), metavar="K", help="Also measure by K-fold cross-validation, on stdout."
    ),
    click.option(
        "--predictions",
        type=FILE,
        metavar="FILE",
        help="With --folds: write the rows with their held-out predictions.",
    ),
    _number("valid_fraction", NumberRange, default=0.1, show_default=True, help="Share of each class to validate on."),
    _number(
        "target_precision", NumberRange, metavar="SHARE", help="Cross-validate, so that this precision can be promised."
    ),
    click.option(
        "--calibrate/--no-calibrate",
        default=True,
        help="Fit the temperature of the probabilities. [default: calibrate]",
    ),
)
@section(
    "Vectors and features",
    vectors_options("Pretrained word vectors."),
    click.option("--freeze-vectors", is_flag=True, help="Keep the vectors as they are in mini-batch training."),
    _number(
        "dimension",
        click.IntRange,
        default=100,
        show_default=True,
        help="Dimension of random vectors (--vectors none).",
    ),
    _choice("columns", "auto", "Use of several text columns: joined, kept apart, or as the validation rows have it."),
    _choice(
        "weighting",
        "auto",
        "Weighting of the words in a text's average vector; auto: sif, or mean where mini-batches train the vectors.",
    ),
    _number("word_ngrams", click.IntRange, help="Longest word n-grams; 0 for none. [default: 2; best: 3]"),
    _number(
        "pattern_ngrams",
        click.IntRange,
        help="Longest patterns: n-grams in which rare words stand for their shape; 0 for none. "
        "[default: 3 if validation rows ask for them]",
    ),
    _number(
        "min_texts",
        click.IntRange,
        metavar="K",
        help="Leave out words, n-grams and sub-words of fewer than K texts, so that a model cannot reveal them.",
    ),
    click.option(
        "--char-ngrams",
        type=Span(),
        metavar="A-B|none",
        help="Shortest and longest sub-words: character n-grams inside words. [default: 2-5, for short texts]",
    ),
)
@section(
    "Network",
    click.option(
        "--hidden",
        type=Sizes(),
        default="none",
        show_default=True,
        metavar="N,N…|none",
        help="Sizes of the hidden layers.",
    ),
    _choice("activation", "relu", "Activation of the hidden layers."),
    click.option(
        "--output",
        type=click.Choice(CHOICES["output"]),
        help="Activation of the output layer. [default: softmax; sigmoid with --multi-label]",
    ),
    _choice("loss", "cross-entropy", "Loss to minimize."),
)
@section(
    "Training",
    _choice("recipe", "auto", "Search effort: fast does no search, auto a quick search, best a thorough search."),
    _choice("optimizer", "lbfgs", "Optimizer: lbfgs takes all rows at once, the others mini-batches."),
    _number(
        "learning_rate", NumberRange, help="Learning rate of the mini-batch optimizers. [default: suits the optimizer]"
    ),
    _number("vector_rate", NumberRange, default=0.02, show_default=True, help="Learning rate of the word vectors."),
    _number("batch_size", click.IntRange, default=64, show_default=True, help="Texts in a mini-batch."),
    _number("epochs", click.IntRange, help="Largest number of epochs. [default: suits the optimizer]"),
    _number(
        "patience",
        click.IntRange,
        default=3,
        show_default=True,
        help="Epochs without a better validation loss before training stops.",
    ),
    _number(
        "dropout", NumberRange, default=0.0, show_default=True, help="Share of hidden neurons dropped in each step."
    ),
    _number("word_dropout", NumberRange, default=0.3, show_default=True, help="Share of words dropped in each step."),
    _number("l2", NumberRange, help="Strength of the L2 regularization. [default: suits the optimizer]"),
    click.option(
        "--class-weight",
        type=ClassWeight(),
        default="none",
        show_default=True,
        metavar="balanced|FILE",
        help="Weights of the classes: balanced lets rare classes count more.",
    ),
    click.option(
        "--label-names",
        type=LabelNames(),
        metavar="FILE",
        help="JSON file with words for each label, a first guess where rows are few. [default: the labels' own words]",
    ),
    _number(
        "seed", click.IntRange, default=1, show_default=True, help="Random seed. The same seed gives the same model."
    ),
    threads_option,
    click.option(
        "--max-memory",
        type=Bytes(),
        metavar="SIZE",
        help="Memory for texts and matrices, such as 4GB; the rest goes to files. "
        "[default: a quarter of the machine's, 1GB at most]",
    ),
    click.option("--resume", is_flag=True, help="Resume a training that was stopped. The model is the same."),
)
@cluster_options
@section(
    "Output",
    click.option(
        "--keep-examples",
        type=click.IntRange(1, 20),
        metavar="N",
        help="Keep N typical texts of each label in the model, for people who try it out (see serve).",
    ),
    report_option,
    json_option,
    quiet_option,
)
@takes(TrainOptions.of)
def command(options: TrainOptions) -> None:
    """Train a classifier on TABLE, which has a column of texts and one of labels.

    \b
    textclf train reviews.csv -o model.safetensors
    textclf train tweets.tsv -o model.safetensors --vectors glove.txt.gz
    textclf train tickets.csv -o model.safetensors --multi-label
    textclf train new.csv -o newer.safetensors --init-from model.safetensors
    textclf train "labelled/*.csv" -o model.safetensors --workers 2
    """
    checkpoint, is_distributed = _check_files(options), options.is_distributed(options.table)
    source = options.table if is_distributed else fetch_if_url(options.table)
    run = _begin_report(options, Path(source))
    old, options = _continue_from(options)
    reading = _reading(options, old)
    if is_distributed:
        _say_result(_train_on_files(options, reading, checkpoint), None, options)
        return
    from textclf.storage.array_store import ArrayStore, default_budget
    from textclf.storage.parallel import share_one_heap
    from textclf.training.resources import Listener, Resources
    from textclf.training.train import LabelledTexts, Start, train

    share_one_heap()
    store = ArrayStore(default_budget() if options.max_memory is None else options.max_memory)
    rows = _read(options, Path(source), reading, old.labels if old else (), store)
    vectors = open_chosen_vectors(options.settings.vectors, cache=not options.no_cache, quiet=options.quiet)
    valid, replay = (None if each is None else LabelledTexts.of(each) for each in (rows.valid, rows.replay))
    _say_what_is_read(rows.train, reading, options)
    with resumable(checkpoint), showing_epochs(len(rows.train), quiet=options.quiet) as show:
        resources = Resources(Listener(lambda text: say(text, quiet=options.quiet), show), store, checkpoint)
        start = None if old is None else Start(old, replay)
        data = LabelledTexts.of(rows.train)
        trained = train(data, options.settings, vectors, valid=valid, start=start, resources=resources)
        trained = _keep_examples(trained, rows.train, options)
        trained.model.save(options.target)  # before the checkpoint goes
    if options.report is not None and run is not None:
        from textclf.report import write_training_report

        made = run.end({"model": options.target})
        write_training_report(options.report, trained, rows.train, made, valid=rows.valid)
    _say_result(trained, _cross_validate(options, reading, rows, vectors), options)


def _begin_report(options: TrainOptions, source: Path) -> ReportedRun | None:
    """Return what a report says of the files that are read, if one is asked for."""
    if options.report is None:
        return None
    read = {"data": source, "validation data": options.valid, "model before": options.init_from}
    return ReportedRun({**read, "old data": options.replay})


def _reading(options: TrainOptions, old: "Model | None") -> "TableOptions":
    """Return how tables are read: as the options say, or as the model to continue from has it."""
    reading = options.table_options(multi_label=options.settings.multi_label, weight_column=options.weight_column)
    if old is not None and not reading.others:
        reading = reading.read_for(old.features.columns)
    return replace(reading, split_column=options.split_column)


def _continue_from(options: TrainOptions) -> tuple["Model | None", TrainOptions]:
    """Return the model to continue from, if any, and the options with the settings that it fixes."""
    if options.init_from is None:
        return None, options
    from textclf.model.model import Model
    from textclf.training.continual import keep_settings

    model, wanted, given = Model.load(options.init_from), options.settings, list_given_options()
    if model.is_multi_label:
        if "output" in given and wanted.output == "softmax":
            raise click.UsageError("--output sigmoid is that of the model: its texts have several labels.")
        if wanted.class_weight != "none":
            raise click.UsageError("--class-weight goes with one label a text, and the model's texts have several.")
        wanted = replace(wanted, multi_label=True, output="sigmoid")
    names = given & {field.name for field in fields(Settings)}
    return model, replace(options, settings=keep_settings(model, wanted, names))


def _check_files(options: TrainOptions) -> "CheckpointFile":
    """Return the checkpoint beside the model, once all that can be refused before the work is found to be right."""
    from textclf.training.checkpoint import CheckpointFile

    if options.report is not None:
        from textclf.report import check_report_available

        check_report_available()
    if options.is_distributed(options.table):
        for name in _ONE_TABLE_OPTIONS:
            if getattr(options, name) not in (None, ()):
                raise click.UsageError(f"--{name.replace('_', '-')} goes with one table, not with many files.")
        if len(options.text_column) > 1:
            raise click.UsageError("several --text-column go with one table, not with many files.")
    outputs = (options.target, options.report, options.refused, options.predictions)
    check_outputs([*options.inputs, options.settings.vectors], *outputs)
    checkpoint = CheckpointFile(options.target, resume=options.resume)
    check_outputs(options.inputs, checkpoint.path)
    name, is_there = spell(str(checkpoint.path)), checkpoint.path.exists()
    if options.resume:
        say(f"resuming from {name}" if is_there else f"no {name}: training from scratch", quiet=options.quiet)
    elif is_there:
        warn(f"{name}: found an unfinished training. This run starts from scratch; --resume continues it.")
    return checkpoint


# --- many files ---------------------------------------------------------------------------------------------------


def _train_on_files(options: TrainOptions, reading: "TableOptions", checkpoint: "CheckpointFile") -> "TrainedOnFiles":
    """Train a model on the labelled rows of many files, and write it."""
    from textclf.distributed import find_shards, train_files
    from textclf.training.resources import Listener, Resources

    shards = find_shards(options.locate(options.table))
    vectors = open_chosen_vectors(options.settings.vectors, cache=not options.no_cache, quiet=options.quiet)
    if vectors is None:
        raise click.UsageError("many files are trained on with pretrained vectors: --vectors none goes with one table.")
    with resumable(checkpoint), options.engine() as workers:
        resources = Resources(Listener(lambda text: say(text, quiet=options.quiet)), checkpoint=checkpoint)
        trained = train_files(workers, shards, reading, options.settings, vectors, resources)
        trained.model.save(options.target)
    if trained.refused:
        warn(f"{options.table}: {say_count(trained.refused, 'row')} skipped.")
    return trained


# --- one table ----------------------------------------------------------------------------------------------------


class TrainingTables(NamedTuple):
    """The rows to train on, their file, the validation rows, and the earlier rows of --replay."""

    source: Path
    train: "LoadedTable"
    valid: "LoadedTable | None"
    replay: "LoadedTable | None"


def _read(
    options: TrainOptions, source: Path, reading: "TableOptions", old: Sequence[str], store: "ArrayStore"
) -> TrainingTables:
    """Return the rows, their texts on the store; say, and write, which rows are not used.

    Rows to validate on have the labels of training rows, or the `old` ones of the model to continue from.
    """
    from textclf.labels import label_sets
    from textclf.tables import read_examples

    def examples(path: Path | None, reading: "TableOptions") -> "LoadedTable | None":
        return None if path is None else read_examples(locate_table(path), reading, store)

    reading = replace(reading, known_labels=tuple(old), may_be_new=True)
    train = read_examples(locate_table(source), reading, store)
    known = {label for row in label_sets(train.labels, multi_label=reading.multi_label) for label in row}
    of_valid = replace(reading, known_labels=tuple(sorted(known.union(old))), may_be_new=False)
    if train.parts.get("validation"):
        found = read_examples(locate_table(source), replace(of_valid, part="validation"), store)
        new = [refusal for refusal in found.refused if refusal not in train.refused]  # most are of both readings
        valid: LoadedTable | None = replace(found, refused=new)
    else:
        valid = examples(options.valid, of_valid)
    rows = TrainingTables(source, train, valid, examples(options.replay, replace(reading, weight_column=None)))
    if options.keep_examples and not train.columns.is_plain:
        raise click.UsageError("--keep-examples goes with one text column, and no columns beside it.")
    read = [each for each in (rows.train, rows.valid, rows.replay) if each is not None]
    for each in read:
        report_table(each)
    write_refused(options.refused, *read)
    return rows


def _say_what_is_read(examples: "LoadedTable", reading: "TableOptions", options: TrainOptions) -> None:
    """Say which columns are read, and warn of what makes it doubtful that they are those meant."""
    from textclf.check.first_look import describe_table, doubt_table

    say(spell(describe_table(examples, multi_label=reading.multi_label)), quiet=options.quiet)
    if examples.parts:
        listed = ", ".join(f"{part} {examples.parts.get(part, 0):,}" for part in ("train", "validation", "test"))
        say(f"parts by column {reading.split_column!r}: {listed}; test rows are left out", quiet=options.quiet)
    for doubt in doubt_table(examples, multi_label=reading.multi_label, vectors=options.settings.vectors):
        warn(f"{examples.name}: {doubt}")


def _keep_examples(trained: "Trained", rows: "LoadedTable", options: TrainOptions) -> "Trained":
    """Return the model with typical texts of each label, if they were asked for."""
    from textclf.model.kept_examples import keep_examples

    if not options.keep_examples:
        return trained
    return replace(trained, model=keep_examples(trained.model, rows.texts, rows.labels, options.keep_examples))


def _cross_validate(
    options: TrainOptions, reading: "TableOptions", rows: TrainingTables, vectors: "WordVectors | None"
) -> "CrossValidation | None":
    """Measure the training by cross-validation, and write what was predicted, where they were asked for."""
    if options.folds is None:
        return None
    from textclf.analysis.cross_validation import measure_folds, write_predictions
    from textclf.training.train import LabelledTexts

    found = measure_folds(
        LabelledTexts.of(rows.train), options.settings, vectors, options.folds,
        say=lambda text: say(text, quiet=options.quiet),
    )  # fmt: skip
    if options.predictions is not None:
        write_predictions(rows.source, reading, rows.train, found, options.predictions)
    return found


def _say_result(trained: "Trained | TrainedOnFiles", measured: "CrossValidation | None", options: TrainOptions) -> None:
    from textclf.cli.evaluation_text import baseline_doubt, cross_validation_text, training_text, validation_text

    model, validation = trained.model, trained.validation
    doubt = baseline_doubt(validation)
    if doubt is not None:
        warn(doubt)
    size = options.target.stat().st_size
    if options.as_json:
        described = model.card.as_dict()
        kept = {name: described.get(name) for name in ("validation", "settings", "data")}
        if measured is not None:
            kept["cross_validation"] = measured.as_dict()
        click.echo(json_line({"model": str(options.target), "bytes": size, "labels": list(model.labels), **kept}))
        return
    target = options.settings.target_precision
    if target is not None and model.record is not None:
        coverage = model.record.coverage(target, len(model.labels))
        say(f"target precision {target:g}: coverage {coverage:.1%} on validation rows", quiet=options.quiet)
    say(f"{spell(str(options.target))}: {size / 1e6:.1f} MB; {validation_text(validation)}", quiet=options.quiet)
    if validation is not None:
        for line in training_text(validation, str(options.target), options.table):
            say(line, quiet=options.quiet)
    if measured is not None:
        click.echo(cross_validation_text(measured))

"""Train on many files: counts, sums and gradients are made where the rows are, and added up here.

What is done, and in which order, is what `train.train` does with L-BFGS; the parts of the network's code are the same.
Regularization are those that `train.train` starts from: on tables as large as this it does not choose them either.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from textclf.distributed.corpus_counts import CorpusCounts, HeavyHitters
from textclf.distributed.engines import Engine
from textclf.distributed.fit import Cluster, FarFit
from textclf.distributed.shards import Shard
from textclf.distributed.worker import Partition, ShardPlan
from textclf.errors import TextclfError, TrainingError, say_count
from textclf.labels import class_weights, order_labels
from textclf.metrics.single_label import Evaluation
from textclf.model.card import ModelCard, RegularizationFigures, TrainingData
from textclf.model.model import Model
from textclf.nn.network import Network
from textclf.settings import Settings
from textclf.storage.files import sha256, temporary_folder
from textclf.tables import TableOptions, open_table
from textclf.text.features import Features, NgramKind
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.text.weighting import inverse_document_frequency
from textclf.training.checkpoint import Checkpoint, State
from textclf.training.provenance import RowsDigest, provenance, validation_figures
from textclf.training.resources import PLAIN_RESOURCES, Resources
from textclf.training.train import list_what_decides
from textclf.training.vocabulary import (
    Sources,
    fills_weights,
    learn_words,
    least_texts,
    mean_length,
    most_frequent,
    ngram_kinds,
)
from textclf.types import BoolArray, Keys
from textclf.vectors import WordVectors

_FIRST_ROWS = 4096
"""So many rows decide whether texts are short enough for sub-words."""
MOST_HELD_OUT = 500_000
"""More rows would tell the validation figures no better, and all that is said of them comes to one machine."""


@dataclass(frozen=True)
class TrainedOnFiles:
    """A model that was trained on many files, its figures on held-out rows, and how many rows were used and skipped."""

    model: Model
    validation: Evaluation | None
    rows: int
    refused: int


def train_files(
    engine: Engine,
    shards: Sequence[Shard],
    options: TableOptions,
    settings: Settings,
    vectors: WordVectors,
    resources: Resources = PLAIN_RESOURCES,
) -> TrainedOnFiles:
    """Train a model on the labelled rows of all files.

    Gradients are added up at every step, which is what one machine does up to the order in which numbers are added.
    The run resumes from what the checkpoint saved in an earlier call of the same identity, whoever works now. The model
    is the same to the last bit. Of the `resources` the store is not used: workers hold the rows.

    Raises TextclfError when a file is invalid, TrainingError when the rows cannot be trained on.
    """
    _check(settings)
    rng = np.random.default_rng(settings.seed)
    kinds = ngram_kinds(_mean_length(shards[0], options), settings)
    survey, rows, digest = _survey(engine, shards, options, kinds, vectors, by_text=settings.min_texts is not None)
    names = hashlib.sha256(repr([shard.name for shard in shards]).encode()).hexdigest()
    resources.checkpoint.begin(
        lambda: {"rows": digest, "names of files": names, **list_what_decides(settings, vectors)}
    )
    partitions = _partitions(
        shards, rows, _number_of_partitions(min(engine.workers, len(shards)), resources.checkpoint)
    )
    labels = _labels(survey, settings)
    resources.listener.say(
        f"{say_count(survey.rows, 'text')} of {say_count(len(shards), 'file')}, {say_count(len(labels), 'class')},"
        f" {say_count(len(partitions), 'group')}"
    )
    start = _before_training(survey, kinds, labels, Sources(settings, vectors, rng))
    with temporary_folder() as folder:
        path = folder / "start.safetensors"
        start.save(path)
        model_digest = sha256(path)
        weights = _class_weights(survey, labels, settings)
        run = f"{digest}{model_digest}{options}{settings}{weights}"
        plan = ShardPlan(
            hashlib.sha256(run.encode()).hexdigest(), engine.share(path, model_digest), model_digest, options,
            survey.rows, _least_texts(survey, settings), min(settings.valid_fraction, MOST_HELD_OUT / survey.rows),
            settings.seed, (settings.loss, settings.output), weights,
        )  # fmt: skip
        fit = FarFit(Cluster(engine, partitions, plan), start, settings, resources)
        model, validation = fit.run()
    missing = tuple(found.missing for found in survey.ngrams)
    card = replace(
        model.card,
        settings=settings,
        regularization=RegularizationFigures(fit.l2, (1.0,) * len(start.features.ngrams)),
        validation=validation_figures(validation) if validation else None,
        data=TrainingData(survey.rows, digest, len(labels), max(survey.labels.values()), len(shards), missing),
        provenance=provenance(vectors),
    )
    return TrainedOnFiles(replace(model, card=card), validation, survey.rows, survey.refused)


def _check(settings: Settings) -> None:
    for name, expected in (("optimizer", "lbfgs"), ("multi_label", False), ("target_precision", None)):
        if getattr(settings, name) != expected:
            raise TrainingError(f"{name}: expected {expected!r} where many files are trained on. Leave it out.")
    if settings.pattern_ngrams:
        raise TrainingError("pattern_ngrams: expected none where many files are trained on. Leave it out.")


def _labels(survey: CorpusCounts, settings: Settings) -> tuple[str, ...]:
    """Return the labels of all files; raises TrainingError where there is one, or where they have no such order."""
    labels = tuple(sorted(survey.labels))
    if len(labels) < 2:
        raise TrainingError(f"labels: expected at least two classes, found only {labels[0]!r}. Add rows of another.")
    order_labels(labels, settings.ordinal)
    return labels


def _mean_length(shard: Shard, options: TableOptions) -> float:
    with shard.local() as path, open_table(path, options, labelled=True, batch_rows=_FIRST_ROWS) as table:
        batch = next(table.batches(), None)
    return mean_length(batch.texts) if batch else 0.0


# --- what the texts hold, and the model before training ---------------------------------------------------------------


def _survey(
    engine: Engine, shards: Sequence[Shard], options: TableOptions, kinds: list[NgramKind], vectors: WordVectors, *,
    by_text: bool,
) -> tuple[CorpusCounts, list[int], str]:  # fmt: skip
    """Return the counts of all files, how many rows each has, and a digest of all rows."""
    job = partial(_survey_shard, options, kinds, vectors.is_cased, by_text)
    places = {id(shard): number for number, shard in enumerate(shards)}
    total, digest = CorpusCounts(), hashlib.sha256()
    rows: list[int] = []
    early: dict[int, tuple[CorpusCounts, str]] = {}
    for shard, outcome in engine.run(job, shards):
        if isinstance(outcome, TextclfError):
            raise outcome
        early[places[id(shard)]] = outcome
        # Added in the files' order, so that counts that are cut do not depend on who was faster; and let go.
        while len(rows) in early:
            survey, content = early.pop(len(rows))
            total.merge(survey)
            rows.append(survey.rows)
            digest.update(content.encode())
    return total, rows, digest.hexdigest()


def _number_of_partitions(workers: int, checkpoint: Checkpoint) -> int:
    """Return how many partitions the files are dealt into: one a worker, or as many as when the training was begun."""
    found = checkpoint.load("partitions")
    number = workers if found is None else int(found.facts["number"])
    checkpoint.save("partitions", State({}, {"number": number}).itself)
    return number


def _partitions(shards: Sequence[Shard], rows: Sequence[int], number: int) -> list[Partition]:
    """Return so many partitions of the files, of about equally many rows."""
    partitions: list[list[Shard]] = [[] for _ in range(number)]
    loads = [0] * number
    for place in sorted(range(len(shards)), key=lambda place: -rows[place]):
        least = loads.index(min(loads))
        partitions[least].append(shards[place])
        loads[least] += rows[place]
    return [tuple(sorted(partition, key=lambda shard: shard.name)) for partition in partitions]


def _survey_shard(
    options: TableOptions, kinds: list[NgramKind], cased: bool, by_text: bool, shard: Shard
) -> tuple[CorpusCounts, str]:
    survey, digest = CorpusCounts(), RowsDigest()
    with shard.local() as path, open_table(path, options, labelled=True) as table:
        for batch in table.batches():
            survey.add(batch, kinds, cased=cased, by_text=by_text)
            digest.add(batch.texts, batch.labels or [])
        survey.refused = len(table.refused)
    return survey, digest.hexdigest()


def _least_texts(survey: CorpusCounts, settings: Settings) -> int:
    return max(least_texts(survey.rows, survey.length / survey.rows), settings.min_texts or 1)


def _before_training(survey: CorpusCounts, kinds: list[NgramKind], labels: tuple[str, ...], sources: Sources) -> Model:
    """Return the model before training: words with vectors, n-grams that stand in enough texts, a network, U = 0."""
    settings = sources.settings
    least = _least_texts(survey, settings)
    tables = []
    for (kind, shortest, longest), found in zip(kinds, survey.ngrams, strict=True):
        kept = found.counts >= least
        if kind == "words":
            kept = np.isin(found.keys, most_frequent(found.keys[kept], found.counts[kept], len(labels)), kind="sort")
        if kind == "chars" and settings.min_texts is not None:
            kept &= _in_texts(found.keys, survey.texts_of_subwords, settings.min_texts)
        idf = inverse_document_frequency(np.minimum(found.counts[kept], survey.rows), survey.rows)
        tables.append(NgramTable(kind, shortest, longest, KeyIndex(found.keys[kept]), idf))
    by_words = [table for table in tables if table.kind == "words"]
    if any(fills_weights(len(table.index), len(labels)) for table in by_words):
        tables = by_words
    counted = (survey.words.keys, survey.words.counts)
    if settings.min_texts is not None:
        kept = _in_texts(survey.words.keys, survey.texts_of_words, settings.min_texts)
        counted = (survey.words.keys[kept], survey.words.counts[kept])
    words = learn_words(survey.rows, counted, sources, lambda _: [])
    E = words.make_E()
    network = Network.start((E.shape[1], *settings.hidden, len(labels)), settings.activation, sources.rng)
    U = np.zeros((sum(len(each.index) for each in tables), len(labels)), np.float32)
    features, card = Features(words.table, tuple(tables)), ModelCard(settings=settings)
    return Model(labels, features, words.words, E, U, network, settings.output, card)


def _in_texts(keys: Keys, texts: HeavyHitters, min_texts: int) -> BoolArray:
    """Return which of these keys stand in so many texts, shape of `keys`."""
    found: BoolArray = KeyIndex(texts.keys[texts.counts >= min_texts]).rows(keys) >= 0
    return found


def _class_weights(survey: CorpusCounts, labels: tuple[str, ...], settings: Settings) -> tuple[float, ...]:
    """Return what a row of each class weighs, so that the mean over all rows is 1."""
    rows = np.array([survey.labels[label] for label in labels], np.int64)
    return tuple(class_weights(settings.class_weight, labels, rows).tolist())

"""Work on many files, here or on a cluster, and say what became of them."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.options import Cluster
from textclf.cli.output import open_chosen_vectors, report_drift, say, warn
from textclf.cli.progress import counting_steps
from textclf.cli.signals import going_on_later

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textclf.analysis.evaluate import Measurement
    from textclf.distributed import Engine, SetAside, TrainedFar
    from textclf.model.label_table import PredictionColumns
    from textclf.settings import Settings
    from textclf.tables import TableOptions
    from textclf.training.checkpoint import CheckpointFile

_SHOWN_FILES = 20


def label_files(
    model: Path, source: str, output: str, options: "TableOptions", wanted: "PredictionColumns", cluster: Cluster,
    *, target_precision: float | None, drift: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Label the files that `source` names into the folder `output`."""
    from textclf.distributed import Job, find_shards, label
    from textclf.model.model import Model
    from textclf.storage.files import sha256

    shards = find_shards(_seen_by(cluster, source))
    digest = sha256(model)
    with engine(cluster) as workers, counting_steps("labelling files", len(shards), quiet=quiet) as count:
        job = Job(
            workers.share(model, digest),
            digest,
            options,
            wanted.top_k,
            wanted.proba,
            target_precision,
            _seen_by(cluster, output),
        )
        run = label(workers, shards, job, skip=options.on_error == "skip", progress=count)
    for record in run.records[:_SHOWN_FILES]:
        for refusal in record.refusals:
            warn(f"{record.input}: not used: {refusal}.")
    _warn_of(run.set_aside)
    loaded = Model.load(model)
    report_drift(loaded, run.profile(loaded), source, drift, quiet=quiet)
    unknown = sum(record.unknown for record in run.records)
    say(
        f"{run.rows:,} rows of {len(run.records):,} files labelled, {run.refused:,} not used,"
        f" {unknown:,} without a known word; {len(run.set_aside):,} files set aside.",
        quiet=quiet,
    )
    if target_precision is not None:
        answered = sum(record.answered for record in run.records)
        say(f"{answered:,} answered, {run.rows - answered:,} abstained.", quiet=quiet)


def engine(cluster: Cluster) -> "AbstractContextManager[Engine]":
    """Return who does the work: a cluster where one is named, else this process."""
    from textclf.distributed import Serial, dask_engine

    if not cluster.is_named:
        return nullcontext(Serial())
    return dask_engine(scheduler=cluster.scheduler, workers=cluster.workers)


def measure_files(
    model: Path, source: str, options: "TableOptions", cluster: Cluster, *, target_precision: float | None, quiet: bool
) -> "Measurement":
    """Measure a model on the labelled rows of the files that `source` names."""
    from textclf.distributed import evaluate, find_shards
    from textclf.storage.files import sha256

    shards = find_shards(_seen_by(cluster, source))
    digest = sha256(model)
    with engine(cluster) as workers, counting_steps("evaluating files", len(shards), quiet=quiet) as count:
        shared = workers.share(model, digest)
        done = evaluate(workers, shards, shared, digest, options, target_precision=target_precision, progress=count)
    _warn_of(done.set_aside)
    say(f"{done.measurement.evaluation.n:,} rows of {done.files:,} files, {done.refused:,} not used.", quiet=quiet)
    return done.measurement


def train_files(
    source: str, target: Path, options: "TableOptions", settings: "Settings", cluster: Cluster,
    checkpoint: "CheckpointFile", *, cache: bool, quiet: bool,
) -> "TrainedFar":  # fmt: skip
    """Train a model on the labelled rows of the files that `source` names, and write it."""
    from textclf.distributed import Listener, find_shards, train

    shards = find_shards(_seen_by(cluster, source))
    vectors = open_chosen_vectors(settings.vectors, cache=cache, quiet=quiet)
    if vectors is None:
        raise click.UsageError("many files are trained on with pretrained vectors: --vectors none goes with one table.")
    with going_on_later(checkpoint), engine(cluster) as workers:
        listener = Listener(say=lambda text: say(text, quiet=quiet))
        trained = train(workers, shards, options, settings, vectors, listener=listener, checkpoint=checkpoint)
        trained.model.save(target)
    if trained.refused:
        warn(f"{source}: {trained.refused:,} rows not used.")
    return trained


def _warn_of(set_aside: "Sequence[SetAside]") -> None:
    for aside in set_aside:
        warn(f"set aside: {aside.reason}")


def _seen_by(cluster: Cluster, place: str) -> str:
    """Return the place as workers name it, who may run in another folder."""
    from textclf.tables.inputs import is_url

    return str(Path(place).absolute()) if cluster.is_named and not is_url(place) else place

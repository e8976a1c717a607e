"""Measure a model on many files: each is counted where it is read, and the counts are added up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from textclf.analysis.evaluate import EvaluationCounts, Measurement, count_rows
from textclf.distributed.engines import Engine, SharedFile
from textclf.distributed.label import SetAside, load_model
from textclf.distributed.shards import Shard
from textclf.errors import DataError, TextclfError
from textclf.tables import TableOptions, open_table
from textclf.types import Array


@dataclass(frozen=True)
class Evaluated:
    """The figures over all files, how many files and refused rows there were, and which files could not be read."""

    measurement: Measurement
    files: int
    refused: int
    set_aside: list[SetAside]


@dataclass(frozen=True)
class _EvaluationJob:
    model: SharedFile
    digest: str
    options: TableOptions
    target_precision: float | None


def evaluate_files(
    engine: Engine,
    shards: Sequence[Shard],
    model: SharedFile,
    digest: str,
    options: TableOptions,
    *,
    target_precision: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluated:
    """Return the figures of a model, of SHA-256 `digest`, over the labelled rows of all files.

    Counts are added in the order of the files' names, so that the figures do not depend on who was faster. Where the
    options skip invalid rows, an unreadable file is skipped; else it ends the run with its error.
    """
    job = _EvaluationJob(model, digest, options, target_precision)
    found: dict[str, tuple[EvaluationCounts, int, Array | None]] = {}
    aside: list[SetAside] = []
    for shard, outcome in engine.run(partial(_count_shard, job), shards):
        if not isinstance(outcome, TextclfError):
            found[shard.name] = outcome
        elif options.on_error == "skip":
            aside.append(SetAside(shard.url, str(outcome)))
        else:
            raise outcome
        progress(1)
    if not found:
        raise DataError(f"{aside[0].reason} None of the {len(aside)} files could be used.")
    names = sorted(found)
    total, _, answer_from = found[names[0]]
    for name in names[1:]:
        total.merge(found[name][0])
    refused = sum(count for _, count, _ in found.values())
    return Evaluated(
        total.measurement(target_precision, answer_from), len(found), refused, sorted(aside, key=lambda a: a.input)
    )


def _count_shard(job: _EvaluationJob, shard: Shard) -> tuple[EvaluationCounts, int, Array | None]:
    """Return the counts of one file, and its number of refused rows; runs on a worker."""
    model = load_model(job.model.where(), job.digest)
    answer_from = None if job.target_precision is None else model.answer_from(job.target_precision)
    with shard.local() as path, open_table(path, job.options, labelled=True) as table:
        return count_rows(model, table, answer_from), len(table.refused), answer_from

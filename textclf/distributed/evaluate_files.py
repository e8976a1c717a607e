"""Measure a model on many files: each is counted where it is read, and the counts are added up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from textclf.analysis.evaluate import EvaluationCounts, Measurement, count_rows
from textclf.distributed.engines import Engine, SharedFile
from textclf.distributed.label import SetAside, load_model
from textclf.distributed.shards import Shard
from textclf.errors import DataError, TextclfError
from textclf.model.decision import DecisionSettings
from textclf.model.model import Model
from textclf.tables import TableOptions, open_table


@dataclass(frozen=True)
class Evaluated:
    """The figures over all files, how many files and refused rows there were, and which files could not be read."""

    measurement: Measurement
    files: int
    refused: int
    set_aside: list[SetAside]


@dataclass(frozen=True)
class EvaluationJob:
    """What is done to every file; it travels to the workers."""

    model: SharedFile
    digest: str
    options: TableOptions
    decision: DecisionSettings


def evaluate_files(
    engine: Engine,
    shards: Sequence[Shard],
    model: Model,
    job: EvaluationJob,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluated:
    """Return the figures of the job's model, which is here, too, over the labelled rows of all files.

    Counts are added in the order of the files' names, so that the figures do not depend on who was faster. Where the
    options skip invalid rows, an unreadable file is skipped; else it ends the run with its error.
    """
    found: dict[str, tuple[EvaluationCounts, int]] = {}
    aside: list[SetAside] = []
    for shard, outcome in engine.run(partial(_count_shard, job), shards):
        if not isinstance(outcome, TextclfError):
            found[shard.name] = outcome
        elif job.options.on_error == "skip":
            aside.append(SetAside(shard.url, str(outcome)))
        else:
            raise outcome
        progress(1)
    if not found:
        raise DataError(f"{aside[0].reason} None of the {len(aside)} files could be used.")
    names = sorted(found)
    total, _ = found[names[0]]
    for name in names[1:]:
        total.merge(found[name][0])
    refused = sum(count for _, count in found.values())
    return Evaluated(total.measurement(model, job.decision), len(found), refused, sorted(aside, key=lambda a: a.input))


def _count_shard(job: EvaluationJob, shard: Shard) -> tuple[EvaluationCounts, int]:
    """Return the counts of one file, and its number of refused rows; runs on a worker."""
    model = load_model(job.model.where(), job.digest)
    with shard.local() as path, open_table(path, job.options, labelled=True) as table:
        return count_rows(model, table, model.decide(job.decision)), len(table.refused)

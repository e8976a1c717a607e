"""Label many files, each one a task, or a Dask DataFrame; and measure a model on many files.

What is done stays done when a run is stopped and started again. Beside each finished output a record is kept
(``.textclf/NAME.json``) with its counts and checksum, and with what it was made from. A task whose record and output
are sound is skipped. At the end the records make up ``manifest.json``.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf import __version__
from textclf.analysis.evaluate import EvaluationCounts, Measurement, count_rows
from textclf.distributed.engines import Engine, SharedFile
from textclf.distributed.shards import Folder, Shard
from textclf.errors import DataError, OutputError, TextclfError
from textclf.model.decision import DecisionSettings
from textclf.model.drift import Profile
from textclf.model.label_table import BATCH_ROWS, PredictionColumns, label_rows, make_writer, predict_texts
from textclf.model.model import Model
from textclf.storage.files import sha256
from textclf.tables import TableOptions, open_table, open_writer

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd


MANIFEST = "manifest.json"
_RECORDS = ".textclf"
_SHOWN_REFUSALS = 10
_FOR_US = ("made_from", "profile", "independent", "refusals")


@dataclass(frozen=True)
class LabelJob:
    """What is done to every file; it travels to the workers.

    Outputs keep the names of their inputs below `folder`.
    """

    model: SharedFile
    digest: str
    options: TableOptions
    top_k: int | None
    proba: bool
    decision: DecisionSettings
    folder: str

    @property
    def marks(self) -> str:
        """What tells outputs of this job from others: the model, the settings and the version."""
        settings = [self.digest, repr(self.options), self.top_k, self.proba, repr(self.decision), __version__]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


@dataclass(frozen=True)
class FileRecord:
    """What became of one file: rows labelled and refused, and the output's name, size and SHA-256.

    `made_from`: marks of the job and the state of the input. `profile`: the counts of what its texts are like (see
    `drift`). `independent`: the share of them that are as good as independent. `refusals`: the first refused rows, for
    people.
    """

    input: str
    output: str
    made_from: str
    rows: int
    refused: int
    unknown: int
    answered: int
    bytes: int
    sha256: str
    profile: list[list[int]]
    independent: float
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetAside:
    """A file that could not be labelled, and why."""

    input: str
    reason: str


@dataclass(frozen=True)
class LabelledFiles:
    """What became of all files, in the order of their names."""

    records: list[FileRecord]
    set_aside: list[SetAside]

    @property
    def rows(self) -> int:
        """How many rows were labelled."""
        return sum(record.rows for record in self.records)

    @property
    def refused(self) -> int:
        """How many rows were not used."""
        return sum(record.refused for record in self.records)

    @property
    def independent(self) -> float:
        """The share of the texts that are as good as independent, of copies in one file."""
        return sum(record.rows * record.independent for record in self.records) / max(self.rows, 1)

    def profile(self, model: Model) -> Profile:
        """Return what the texts of all files are like, labelled by this model."""
        found = model.profile()
        for record in self.records:
            found.merge(replace(found, counts=np.array(record.profile)))
        return found


def label(
    engine: Engine,
    shards: Sequence[Shard],
    job: LabelJob,
    *,
    skip: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> LabelledFiles:
    """Label every file into the job's folder and write the manifest there.

    With `skip` a file that cannot be labelled is set aside and named in the manifest; else it ends the run with its
    error, and what is finished by then stays. Raises OutputError when the folder
    cannot be written to, or is one that the files are read from.
    """
    folder = Folder(job.folder)
    folder.prepare()
    _check_apart(shards, folder)
    records: list[FileRecord] = []
    aside: list[SetAside] = []
    for shard, outcome in engine.run(partial(_label_shard, job), shards):
        if isinstance(outcome, TextclfError):
            if not skip:
                raise outcome
            aside.append(SetAside(shard.url, str(outcome)))
        else:
            records.append(outcome)
        progress(1)
    run = LabelledFiles(sorted(records, key=lambda r: r.input), sorted(aside, key=lambda each: each.input))
    if not run.records:
        raise DataError(
            f"{job.folder}: expected files to label, found that all {len(aside)} are unfit; {aside[0].reason}"
        )
    folder.write(MANIFEST, (json.dumps(_manifest(run, job), ensure_ascii=False, indent=1) + "\n").encode())
    return run


def _check_apart(shards: Sequence[Shard], folder: Folder) -> None:
    """Raise OutputError when an output would be one of the inputs."""
    for shard in shards:
        output = f"{folder.place}/{shard.name}"
        same = Path(output).exists() and Path(shard.url).samefile(output) if shard.is_local else output == shard.url
        if same:
            raise OutputError(f"{output}: expected an output other than the input, found the same file. Name another.")


def _manifest(run: LabelledFiles, job: LabelJob) -> dict[str, Any]:
    return {
        "textclf": __version__,
        "model": job.digest,
        "rows": run.rows,
        "refused": run.refused,
        "files": [
            {key: value for key, value in asdict(record).items() if key not in _FOR_US} for record in run.records
        ],
        "set_aside": [asdict(each) for each in run.set_aside],
    }


def _label_shard(job: LabelJob, shard: Shard) -> FileRecord:
    """Label one file, unless that is done, and return the record; runs on a worker."""
    folder, output = Folder(job.folder), shard.name
    made_from = f"{job.marks}/{shard.state}"
    record = f"{_RECORDS}/{output}.json"
    done = _find_finished(folder, record, made_from)
    if done is not None:
        return done
    model = load_model(job.model.where(), job.digest)
    wanted = PredictionColumns(job.top_k, job.proba, model.decide(job.decision))
    with shard.local() as path, folder.writing(output) as target:
        with (
            open_table(path, job.options, labelled=False, batch_rows=BATCH_ROWS) as table,
            open_writer(target, table, wanted.names(model)) as writer,
        ):
            counts = label_rows(model, table, wanted, make_writer(model, wanted, writer))
        new = FileRecord(
            shard.url,
            output,
            made_from,
            counts.rows,
            len(table.refused),
            counts.unknown,
            counts.answered,
            target.stat().st_size,
            sha256(target),
            counts.profile.counts.tolist(),
            counts.independent,
            tuple(str(refusal) for refusal in table.refused[:_SHOWN_REFUSALS]),
        )
    folder.write(record, json.dumps(asdict(new)).encode())
    return new


def _find_finished(folder: Folder, name: str, made_from: str) -> FileRecord | None:
    """Return the record of a file that is done, its output whole and made from the same; else None."""
    content = folder.read(name)
    try:
        values = json.loads(content or b"null")
        record = FileRecord(**{**values, "refusals": tuple(values["refusals"])})
    except (ValueError, TypeError, KeyError):
        return None
    if record.made_from != made_from or folder.digest(record.output) != record.sha256:
        return None
    return record


@lru_cache(maxsize=2)
def load_model(path: Path, digest: str) -> Model:
    """Return a model, read once by each worker; raises DataError when the file is not the one of that SHA-256."""
    model, facts = Model.load_with_facts(path)
    if facts.sha256 != digest:
        raise DataError(f"{path}: expected the model that the run began with, found another. Start the run again.")
    return model


# --- a Dask DataFrame ------------------------------------------------------------------------------------------------


def predict(frame: "dd.DataFrame", model: str | Path, *, column: str) -> "dd.DataFrame":
    """Return the frame with the columns `label` and `confidence` for the texts of a column; nothing is computed yet.

    Rows, order and index stay. A missing text is labelled as an empty one. `model`: a model file that every worker can
    open under this path; each worker reads it once. Raises DataError when the frame is none of Dask, when the column is
    missing, stands twice or holds something else than texts, as the estimator does, and when the frame has a column of
    an added name; ModelError when there is no such model.
    """
    names = _names_of(frame)
    if names.count(column) != 1:
        found = "it twice" if column in names else repr(column)
        raise DataError(f"column: expected one of {', '.join(map(str, names))}, found {found}.")
    taken = [name for name in ("confidence", "label") if name in names]
    if taken:
        raise DataError(f"frame: expected no column {taken[0]!r}, found one. Rename it.")
    kind = frame._meta[column].dtype
    if kind.kind in "biufcmM":
        raise DataError(_no_text(column, f"the type {kind}"))
    path = Path(model).resolve()
    digest = Model.load_with_facts(path)[1].sha256
    # An empty frame of the same types: what Dask asks to be told.
    meta = _label(frame._meta, str(path), digest, column)
    return frame.map_partitions(_label, str(path), digest, column, meta=meta)


def _names_of(frame: object) -> list[object]:
    """Return the names of the columns of a Dask DataFrame; raises DataError at something else."""
    meta = getattr(frame, "_meta", None)
    if not hasattr(frame, "map_partitions") or getattr(meta, "ndim", 0) != 2:
        raise DataError(
            f"frame: expected a Dask DataFrame, found {type(frame).__name__}. Make one with dask.dataframe.from_pandas."
        )
    return list(meta.columns)  # type: ignore[union-attr] # what has two dimensions has them


def _label(part: "pd.DataFrame", path: str, digest: str, column: str) -> "pd.DataFrame":

    values = part[column]
    model = load_model(Path(path), digest)
    model.require_one_text("predict of a data frame")
    texts = [
        "" if missing else _require_text(text, column) for text, missing in zip(values, values.isna(), strict=True)
    ]
    labels: list[str] = []
    confidence: list[float] = []
    for predictions in predict_texts(model, texts):
        labels += model.cells(predictions)
        confidence += predictions.confidence.tolist()
    import pandas as pd

    columns = {
        "label": pd.Series(labels, index=part.index, dtype="string"),
        "confidence": pd.Series(confidence, index=part.index, dtype="float64"),
    }
    return part.assign(**columns)


def _require_text(value: object, column: str) -> str:
    if not isinstance(value, str):
        raise DataError(_no_text(column, f"{type(value).__name__} {str(value)[:40]!r}"))
    return value


def _no_text(column: str, found: str) -> str:
    return (
        f"column {column!r}: expected texts, found {found}. Name the column of texts, or convert it:"
        f" frame[{column!r}].astype('string')."
    )


# --- measuring -------------------------------------------------------------------------------------------------------


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

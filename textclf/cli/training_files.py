"""The files of ``textclf train``: what is found to be right before the work, read, and written beside the model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from textclf.cli.options import check_outputs, check_refused, origin
from textclf.cli.output import report_table, this_run, write_refused

if TYPE_CHECKING:
    from textclf.settings import Settings
    from textclf.storage.array_store import ArrayStore
    from textclf.tables import LoadedTable, TableOptions
    from textclf.training.checkpoint import CheckpointFile
    from textclf.training.train import Trained


class Data(NamedTuple):
    """Rows to train on, to validate on, and old ones."""

    train: "LoadedTable"
    valid: "LoadedTable | None"
    old: "LoadedTable | None"

    def check_validation(self, old: tuple[str, ...], *, multi_label: bool) -> None:
        """Raise DataError where rows to validate on have a label that is neither a training row's nor an `old` one."""
        from textclf.analysis.evaluate import check_known
        from textclf.labels import label_sets

        if self.valid is None:
            return
        known, found = (label_sets(rows.labels, multi_label=multi_label) for rows in (self.train, self.valid))
        labels = sorted({label for row in known for label in row} | {*old})
        check_known(self.valid.name, self.valid.rows, found, tuple(labels))


@dataclass(frozen=True)
class TrainingFiles:
    """The files that a training reads and writes."""

    table: Path
    target: Path
    valid: Path | None
    init_from: Path | None
    replay: Path | None
    report: Path | None
    refused: Path | None

    def checked(self, options: "TableOptions", chosen: "Settings", *, resume: bool) -> "CheckpointFile":
        """Return the checkpoint beside the model, once all that can be refused before the work is found to be right."""
        from textclf.training.checkpoint import CheckpointFile

        if self.report is not None:
            from textclf.report import check_available

            check_available()
        check_refused(self.refused, options)
        inputs = [path for path in (self.table, self.valid, self.init_from, self.replay) if path is not None]
        check_outputs([*inputs, Path(chosen.vectors)], self.target, self.report, self.refused)
        checkpoint = CheckpointFile(self.target, resume=resume)
        check_outputs(inputs, checkpoint.path)
        return checkpoint

    def require_one_table(self, others: dict[str, Any]) -> None:
        """Raise UsageError where a file, or one of `others`, is given that does not go with many files."""
        own = {
            "--valid": self.valid,
            "--init-from": self.init_from,
            "--replay": self.replay,
            "--report": self.report,
            "--refused": self.refused,
        }
        for option, value in (own | others).items():
            if value is not None:
                raise click.UsageError(f"{option} goes with one table, not with many files.")

    def store(self, max_memory: int | None) -> "ArrayStore":
        """Return where large arrays go, in files those for which there is no room in so much memory."""
        from textclf.storage.array_store import ArrayStore, default_budget

        return ArrayStore(default_budget() if max_memory is None else max_memory)

    def read(self, options: "TableOptions", store: "ArrayStore") -> Data:
        """Return the rows, their texts on the store; say, and write, which rows are not used."""
        from textclf.tables import read_examples

        def rows(path: Path | None, options: "TableOptions") -> "LoadedTable | None":
            return None if path is None else read_examples(origin(path), options, store.strings)

        train = read_examples(origin(self.table), options, store.strings)
        data = Data(train, rows(self.valid, options), rows(self.replay, replace(options, weight_column=None)))
        read = [each for each in data if each is not None]
        for each in read:
            report_table(each.name, each.refused, each.notes.sentences())
        if self.refused is not None:
            write_refused(self.refused, [(each.name, each.refused) for each in read])
        return data

    def report_on(self, trained: "Trained", data: Data, started: float) -> None:
        """Write the report, if one was asked for, of a training that began at this time of the clock."""
        if self.report is None:
            return
        from textclf.report import write_training_report

        named = {
            "data": self.table,
            "validation data": self.valid,
            "model before": self.init_from,
            "old data": self.replay,
        }
        write_training_report(self.report, trained, data.train, this_run(named, started), valid=data.valid)

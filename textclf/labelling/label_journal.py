"""The table of labelled rows on the disk: a row is on it before anyone hears that it is labelled.

Rows are appended and flushed one by one, as CSV. What a killed process or a power cut leaves of a last row has no line
end: nobody was told that it is labelled, and it is cut off when the table is opened again.
"""

import csv
import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from textclf.errors import DataError, OutputError
from textclf.labels import LabelSet, cut_labels, join_labels
from textclf.storage.files import flush_to_disk, lock_alone, write_whole
from textclf.tables.writer import fresh_names

COLUMNS = ("label", "guess", "why", "seconds", "unsure", "note")
"""What is added to each row: label, guess, why it was shown, seconds it took, a mark and a note."""


@dataclass(frozen=True)
class Verdict:
    """What a person said of a row, and beside it the model's guess, why the row was shown, and the seconds it took.

    `guess` is a cell of labels as a table has it, empty where there was no model.
    """

    labels: LabelSet
    guess: str = ""
    why: str = ""
    seconds: float = 0.0
    unsure: bool = False
    note: str = ""


class GivenLabels:
    """The labelled rows of a pool in memory: `texts` and `verdicts`, in the order in which they were labelled."""

    def __init__(self, columns: Sequence[str], text_column: str) -> None:
        self.texts: list[str] = []
        self.verdicts: list[Verdict] = []
        self._columns = [*columns, *fresh_names(COLUMNS, columns)]
        self._text = self._columns.index(text_column)

    def add(self, cells: Sequence[str | None], verdict: Verdict) -> None:
        """Add a row with the pool's cells."""
        self.texts.append(cells[self._text] or "")
        self.verdicts.append(verdict)

    def undo(self) -> str:
        """Remove the last row, and return its text; raises OutputError where there is none."""
        if not self.texts:
            raise OutputError("undo: expected a labelled row to take back, found none.")
        self.verdicts.pop()
        return self.texts.pop()

    def replace(self, cells: Sequence[str | None], verdict: Verdict) -> None:
        """Put another verdict on a row."""
        self.verdicts[self._find(cells)] = verdict

    def close(self) -> None:
        """Let go of what holds the rows."""

    def _find(self, cells: Sequence[str | None]) -> int:
        return self.texts.index(cells[self._text] or "")


class LabelJournal(GivenLabels):
    """The labelled rows of a pool in a CSV file, which holds every row before `add` returns.

    Raises DataError when the file holds another table or another process writes to it, OutputError when it cannot be
    written.
    """

    def __init__(self, path: Path, columns: Sequence[str], text_column: str, *, multi_label: bool) -> None:
        super().__init__(columns, text_column)
        self.path = path
        self._multi_label = multi_label
        self._records: list[bytes] = [_encode(self._columns)]  # the header, then the rows
        self._descriptor = -1
        if not path.exists() or not path.stat().st_size:
            with write_whole(path) as stream:
                stream.write(self._records[0])
        self._take_file()
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def label_column(self) -> str:
        """The name of the column of labels."""
        return self._columns[-len(COLUMNS)]

    def add(self, cells: Sequence[str | None], verdict: Verdict) -> None:
        """Append a row with the pool's cells; when this returns it is on the disk."""
        record = self._record(cells, verdict)
        try:
            self._cut(self._size)  # what is left of a row that a full disk took in part
            os.lseek(self._descriptor, 0, os.SEEK_END)
            if os.write(self._descriptor, record) < len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush_to_disk(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                self._cut(self._size)
            raise self._not_written(error, "The row is not labelled: make room, and try again") from error
        self._records.append(record)
        super().add(cells, verdict)

    def undo(self) -> str:
        """Take the last row off the disk, and return its text; raises OutputError where there is none."""
        if self.texts:
            try:
                self._cut(self._size - len(self._records[-1]))
            except OSError as error:
                raise self._not_written(error, "The row keeps its label: try again") from error
            self._records.pop()
            with suppress(OSError):  # a power cut may then bring the row back, and loses none
                flush_to_disk(self._descriptor)
        return super().undo()

    def replace(self, cells: Sequence[str | None], verdict: Verdict) -> None:
        """Write the table again with another verdict on a row, whole or not at all."""
        records = list(self._records)
        records[self._find(cells) + 1] = self._record(cells, verdict)
        try:
            with write_whole(self.path) as stream:
                stream.write(b"".join(records))
                if sys.platform == "win32":
                    self.close()  # a file that is open cannot be replaced there
        finally:
            self.close()
            self._take_file()
        self._records = records
        super().replace(cells, verdict)

    @property
    def _size(self) -> int:
        return sum(map(len, self._records))

    def _cut(self, size: int) -> None:
        if os.fstat(self._descriptor).st_size > size:
            os.ftruncate(self._descriptor, size)

    def _not_written(self, error: OSError, advice: str) -> OutputError:
        return OutputError(f"{self.path}: cannot be written ({error.strerror}). {advice}.")

    def _record(self, cells: Sequence[str | None], verdict: Verdict) -> bytes:
        cell = join_labels(verdict.labels) if self._multi_label else verdict.labels[0]
        seconds, unsure = f"{verdict.seconds:.1f}", "true" if verdict.unsure else ""
        return _encode([*cells, cell, verdict.guess, verdict.why, seconds, unsure, verdict.note])

    def _take_file(self) -> None:
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
            lock_alone(self._descriptor)
        except BlockingIOError:
            self.close()
            raise DataError(
                f"{self.path}: expected a table that nobody else labels, found another textclf at work. Stop it first."
            ) from None
        except OSError as error:
            if self._descriptor < 0:
                raise OutputError(f"{self.path}: cannot be written ({error.strerror}). Name another file.") from error
            # else a file system without locks

    def _read(self) -> None:
        """Read what is there; cut off a row that was not written to its end."""
        content = self.path.read_bytes()
        if not content.startswith(self._records[0]):
            raise DataError(
                f"{self.path}: expected the columns {', '.join(self._columns)}, found others."
                " Name a new file, or the one that this table was labelled into."
            )
        self._records = _cut_records(content)
        if self._size < len(content):
            self._cut(self._size)
            flush_to_disk(self._descriptor)
        text = b"".join(self._records[1:]).decode("utf-8", "replace")
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
            try:
                self.verdicts.append(self._verdict(cells))
            except (ValueError, IndexError, DataError):
                raise DataError(
                    f"{self.path}: row {number}: expected a row as `textclf label` writes it, found another."
                    " Correct the row."
                ) from None
            self.texts.append(cells[self._text])

    def _verdict(self, cells: Sequence[str]) -> Verdict:
        if len(cells) != len(self._columns):
            raise ValueError
        label, guess, why, seconds, unsure, note = cells[-len(COLUMNS) :]
        labels = cut_labels(label) if self._multi_label else (label,)
        if not self._multi_label and not label:
            raise ValueError
        return Verdict(labels, guess, why, float(seconds or 0), unsure == "true", note)


def _encode(cells: Sequence[str | None]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8", "replace")


def _cut_records(content: bytes) -> list[bytes]:
    """Return the records that have been written to their end, each with it: at a line end outside quotes."""
    records, start, stop, quotes = list[bytes](), 0, 0, 0
    for line in content.split(b"\n")[:-1]:
        stop += len(line) + 1
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            records.append(content[start:stop])
            start, quotes = stop, 0
    return records

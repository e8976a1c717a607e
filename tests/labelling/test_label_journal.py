"""A label is on the disk before anyone hears of it: none is lost, none comes twice, torn rows are cut off."""

import csv
import errno
import os
import random
import subprocess
import sys

import pytest
from children import SOAK

from textclf.errors import DataError, OutputError
from textclf.labelling.label_journal import LabelJournal, Verdict

COLUMNS = ("id", "text", "label")
ROWS = [("1", "good film", ""), ("2", 'a "quoted", one\nof two lines', ""), ("3", "ill", None)]


def open_journal(path, **more):
    return LabelJournal(path, COLUMNS, "text", multi_label=more.get("multi_label", False))


def verdict(*labels, **more):
    return Verdict(labels, "up", "drawn by chance", 1.25, **more)


def test_rows_keep_their_columns_and_come_back_when_the_table_is_opened_again(tmp_path):
    path = tmp_path / "labelled.csv"
    with open_journal(path) as journal:
        journal.add(ROWS[0], verdict("up"))
        journal.add(ROWS[1], verdict("down", unsure=True, note='odd, "really"\nodd'))
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["id", "text", "label", "label_2", "guess", "why", "seconds", "unsure", "note"]
    assert [row["label_2"] for row in rows] == ["up", "down"]
    with open_journal(path) as journal:
        assert journal.texts == [ROWS[0][1], ROWS[1][1]]
        assert journal.verdicts[1] == Verdict(("down",), "up", "drawn by chance", 1.2, True, 'odd, "really"\nodd')
        journal.add(ROWS[2], verdict("up"))
        assert journal.undo() == "ill"
        journal.replace(ROWS[0], verdict("down"))
    with open_journal(path) as journal:
        assert [one.labels for one in journal.verdicts] == [("down",), ("down",)]


def test_several_labels_or_none_are_one_cell(tmp_path):
    path = tmp_path / "labelled.csv"
    with open_journal(path, multi_label=True) as journal:
        journal.add(ROWS[0], verdict("a", "b"))
        journal.add(ROWS[2], verdict())
    with open_journal(path, multi_label=True) as journal:
        assert [one.labels for one in journal.verdicts] == [("a", "b"), ()]


def test_a_row_that_was_torn_anywhere_is_cut_off_and_no_other(tmp_path):
    path = tmp_path / "labelled.csv"
    with open_journal(path) as journal:
        journal.add(ROWS[0], verdict("up"))
        kept = path.stat().st_size
        journal.add(ROWS[1], verdict("down", note='"'))
    content = path.read_bytes()
    for size in range(kept, len(content)):
        path.write_bytes(content[:size])
        with open_journal(path) as journal:
            assert journal.texts == ["good film"]
        assert path.stat().st_size == kept


def test_another_table_and_a_second_writer_are_refused(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text("text,label\ngood,up\n")
    with pytest.raises(DataError, match="expected the columns id, text, label, label_2"):
        open_journal(path)
    path.unlink()
    with open_journal(path), pytest.raises(DataError, match="found another textclf at work"):
        open_journal(path)
    path.write_text(path.read_text() + "1,good film,\n")
    with pytest.raises(DataError, match="row 1: expected a row as `textclf label` writes it"):
        open_journal(path)


def test_there_is_an_end_to_taking_back(tmp_path):
    with open_journal(tmp_path / "labelled.csv") as journal, pytest.raises(OutputError, match="found none"):
        journal.undo()


def test_a_full_disk_labels_nothing(tmp_path, monkeypatch):
    path = tmp_path / "labelled.csv"
    with open_journal(path) as journal:
        journal.add(ROWS[0], verdict("up"))
        size, write = path.stat().st_size, os.write
        monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:5]))
        with pytest.raises(OutputError, match="The row is not labelled: make room"):
            journal.add(ROWS[2], verdict("up"))
        assert path.stat().st_size == size
        monkeypatch.undo()
        journal.add(ROWS[2], verdict("up"))
    with open_journal(path) as journal:
        assert journal.texts == ["good film", "ill"]


def test_what_a_full_disk_took_of_a_row_goes_when_the_next_is_written(tmp_path, monkeypatch):
    path = tmp_path / "labelled.csv"

    def refuse(*_):
        raise OSError(errno.EIO, "no")

    with open_journal(path) as journal:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:-1]) and 0)
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OutputError, match="The row is not labelled"):
            journal.add(ROWS[1], verdict("down", note="long " * 50))
        monkeypatch.undo()
        journal.add(ROWS[2], verdict("up"))
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OutputError, match="The row keeps its label"):
            journal.undo()
        assert journal.texts == ["ill"]
    content = path.read_bytes()
    with open_journal(path) as journal:
        assert journal.texts == ["ill"]
    assert path.read_bytes() == content


_CHILD = """
import sys
from pathlib import Path
from textclf.labelling.label_journal import LabelJournal, Verdict
with LabelJournal(Path(sys.argv[1]), ("text",), "text", multi_label=False) as journal:
    print(len(journal.texts), flush=True)
    for number in range(len(journal.texts), 100_000):
        journal.add([f'row {number} "of, many"'], Verdict(("up",), note="x" * (number * 37 % 500)))
        print(number, flush=True)
"""


def test_a_kill_after_any_label_loses_none_and_doubles_none(tmp_path):
    path = tmp_path / "labelled.csv"
    told = -1
    dice = random.Random(1)
    for _ in range(200 if SOAK else 4):
        child = subprocess.Popen([sys.executable, "-c", _CHILD, path], stdout=subprocess.PIPE, text=True)
        found = int(child.stdout.readline())
        assert found in (told + 1, told + 2), "one more may be written that nobody was told of"
        for line in child.stdout:
            told = int(line)
            if told >= found + 2 and dice.random() < 0.05:
                child.kill()
                break
        told = max([told, *(int(line) for line in child.stdout.read().split() if line.isdigit())])
        child.wait()
        child.stdout.close()
    with LabelJournal(path, ("text",), "text", multi_label=False) as journal:
        assert journal.texts == [f'row {number} "of, many"' for number in range(len(journal.texts))]
        assert len(journal.texts) > told

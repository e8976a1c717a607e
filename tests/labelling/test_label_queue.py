"""Labelling from Python: the next text with its guess and reasons, a label, undo, rows out."""

import csv

import numpy as np
import pandas as pd
import pytest

from textclf.errors import DataError, OutputError, TrainingError
from textclf.labelling import LabelQueue, UnknownRow
from textclf.sklearn.validation import InputError

UP, DOWN = ("good", "fine", "lovely"), ("bad", "ill", "dull")
rng = np.random.default_rng(4)
TEXTS = [f"{a} {b} film number {i}" for i in range(60) for a, b in [rng.choice(UP if i % 2 else DOWN, 2)]]


def truth(text):
    return "up" if text.split()[0] in UP else "down"


def make(texts=TEXTS, labels=("up", "down"), **more):
    return LabelQueue(texts, labels, **{"vectors": "none", "every": 10, "threads": 1, **more})


def label(queue, count):
    for _ in range(count):
        queue.give(truth(queue.current.text))
        queue.wait()


@pytest.mark.parametrize("hold", [list, np.array, pd.Series])
def test_a_column_of_texts_is_labelled_and_comes_out_as_rows(hold):
    with make(hold(TEXTS)) as queue:
        assert (queue.current.guess, queue.current.words, queue.classifier) == (None, {}, None)
        label(queue, 60)
        assert queue.current is None
        with pytest.raises(UnknownRow, match="found none left"):
            queue.give("up")
        frame = pd.DataFrame(queue.rows())
    assert list(frame) == ["text", "label", "guess", "why", "seconds", "unsure", "note"]
    assert sorted(frame["text"]) == sorted(TEXTS)
    assert (frame["label"] == frame["text"].map(truth)).all()


def test_the_classifier_is_trained_again_guesses_and_says_which_words_speak_for_it():
    with make() as queue:
        label(queue, 30)
        row = queue.current
        assert row.guess == (truth(row.text),)
        assert row.confidence == max(row.probabilities.values())
        assert set(row.words) <= set(row.text.split())
        assert list(row.words.values()) == sorted(row.words.values(), reverse=True)
        assert queue.classifier.predict(["lovely good", "dull bad"]).tolist() == ["up", "down"]
        progress = queue.progress
        assert (progress["labelled"], sum(progress["counts"].values()), progress["trouble"]) == (30, 30, "")
        begun = make(model=queue.classifier, labels=())
        assert begun.current.guess is not None
        begun.close()


def test_a_label_is_taken_back_a_text_is_skipped_an_unsure_one_comes_again():
    with make() as queue:
        first = queue.current.text
        queue.give("up")
        queue.undo()
        assert (queue.current.text, queue.rows()) == (first, [])
        with pytest.raises(OutputError, match="found none"):
            queue.undo()
        queue.skip()
        second = queue.current.text
        assert second != first
        queue.give("down", unsure=True, note="odd")
        assert queue.rows()[0] | {"seconds": 0} == {
            "text": second, "label": "down", "guess": "", "why": "like many others",
            "seconds": 0, "unsure": True, "note": "odd",
        }  # fmt: skip
        queue.look_again()
        assert (queue.current.text, queue.current.why) == (second, "you were unsure")
        queue.give("up")
        assert [(row["label"], row["unsure"]) for row in queue.rows()] == [("up", False)]
        with pytest.raises(TrainingError, match="expected"):
            queue.look_again()


def test_with_a_file_each_label_is_on_the_disk_and_the_next_queue_goes_on(tmp_path):
    path = tmp_path / "labelled.csv"
    with make(file=path) as queue:
        label(queue, 3)
        with path.open(encoding="utf-8", newline="") as stream:
            assert [row["text"] for row in csv.DictReader(stream)] == [row["text"] for row in queue.rows()]
        with pytest.raises(DataError, match="found another textclf at work"):
            make(file=path)
    with make(file=str(path), labels=()) as queue:
        assert queue.progress["labelled"] == 3
        assert set(queue.progress["counts"]) == {"up", "down"}


def test_several_labels_or_none_become_a_cell():
    with make(multi_label=True) as queue:
        queue.give(["down", "up"])
        queue.give([])
        queue.give("up")
        assert [row["label"] for row in queue.rows()] == ["up|down", "", "up"]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: make(["one", None]), InputError, "found nothing"),
        (lambda: make("one text"), InputError, "Put the text into a list"),
        (lambda: make(labels="up,down"), DataError, "expected a list of them, found one string"),
        (lambda: make(labels=["up"]), DataError, "expected two or more, found 1"),
        (lambda: make().give("sideways"), UnknownRow, "found 'sideways'. Choose among its labels"),
        (lambda: make().give(["up", "down"]), UnknownRow, "expected one label, found 2"),
        (lambda: make([]).give("up"), UnknownRow, "found none left"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(call, error, said):
    with pytest.raises(error, match=said):
        call()

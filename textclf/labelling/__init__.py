"""Label rows, the most useful first, while a model is trained again and again on those that are labelled.

A session has the queue, the model and its figures; labelled rows lie in memory, or in a CSV file that a kill leaves
whole. The page is in `serve`; `LabelQueue` is the same session from Python.
"""

from textclf.labelling.label_journal import GivenLabels, LabelJournal, Verdict
from textclf.labelling.label_queue import LabelQueue
from textclf.labelling.label_session import LabelSession, LabelSettings, RowToLabel, UnknownRow, choose_labels

__all__ = [
    "GivenLabels",
    "LabelJournal",
    "LabelQueue",
    "LabelSession",
    "LabelSettings",
    "RowToLabel",
    "UnknownRow",
    "Verdict",
    "choose_labels",
]

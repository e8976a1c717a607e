"""Label texts from Python, such as in a notebook: the session of the labelling page without the page."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from textclf.errors import DataError, TrainingError
from textclf.labelling.label_journal import GivenLabels, LabelJournal
from textclf.labelling.label_session import (
    LabelPool,
    LabelSession,
    LabelSettings,
    RowToLabel,
    UnknownRow,
    choose_labels,
)
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.vectors import open_vectors

if TYPE_CHECKING:
    from textclf.sklearn import TextClassifier

_COLUMN = ("text",)


class LabelQueue:
    """Texts to label, the most useful first, and a classifier that is trained again in the background.

    `labels` are those to choose from. With `file`, a CSV file, each label is on the disk before `give` returns, and an
    existing file is continued. `model`: what guesses before the first training. One starts after every `every` labels,
    with these `vectors`, `seed` and `threads`. With `multi_label`, a text has several labels or none.

    Raises DataError for texts or labels that cannot be used, OutputError for a file that cannot.

    >>> films = ["A fine film.", "A dull film.", "Fine songs.", "Dull songs.", "A fine day.", "A dull day."]
    >>> queue = LabelQueue(films, ["good", "bad"], every=5, vectors="none")
    >>> while queue.current is not None:
    ...     queue.give("good" if "fine" in queue.current.text.lower() else "bad")
    ...     queue.wait()
    >>> sorted((row["text"], row["label"]) for row in queue.rows())[:2]
    [('A dull day.', 'bad'), ('A dull film.', 'bad')]
    >>> queue.close()
    """

    def __init__(
        self,
        texts: Any,  # noqa: ANN401 - whatever holds a column of texts
        labels: Sequence[str] = (),
        *,
        file: str | Path | None = None,
        multi_label: bool = False,
        model: "Model | TextClassifier | None" = None,
        every: int = 20,
        vectors: str = "starter",
        seed: int = 1,
        threads: int = 2,
    ) -> None:
        from textclf.sklearn.validation import texts_of  # now: the labelling page needs no scikit-learn

        column = texts_of(texts)
        if isinstance(labels, str):
            raise DataError(f"labels: expected a list of them, found one string. Write [{labels!r}, …].")
        begin = model if model is None or isinstance(model, Model) else model.model_
        self._journal = GivenLabels(_COLUMN, *_COLUMN)
        if file is not None:
            self._journal = LabelJournal(Path(file), _COLUMN, *_COLUMN, multi_label=multi_label)
        try:
            found = None if vectors == "none" else open_vectors(vectors)
            known = choose_labels(labels or (begin.labels if begin else ()), self._journal, multi_label=multi_label)
            output: Any = "sigmoid" if multi_label else "softmax"
            training = Settings(vectors=vectors, seed=seed, threads=threads, multi_label=multi_label, output=output)
            settings = LabelSettings(known, multi_label, every, training=training)
            pool = LabelPool.of(column, [[text] for text in column], self._journal.texts)
            self._session = LabelSession(pool, self._journal, settings, found, begin)
            self._session.start()
        except BaseException:
            self._journal.close()
            raise
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def current(self) -> RowToLabel | None:
        """The text that comes next, its guessed label and the words that speak for it; None where all are labelled."""
        return self._session.current()

    def give(self, labels: str | Sequence[str], *, unsure: bool = False, note: str = "") -> None:
        """Label the text that comes next, with one label, or with several or none where texts may have them.

        An `unsure` one comes back for a second look. Raises UnknownRow for a label that is not of this queue, or where
        all texts are labelled.
        """
        given = [labels] if isinstance(labels, str) else list(labels)
        seconds = time.monotonic() - self._shown
        self._session.give(self._number(), given, unsure=unsure, note=note, seconds=seconds)
        self._shown = time.monotonic()

    def skip(self) -> None:
        """Let the text that comes next come at the end."""
        self._session.skip(self._number())
        self._shown = time.monotonic()

    def undo(self) -> None:
        """Take the last label back; its text comes next. Raises OutputError where there is none."""
        self._session.undo()
        self._shown = time.monotonic()

    def look_again(self) -> None:
        """Bring back the texts whose labels the others contradict, and those that were unsure.

        Raises TrainingError where there are none, or where there are too few labels to judge by.
        """
        self._session.look_again()
        self._session.wait()
        if self._session.trouble:
            raise TrainingError(self._session.trouble)

    def wait(self) -> None:
        """Wait until a training that has begun has ended."""
        self._session.wait()

    @property
    def classifier(self) -> "TextClassifier | None":
        """The classifier of the last training; None before there is one."""
        from textclf.sklearn import TextClassifier

        return None if self._session.model is None else TextClassifier.from_model(self._session.model)

    @property
    def progress(self) -> dict[str, Any]:
        """How many texts are labelled with what, how often the guess was right, and accuracy by number of labels."""
        state = self._session.state()
        return {
            name: state[name] for name in ("labelled", "rows", "counts", "agreement", "curve", "forecast", "trouble")
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the labelled rows as plain values, in the order of labelling; a data frame takes them as they are.

        With several labels a text, `label` is a cell such as ``a|b``.
        """
        found = []
        for text, verdict in zip(self._journal.texts, self._journal.verdicts, strict=True):
            marks = asdict(verdict)
            found.append({"text": text, "label": self._session.cell(marks.pop("labels")), **marks})
        return found

    def close(self) -> None:
        """Stop the training, and let go of the file."""
        self._session.close()
        self._journal.close()

    def _number(self) -> int:
        row = self.current
        if row is None:
            raise UnknownRow("queue: expected a text to label, found none left. Take one back with undo.")
        return row.number

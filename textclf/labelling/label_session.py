"""A session of labelling: which row comes next, what is known of it, and a model that is trained again meanwhile.

Every `CHANCE`-th row is drawn by chance, the others are those that teach most (see `suggestion`). Rows chosen for the
model's doubts are harder than others, so its accuracy is measured on the rows drawn by chance alone, each judged by a
model that has not seen it.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from textclf.analysis.label_errors import find_label_errors
from textclf.analysis.learning_curve import fit_power_laws
from textclf.analysis.suggestion import DOUBT, Guide, batches_of, name_doubts, read_start, suggest_rows
from textclf.errors import DataError, TextclfError, TrainingError, spell
from textclf.explain import ExplainSettings, Explanation, explain
from textclf.labelling.label_journal import GivenLabels, Verdict
from textclf.labels import LabelSet, join_labels
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.text.copies import text_keys
from textclf.training.train import LabelledTexts, Trained, train
from textclf.vectors import WordVectors

CHANCE = 5
"""One of so many rows is drawn by chance."""
BY_CHANCE = "drawn by chance"

_AHEAD = 300
"""Rows that are put in order at a time; the rest of the table comes after them."""
_LEAST_JUDGED = 20
"""Rows drawn by chance that a figure of accuracy needs."""
_LEAST_POINTS = 3  # of a curve that is drawn on
_MOST_TIMES = 20  # as many labels: beyond it a forecast says nothing
_GOALS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
_RECENT = 50
_LONGEST_SHOWN = 60
_SHOWN = 5  # labels with their probabilities, and words that speak for one

log = logging.getLogger("textclf.labelling")


@dataclass(frozen=True)
class LabelSettings:
    """What may be given, and how the model is trained: again after `every` labels; the seed draws rows, too."""

    labels: tuple[str, ...]
    multi_label: bool = False
    every: int = 20
    goal: float | None = None
    training: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class AccuracyPoint:
    """What a model of `labels` labels reached on the `judged` rows that were drawn by chance."""

    labels: int
    judged: int
    accuracy: float


@dataclass(frozen=True)
class RowToLabel:
    """A row that is to be labelled, why it comes, and what the model says of it: None where there is no model yet.

    `probabilities`: those of the likeliest labels. `words`: those that speak for the guess, and what each adds to its
    score, strongest first; with several labels a text there are none, and no `explanation`.
    """

    number: int = field(repr=False)
    text: str
    why: str
    guess: LabelSet | None = None
    confidence: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)
    explanation: Explanation | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it as the page shows it."""
        shown: dict[str, Any] = {"number": self.number, "text": read_start(self.text), "why": self.why, "guess": None}
        shown["unread"] = len(self.text) - len(shown["text"])
        if self.guess is not None:
            shown["guess"] = {
                "labels": list(self.guess), "confidence": self.confidence, "probabilities": self.probabilities
            }  # fmt: skip
        if self.explanation is not None:
            shown["explanation"] = self.explanation.as_dict()
        return shown


class UnknownRow(TextclfError):  # noqa: N818 -- the request is out of date, not the program at fault
    """A row that cannot be labelled now: the page shows an old state."""


def choose_labels(given: Sequence[str], rows: GivenLabels, *, multi_label: bool) -> tuple[str, ...]:
    """Return a session's labels: those given, then those of rows labelled already; raises DataError for too few."""
    found = sorted({label for verdict in rows.verdicts for label in verdict.labels} - {*given})
    labels = tuple(dict.fromkeys([*given, *found]))
    if len(labels) < (1 if multi_label else 2):
        raise DataError(f"labels: expected two or more, found {len(labels)}. Name them, such as positive,negative.")
    return labels


@dataclass(frozen=True)
class LabelPool:
    """The different texts to label, case and blanks aside, the cells of a row of each, and the number of each text."""

    texts: list[str]
    rows: list[Sequence[str | None]]
    numbers: dict[str, int]

    @staticmethod
    def of(texts: Sequence[str], rows: Sequence[Sequence[str | None]], labelled: Sequence[str] = ()) -> "LabelPool":
        """Return the texts of these rows but the empty ones; of copies the one that is labelled, or the first.

        Where another copy is labelled than any of these rows, there is nothing to ask.
        """
        known, barred = set(labelled), set(text_keys(labelled).tolist())
        chosen: dict[int, int] = {}
        for row, (key, text) in enumerate(zip(text_keys(texts).tolist(), texts, strict=True)):
            if text.strip() and (key not in chosen or (text in known and texts[chosen[key]] not in known)):
                chosen[key] = row
        kept = [row for key, row in chosen.items() if key not in barred or texts[row] in known]
        numbers = {texts[row]: number for number, row in enumerate(kept)}
        return LabelPool([*numbers], [rows[row] for row in kept], numbers)


class LabelSession:
    """A pool, its labelled rows, the queue of the others, and the model. All methods may be called at once."""

    def __init__(
        self,
        pool: LabelPool,
        journal: GivenLabels,
        settings: LabelSettings,
        vectors: WordVectors | None,
        model: Model | None = None,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.model = model
        self.points: list[AccuracyPoint] = []
        self.trouble = ""
        self.is_training = False
        self._pool, self._vectors = pool, vectors
        self._labelled = {pool.numbers[text] for text in journal.texts if text in pool.numbers}
        self._rng = np.random.default_rng(settings.training.seed)
        self._chance: deque[int] = deque(self._rng.permutation(len(pool.texts)).tolist())
        self._queue: deque[tuple[int, str]] = deque()
        self._skipped: deque[int] = deque()
        self._review: deque[tuple[int, str]] = deque()
        self._current: tuple[int, str] | None = None
        self._trained_on = 0
        self._lock = threading.RLock()
        self._worker = ThreadPoolExecutor(1)
        self._jobs: list[Future[None]] = []

    def start(self) -> None:
        """Put the first rows in order; train where rows are labelled already."""
        self._order(self.model)
        self._advance()
        if len(self.journal.texts) >= self.settings.every:
            self._submit(self._retrace)

    def close(self) -> None:
        """End; a training that has begun is not waited for."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def wait(self) -> None:
        """Wait until what was begun in the background is done."""
        for job in self._jobs:
            job.result()

    # --- what the page does -----------------------------------------------------------------------------------------

    def give(self, number: int, labels: Sequence[str], *, unsure: bool, note: str, seconds: float) -> None:
        """Label the current row; raises UnknownRow at another, and at a label that there is not.

        The same label once more for a row that has it is nothing new: the answer to it was lost on the way.
        """
        given = tuple(label for label in self.settings.labels if label in set(labels))
        with self._lock:
            self._check_labels(labels, given)
            if number in self._labelled and not self._review and self._verdict_of(number).labels == given:
                return
            guess, why = self._expect(number)
            verdict = Verdict(given, guess, why, seconds, unsure, note)
            cells = self._pool.rows[number]
            if self._review:
                before = self._verdict_of(number)
                self.journal.replace(
                    cells, replace(verdict, guess=before.guess, why=before.why, seconds=before.seconds)
                )
                self._review.popleft()
            else:
                self.journal.add(cells, verdict)
                self._labelled.add(number)
                self._train_when_due()
            self._advance()

    def skip(self, number: int) -> None:
        """Show the current row later."""
        with self._lock:
            self._expect(number)
            if self._review:
                self._review.popleft()
            else:
                self._skipped.append(number)
            self._advance()

    def undo(self) -> None:
        """Take the last label back, and show its row again."""
        with self._lock:
            if self._review:
                raise UnknownRow("undo: expected no second look, found one. Change a row when it comes back.")
            why = self.journal.verdicts[-1].why if self.journal.verdicts else ""
            text = self.journal.undo()
            if text in self._pool.numbers:
                if self._current is not None:
                    self._queue.appendleft(self._current)
                number = self._pool.numbers[text]
                self._labelled.discard(number)
                self._current = (number, why)

    def look_again(self) -> None:
        """Bring back the rows whose labels the model doubts, and those that were marked as unsure."""
        self._submit(self._find_doubtful)

    def state(self) -> dict[str, Any]:
        """Return all that the page shows, as plain values."""
        with self._lock:
            verdicts = self.journal.verdicts
            recent = [one for one in verdicts if one.guess][-_RECENT:]
            agreed = sum(one.guess == self.cell(one.labels) for one in recent)
            times = sorted(one.seconds for one in verdicts if one.seconds > 0)
            return {
                "labels": list(self.settings.labels),
                "multi_label": self.settings.multi_label,
                "labelled": len(verdicts),
                "rows": len(self._pool.texts),
                "unsure": sum(one.unsure for one in verdicts),
                "seconds": times[len(times) // 2] if times else None,
                "agreement": {"rows": len(recent), "agreed": agreed},
                "counts": self._count_labels(),
                "training": self.is_training,
                "trouble": self.trouble,
                "curve": [vars(point) for point in self.points],
                "forecast": forecast(self.points, self.settings.goal),
                "review": {"left": len(self._review)} if self._review else None,
                "row": self._describe(),
            }

    # --- rows --------------------------------------------------------------------------------------------------------

    def _check_labels(self, labels: Sequence[str], given: LabelSet) -> None:
        unknown = [label for label in labels if label not in self.settings.labels]
        if unknown:
            found = spell(unknown[0][:_LONGEST_SHOWN])
            raise UnknownRow(f"labels: expected labels of this session, found {found!r}. Choose among its labels.")
        if not self.settings.multi_label and len(given) != 1:
            raise UnknownRow(f"labels: expected one label, found {len(given)}. Choose one.")

    def _expect(self, number: int) -> tuple[str, str]:
        """Return the guess for the current row and why it is shown; raises UnknownRow when another one is asked for."""
        if self._current is None or self._current[0] != number:
            raise UnknownRow("row: expected the row that is shown, found another. Load the page again.")
        guess = ""
        if self.model is not None:
            (guess,) = self.model.cells(self.model.predict([self._start_of(number)]))
        return guess, self._reason(*self._current)

    def _reason(self, number: int, why: str) -> str:
        """Return why a row is shown, in the figures of the model as it is now."""
        if self.model is None or not why.startswith(DOUBT):
            return why
        (reason,) = name_doubts(self.model, self.model.predict([self._start_of(number)]))
        return reason

    def _verdict_of(self, number: int) -> Verdict:
        return self.journal.verdicts[self.journal.texts.index(self._pool.texts[number])]

    def _start_of(self, number: int) -> str:
        return read_start(self._pool.texts[number])

    def _advance(self) -> None:
        """Choose the row that is shown next."""
        if self._review:
            self._current = self._review[0]
            return
        if len(self._labelled) % CHANCE == CHANCE - 1 and (number := self._draw()) is not None:
            self._current = (number, BY_CHANCE)
            return
        passed = set(self._skipped)
        while self._queue:
            number, why = self._queue.popleft()
            if number not in self._labelled and number not in passed:
                self._current = (number, why)
                return
        number_left = self._draw()
        if number_left is None and self._skipped:
            number_left = self._skipped.popleft()
        self._current = None if number_left is None else (number_left, BY_CHANCE)

    def _draw(self) -> int | None:
        """Return a row by chance that is not labelled and was not skipped; None where there is none."""
        passed = set(self._skipped)
        while self._chance:
            number = self._chance.popleft()
            if number not in self._labelled and number not in passed:
                return number
        return None

    def current(self) -> RowToLabel | None:
        """Return the row that comes next; None where all are labelled."""
        with self._lock:
            if self._current is None:
                return None
            (number, why), model = self._current, self.model
            row = RowToLabel(number, self._pool.texts[number], self._reason(number, why))
            if model is None:
                return row
            text = read_start(row.text)
            (one,) = model.each([text], model.predict([text]))
            best = sorted(one.probabilities.items(), key=lambda item: -item[1])[:_SHOWN]
            row = replace(row, confidence=one.confidence, probabilities=dict(best))
            if one.labels is not None:
                return replace(row, guess=tuple(one.labels))
            (found,) = explain(model, [text], ExplainSettings(None, "gradients", 0))
            words = {word.string: word.contribution for word in found.strongest(_SHOWN)[0]}
            return replace(row, guess=(one.label,), words=words, explanation=found)

    def _describe(self) -> dict[str, Any] | None:
        row = self.current()
        if row is None:
            return None
        described = row.as_dict()
        if row.number in self._labelled:
            verdict = self._verdict_of(row.number)
            described["given"] = {"labels": list(verdict.labels), "note": verdict.note}
        return described

    def cell(self, labels: LabelSet) -> str:
        """Return labels as one cell of a table."""
        return join_labels(labels) if self.settings.multi_label else labels[0]

    def _count_labels(self) -> dict[str, int]:
        counts = dict.fromkeys(self.settings.labels, 0)
        for verdict in self.journal.verdicts:
            for label in verdict.labels:
                counts[label] = counts.get(label, 0) + 1
        return counts

    # --- in the background -------------------------------------------------------------------------------------------

    def _submit(self, job: Any) -> None:  # noqa: ANN401
        self._jobs.append(self._worker.submit(self._run, job))

    def _run(self, job: Any) -> None:  # noqa: ANN401
        self.is_training = True
        try:
            job()
            self.trouble = ""
        except TextclfError as error:
            self.trouble = str(error)
        except Exception:
            log.exception("the background of the labelling failed")
            self.trouble = "the model could not be trained; the log says where. Labels are kept."
        finally:
            self.is_training = False

    def _train_when_due(self) -> None:
        n = len(self.journal.texts)
        if n - self._trained_on >= self.settings.every and not self.is_training:
            self._trained_on = n
            self._submit(self._train)

    def _retrace(self) -> None:
        """Train on a part of the labels, too, for the curve of a session that goes on."""
        n = len(self.journal.texts)
        self._trained_on = n
        for part in (n // 4, n // 2, 3 * n // 4):
            if part >= self.settings.every:
                self._fit(part)
        self._train()

    def _train(self) -> None:
        trained = self._fit(len(self.journal.texts))
        if trained is not None:
            self._order(trained.model)

    def _fit(self, n: int) -> Trained | None:
        """Train on the first n labelled rows, and add a point to the curve."""
        with self._lock:
            texts, verdicts = list(map(read_start, self.journal.texts[:n])), self.journal.verdicts[:n]
        cells = [self.cell(verdict.labels) for verdict in verdicts]
        if len(set(cells)) < 2:
            return None
        trained = train(LabelledTexts(texts, cells), self.settings.training, self._vectors)
        right = right_answers(trained, [verdict.why == BY_CHANCE for verdict in verdicts])
        if len(right) >= _LEAST_JUDGED:
            with self._lock:
                self.points.append(AccuracyPoint(n, len(right), float(np.mean(right))))
        return trained

    def _order(self, model: Model | None) -> None:
        """Put rows that are not labelled in the order in which they teach most."""
        with self._lock:
            labelled, known = set(self._labelled), list(map(read_start, self.journal.texts))
        rest = [number for number in range(len(self._pool.texts)) if number not in labelled]
        batches = batches_of([self._start_of(number) for number in rest])
        threads = self.settings.training.threads
        found = suggest_rows(batches, _AHEAD, self._rng, Guide(self._vectors, model, known), threads=threads)
        queue = deque((rest[row - 1], reason) for row, reason in zip(found.rows.rows, found.reasons, strict=True))
        with self._lock:
            self.model, self._queue = model, queue

    def _find_doubtful(self) -> None:
        with self._lock:
            texts, verdicts = list(self.journal.texts), list(self.journal.verdicts)
        found = {number: "you were unsure" for number, verdict in enumerate(verdicts) if verdict.unsure}
        trouble: TextclfError = TrainingError("second look: no row is in doubt.")
        if not self.settings.multi_label:
            data = LabelledTexts(list(map(read_start, texts)), [verdict.labels[0] for verdict in verdicts])
            try:
                for one in find_label_errors(data, self.settings.training, self._vectors):
                    found.setdefault(one.number, f"the others suggest {one.suggested}")
            except TrainingError as error:  # too few rows to judge by: the unsure ones come nevertheless
                trouble = error
        numbers = self._pool.numbers
        review = [(numbers[texts[i]], why) for i, why in found.items() if texts[i] in numbers]
        with self._lock:
            if self._current is not None and not self._review:
                self._queue.appendleft(self._current)
            self._review = deque(review)
            self._advance()
        if not review:
            raise trouble


def right_answers(trained: Trained, by_chance: Sequence[bool]) -> Sequence[bool]:
    """Return for each held-out row that was drawn by chance whether a model that has not seen it is right."""
    if trained.held_out is None or trained.held_out_rows is None:
        return []
    model, Y = trained.model, trained.held_out.examples.Y > 0
    P = model.probabilities_of(trained.held_out.logits)
    if model.thresholds is None:
        right = P.argmax(axis=1) == Y.argmax(axis=1)
    else:
        right = ((model.thresholds <= P) == Y).all(axis=1)
    judged: list[bool] = right[np.array(by_chance)[trained.held_out_rows]].tolist()
    return judged


def forecast(points: Sequence[AccuracyPoint], goal: float | None) -> dict[str, float] | None:
    """Return how many more labels a goal may take, by a power law through the points; None where nothing can be said.

    Without a goal it is the next of some round figures.
    """
    if len(points) < _LEAST_POINTS:
        return None
    n = np.array([point.labels for point in points], np.float64)
    law = fit_power_laws(n, np.array([[1.0 - point.accuracy for point in points]]))
    now = 1.0 - float(law.error(n[-1])[0])
    goal = next((one for one in _GOALS if one > now), None) if goal is None else goal
    if goal is None or goal <= now:
        return None
    a, b, c = (float(part[0]) for part in (law.a, law.b, law.c))
    if b <= 0 or 1.0 - goal <= a:
        return None
    wanted = math.ceil((b / (1.0 - goal - a)) ** (1.0 / c))
    if wanted > _MOST_TIMES * n[-1]:
        return None
    return {"accuracy": goal, "more": max(wanted - int(n[-1]), 1)}

"""What a check can find: the kinds of findings, how severe each is, and what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Kind:
    """A kind of finding: a noun phrase for rows of it, what to do, how severe it is, and why a row of it is dropped.

    `of_labels`: it is the label that was found, and with it all rows that have it.
    """

    what: str
    advice: str
    severity: Severity
    reason: str = ""
    of_labels: bool = False


KINDS: dict[str, Kind] = {
    "unusable": Kind(
        "invalid rows", "Fix them in the file; a fixed copy leaves them out.", "error", "invalid"
    ),
    "one-class": Kind("only one label", "Add rows of another class: there is nothing to learn yet.", "error"),
    "empty": Kind("empty texts", "Drop them, or restore their text.", "error",
                  "empty text"),
    "wordless": Kind("texts without a word, only punctuation and symbols",
                     "Drop them, unless emoticons tell the classes apart.", "warning",
                     "text without a word"),
    "contradiction": Kind("rows whose text has another label in another row",
                          "Decide which label is right: a model cannot learn both.", "error",
                          "the same text has another label in another row"),
    "leak": Kind("rows that are also in the test table", "Drop them, or test figures are too high.",
                 "error", "is in the test table"),
    "near-leak": Kind("rows nearly equal to a row of the test table",
                      "Compare the pairs, and drop the rows that are copies.", "warning",
                      "nearly equal to a row of the test table"),
    "unknown-label": Kind("rows of the test table whose label is not in this table",
                          "Correct the label, or add rows with it: the model can never predict it.", "error"),
    "joined-labels": Kind("rows whose label looks like several labels joined by a sign",
                          "If a row may have several labels, use --multi-label and separate them by |.", "warning",
                          of_labels=True),
    "missing-label": Kind("rows whose label looks like a missing value",
                          "Label them, or drop them: else the model predicts such a label.", "warning",
                          "label looks like a missing value", of_labels=True),
    "label-variant": Kind("rows whose label looks like a misspelling of another", "Merge labels that mean the same.",
                          "error", "label looks like a misspelling of another", of_labels=True),
    "tiny-class": Kind("rows of very small classes", "Add rows, or merge the class with another.", "warning",
                       of_labels=True),
    "duplicate": Kind("rows that repeat an earlier row, text and label", "Drop them: a copy counts twice and adds "
                      "nothing new.", "warning", "repeats an earlier row"),
    "near-contradiction": Kind("rows nearly equal to an earlier row, with another label",
                               "Compare the pairs: one of the two labels may be wrong.", "warning",
                               "nearly equal to an earlier row with another label"),
    "near-duplicate": Kind("rows nearly equal to an earlier row, with its label",
                           "Drop them if they are copies; keep paraphrases.", "info",
                           "nearly equal to an earlier row"),
    "mojibake": Kind("texts with encoding errors, such as Ã© for é",
                     "Read the original as UTF-8, and save it as UTF-8.", "warning", "encoding error"),
    "lost-characters": Kind("texts with U+FFFD, which marks a lost character",
                            "Find the original: lost characters cannot be restored.", "warning",
                            "lost characters"),
    "control-characters": Kind("texts with control characters",
                               "Find their encoding (often Windows-1252), or remove them.",
                               "warning", "control characters"),
    "script": Kind("texts in another script than nearly all others", "Drop them, unless you want to label such texts.",
                   "warning", "another script than nearly all others"),
    "unknown-vocabulary": Kind("most words of the table have no vector",
                               "Use --vectors for this language or subject.", "warning"),
    "unknown-words": Kind("texts whose words mostly have no vector",
                          "Drop them, unless you want to label such texts.", "warning",
                          "most words have no vector"),
    "unknown-class": Kind("rows of classes whose words often have no vector",
                          "Try --vectors for this language or subject.", "warning",
                          of_labels=True),
    "long": Kind("texts much longer than nearly all others", "Check whether several texts were joined.", "warning",
                 "much longer than nearly all others"),
    "brief": Kind("texts much shorter than nearly all others", "Check whether text is missing.", "info",
                  "much shorter than nearly all others"),
    "suspect-label": Kind("rows whose label is probably wrong", "Read the list, correct wrong labels, and train again.",
                          "warning", "label probably wrong"),
}  # fmt: skip
"""Every kind, the most severe first: findings are listed in this order."""

DROPPABLE = tuple(name for name, kind in KINDS.items() if kind.reason and name not in ("unusable", "suspect-label"))
"""The kinds that `--fix` can be told to drop; invalid rows can never be written."""

_OF_TABLE = ("one-class", "unknown-vocabulary")  # found of the whole table, not of rows

DEFAULT_DROPS = ("empty", "duplicate", "leak")
"""What is dropped unless other kinds are named: rows that teach nothing, or spoil the test."""


@dataclass(frozen=True)
class Finding:
    """Rows of one kind: their numbers, and for each the words that say more (its partner, its label, a count)."""

    kind: str
    rows: Sequence[int]
    details: Sequence[dict[str, Any]] = ()
    severity: Severity = "warning"

    @property
    def sentence(self) -> str:
        """Return what was found and how often."""
        what = KINDS[self.kind].what
        return f"{what}: {len(self.rows):,}" if self.rows else what

    @property
    def advice(self) -> str:
        """Return what to do, in one sentence."""
        return KINDS[self.kind].advice

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "count": len(self.rows),
            "found": self.sentence,
            "advice": self.advice,
            "rows": list(self.rows),
            "details": list(self.details),
        }


@dataclass(frozen=True)
class Checked:
    """All findings, the most severe first, and the figures of the table that they are to be seen against.

    `originals`: for each text that can be used the number, from 0, of the first that is the same.
    """

    name: str
    rows: int
    findings: Sequence[Finding]
    figures: dict[str, Any]
    originals: Sequence[int]

    @property
    def has_errors(self) -> bool:
        """Whether something must be fixed before training."""
        return any(finding.severity == "error" for finding in self.findings)

    def with_finding(self, kind: str, rows: Sequence[int], details: Sequence[dict[str, Any]]) -> "Checked":
        """Return the same with one finding more."""
        return replace(self, findings=sort_findings([*self.findings, finding(kind, rows, details)]))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        found = [finding.as_dict() for finding in self.findings]
        return {"file": self.name, "rows": self.rows, "has_errors": self.has_errors, "findings": found, **self.figures}


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings that have rows, the most severe first."""
    kinds = list(KINDS)
    there = [finding for finding in findings if finding.rows or finding.kind in _OF_TABLE]
    return sorted(there, key=lambda finding: (SEVERITIES.index(finding.severity), kinds.index(finding.kind)))


def finding(kind: str, rows: Sequence[int], details: Sequence[dict[str, Any]] = ()) -> Finding:
    """Return a finding as severe as its kind is."""
    return Finding(kind, rows, details, KINDS[kind].severity)

"""What a check can find: the kinds of findings, how serious each is, and what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Severity = Literal["serious", "look", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "look", "note")


@dataclass(frozen=True)
class Kind:
    """A kind of finding: a noun phrase for rows of it, what to do, how serious it is, and why a row of it is dropped.

    `of_labels`: it is the label that was found, and with it all rows that have it.
    """

    what: str
    advice: str
    severity: Severity
    reason: str = ""
    of_labels: bool = False


KINDS: dict[str, Kind] = {
    "unusable": Kind(
        "rows cannot be used", "Mend them in the file; a fixed copy leaves them out.", "serious", "cannot be used"
    ),
    "one-class": Kind("only one label", "Add rows of another class: there is nothing to learn yet.", "serious"),
    "empty": Kind("empty texts, nothing but blanks", "Drop them, or find their text again.", "serious",
                  "empty text"),
    "wordless": Kind("texts without a word, nothing but punctuation and symbols",
                     "Drop them, unless smileys and the like tell the classes apart.", "look",
                     "text without a word"),
    "contradiction": Kind("rows whose text stands in the table with another label",
                          "Decide which label is right; none can be learnt from both.", "serious",
                          "the same text has another label in another row"),
    "leak": Kind("rows that stand in the test table too", "Drop them from the training table, else the test flatters.",
                 "serious", "stands in the test table"),
    "near-leak": Kind("rows nearly the same as a row of the test table",
                      "Look at the pairs; drop the rows if they are copies.", "look",
                      "nearly the same as a row of the test table"),
    "unknown-label": Kind("rows of the test table whose label no row of this table has",
                          "Correct the label, or add rows of it: the model can never answer it.", "serious"),
    "joined-labels": Kind("rows whose label is several others with a sign between them",
                          "Give --multi-label if a row may have several labels, and separate them by |.", "look",
                          of_labels=True),
    "missing-label": Kind("rows whose label looks like a missing value",
                          "Label them, or drop them: else the model answers such a label.", "look",
                          "label looks like a missing value", of_labels=True),
    "label-variant": Kind("rows whose label looks like a variant of another", "Make it one label, if it is one.",
                          "serious", "label looks like a variant of another", of_labels=True),
    "tiny-class": Kind("rows of classes that are very small", "Add rows, or merge the class with another.", "look",
                       of_labels=True),
    "duplicate": Kind("rows that repeat an earlier row, text and label", "Drop them: a copy weighs double and says "
                      "nothing new.", "look", "repeats an earlier row"),
    "near-contradiction": Kind("rows nearly the same as an earlier one, with another label",
                               "Read the pairs: one of the two labels may be wrong.", "look",
                               "nearly the same as an earlier row with another label"),
    "near-duplicate": Kind("rows nearly the same as an earlier one, with its label",
                           "Drop them if they are copies; keep paraphrases.", "note",
                           "nearly the same as an earlier row"),
    "mojibake": Kind("texts with UTF-8 read in a wrong encoding, such as Ã© for é",
                     "Read the original again as UTF-8, and write it as UTF-8.", "look", "damaged encoding"),
    "lost-characters": Kind("texts with U+FFFD, which stands for a character that is lost",
                            "Find the original; what is lost cannot be restored from here.", "look",
                            "lost characters"),
    "control-characters": Kind("texts with control characters",
                               "Find out which encoding they came from (often Windows-1252), or take them out.",
                               "look", "control characters"),
    "script": Kind("texts in another script than nearly all others", "Drop them, unless such texts are to be labelled.",
                   "look", "another script than nearly all others"),
    "unknown-vocabulary": Kind("most words of the table are unknown to the vectors",
                               "Give --vectors of this language or subject.", "look"),
    "unknown-words": Kind("texts of which most words are unknown to the vectors",
                          "Another language, or noise? Drop them, unless such texts are to be labelled.", "look",
                          "most words unknown"),
    "unknown-class": Kind("rows of classes with many unknown words",
                          "Look whether --vectors of this language or subject know more.", "look",
                          of_labels=True),
    "long": Kind("texts much longer than nearly all others", "Look whether several texts ran into one.", "look",
                 "much longer than nearly all others"),
    "brief": Kind("texts much shorter than nearly all others", "Look whether something is cut off.", "note",
                  "much shorter than nearly all others"),
    "suspect-label": Kind("rows whose label is probably wrong", "Correct the rows in the list, and train again.",
                          "look", "label probably wrong"),
}  # fmt: skip
"""Every kind, the gravest first: findings are listed in this order."""

DROPPABLE = tuple(name for name, kind in KINDS.items() if kind.reason and name not in ("unusable", "suspect-label"))
"""The kinds that `--fix` can be told to drop; rows that cannot be used can never be written."""

_OF_TABLE = ("one-class", "unknown-vocabulary")  # found of the whole table, not of rows

DEFAULT_DROPS = ("empty", "duplicate", "leak")
"""What is dropped unless other kinds are named: rows that teach nothing, or spoil the test."""


@dataclass(frozen=True)
class Finding:
    """Rows of one kind: their numbers, and for each the words that say more (its partner, its label, a count)."""

    kind: str
    rows: Sequence[int]
    details: Sequence[dict[str, Any]] = ()
    severity: Severity = "look"

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
    """All findings, the gravest first, and the figures of the table that they are to be seen against.

    `originals`: for each text that can be used the number, from 0, of the first that is the same.
    """

    name: str
    rows: int
    findings: Sequence[Finding]
    figures: dict[str, Any]
    originals: Sequence[int]

    @property
    def is_serious(self) -> bool:
        """Whether something must be mended before training."""
        return any(finding.severity == "serious" for finding in self.findings)

    def with_finding(self, kind: str, rows: Sequence[int], details: Sequence[dict[str, Any]]) -> "Checked":
        """Return the same with one finding more."""
        return replace(self, findings=sort_findings([*self.findings, finding(kind, rows, details)]))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        found = [finding.as_dict() for finding in self.findings]
        return {"file": self.name, "rows": self.rows, "serious": self.is_serious, "findings": found, **self.figures}


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings that have rows, the gravest first."""
    kinds = list(KINDS)
    there = [finding for finding in findings if finding.rows or finding.kind in _OF_TABLE]
    return sorted(there, key=lambda finding: (SEVERITIES.index(finding.severity), kinds.index(finding.kind)))


def finding(kind: str, rows: Sequence[int], details: Sequence[dict[str, Any]] = ()) -> Finding:
    """Return a finding as serious as its kind is."""
    return Finding(kind, rows, details, KINDS[kind].severity)

"""Explanations as one HTML page, for any browser, without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from textclf.explain.attribution import ClassSummary
from textclf.explain.explanation import Explanation, Sum
from textclf.report.page import write_page
from textclf.storage.row_columns import SEPARATOR

MOST_TEXTS = 500
"""Of more texts a page shows the first: it must open in a browser."""

_SHADES = 5


class Stretch(NamedTuple):
    """A stretch of text, the class of its shade ("f1" … "f5" for the label, "a1" … against it), and its figure."""

    string: str
    shade: str
    figure: str


class Shaded(NamedTuple):
    """An explanation as a page shows it."""

    explanation: Explanation
    stretches: list[Stretch]
    words_for: list[Sum]
    words_against: list[Sum]


def shade(explanation: Explanation, top: int, *, longest: int | None = None) -> Shaded:
    """Return the explanation with its `top` strongest words; of its text at most `longest` characters, if given."""
    largest = max((abs(part.contribution) for part in explanation.parts), default=0.0) or 1.0
    stretches, shown = [], 0
    for part in explanation.parts:
        if longest is not None and shown + len(part.string) > longest:
            stretches.append(Stretch(part.string[: longest - shown] + "…", "", ""))
            break
        shown += len(part.string)
        level = round(_SHADES * abs(part.contribution) / largest)
        shade = f"{'f' if part.contribution > 0 else 'a'}{level}" if level and part.string.strip() else ""
        string = part.string.replace(SEPARATOR, "\n")
        stretches.append(Stretch(string, shade, f"{part.contribution:+.3f}"))
    return Shaded(explanation, stretches, *explanation.strongest(top))


def write_explanations(path: Path, explanations: Sequence[Explanation], *, total: int, name: str, top: int) -> None:
    """Write the texts, each word shaded by what it adds, with their `top` strongest words; `total`: of how many."""
    texts = [shade(explanation, top) for explanation in explanations]
    lead = f"{len(explanations):,} of {total:,} texts."
    write_page(path, "explain.html", title=f"Why {name} says so", lead=lead, texts=texts, summaries=[], top=top)


def write_summaries(path: Path, summaries: Sequence[ClassSummary], *, meaning: str, name: str) -> None:
    """Write what speaks most for each class; `meaning` says in a sentence what is summed up."""
    title = f"What speaks for each class of {name}"
    write_page(path, "explain.html", title=title, lead=meaning, texts=[], summaries=summaries, top=0)

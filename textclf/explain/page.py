"""Explanations as one HTML page, for any browser, without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from textclf.explain.explanation import Explanation, Sum
from textclf.explain.overall import ClassSummary
from textclf.pages import write_page

MOST_TEXTS = 500
"""Of more texts a page shows the first: it must open in a browser."""

_SHADES = 5


class Stretch(NamedTuple):
    """A stretch of text, the class of its shade ("f1" … "f5" for the label, "a1" … against it), and its figure."""

    string: str
    shade: str
    figure: str


class Shaded(NamedTuple):
    """An explanation as the page shows it."""

    explanation: Explanation
    stretches: list[Stretch]
    words_for: list[Sum]
    words_against: list[Sum]


def write_explanations(path: Path, explanations: Sequence[Explanation], *, total: int, name: str, top: int) -> None:
    """Write the texts, each word shaded by what it adds, with their `top` strongest words; `total`: of how many."""
    _write(path, f"Why {name} says so", f"{len(explanations):,} of {total:,} texts.", explanations, [], top)


def write_summaries(path: Path, summaries: Sequence[ClassSummary], *, meaning: str, name: str) -> None:
    """Write what speaks most for each class; `meaning` says in a sentence what is summed up."""
    _write(path, f"What speaks for each class of {name}", meaning, [], summaries, 0)


def _write(
    path: Path,
    title: str,
    lead: str,
    explanations: Sequence[Explanation],
    summaries: Sequence[ClassSummary],
    top: int,
) -> None:
    write_page(
        path,
        "explain.html",
        title=title,
        lead=lead,
        texts=[Shaded(each, _stretches(each), *each.strongest(top)) for each in explanations],
        summaries=summaries,
        top=top,
    )


def _stretches(explanation: Explanation) -> list[Stretch]:
    largest = max((abs(part.contribution) for part in explanation.parts), default=0.0) or 1.0
    stretches = []
    for part in explanation.parts:
        level = round(_SHADES * abs(part.contribution) / largest)
        shade = f"{'f' if part.contribution > 0 else 'a'}{level}" if level and part.string.strip() else ""
        stretches.append(Stretch(part.string, shade, f"{part.contribution:+.3f}"))
    return stretches

"""Explanations as text for a terminal: coloured where there are colours, marked where there are none."""

import os
import sys
from collections.abc import Sequence

import click

from textclf.errors import counted, spell
from textclf.explain import ClassSummary, Explanation, Sum, TextPart
from textclf.row_columns import SEPARATOR

_STRONG, _WEAK = 0.5, 0.15  # of the strongest word's contribution: bold from here on, coloured from here on

_LONGEST_ROW = 80


def use_colours() -> bool:
    """Tell whether standard output is a terminal whose user wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def explanation_text(explanation: Explanation, top: int, *, colours: bool) -> str:
    """Return an explanation as lines: the label, the text with its words marked, and the strongest of them.

    Words that speak for the label are green, those against it red and underlined; without colours the `top` strongest
    of each have their figures behind them.
    """
    words_for, against = explanation.strongest(top)
    base = "base" if explanation.method == "gradients" else "left over"
    sums = [f"{base} {explanation.base:+.2f}", f"words {explanation.contributions.sum():+.2f}"]
    if explanation.between.any():
        sums.append(f"between words {explanation.between.sum():+.2f}")
    if explanation.columns:
        sums.append(f"columns {sum(part.contribution for part in explanation.columns):+.2f}")
    label = click.style(spell(explanation.label), bold=True) if colours else spell(explanation.label)
    lines = [
        f"{label}  {explanation.probability:.3f}  score {explanation.score:+.2f} = {', '.join(sums)}",
        "".join(
            _colour_parts(explanation) if colours else _mark(explanation, {word.string for word in words_for + against})
        ),
    ]
    for name, words in (("for", words_for), ("against", against), ("n-grams", list(explanation.ngrams[:top]))):
        if words:
            lines.append(f"  {name:<7}  {', '.join(_sum_text(word, quoted=name == 'n-grams') for word in words)}")
    if explanation.columns:
        strongest = sorted(explanation.columns, key=lambda part: -abs(part.contribution))[:top]
        listed = ", ".join(f"{spell(part.name)} “{spell(part.cell)}” {part.contribution:+.2f}" for part in strongest)
        lines.append(f"  columns  {listed}")
    for neighbour in explanation.like:
        text = neighbour.text if len(neighbour.text) <= _LONGEST_ROW else f"{neighbour.text[:_LONGEST_ROW]}…"
        lines.append(
            f"  like {neighbour.similarity:.2f}  row {neighbour.row:,} {spell(neighbour.label)}: {spell(text)}"
        )
    return "\n".join(lines)


def summary_text(summary: ClassSummary) -> str:
    """Return what speaks for a class as lines."""
    texts = "" if summary.texts is None else f"  ({counted(summary.texts, 'text')})"
    sums = [f"  {one.contribution:+8.2f}  {_name(one, quoted=one.kind != 'word')}" for one in summary.sums]
    return "\n".join([f"{spell(summary.label)}{texts}", *(sums or ["  nothing speaks for it"])])


def _colour_parts(explanation: Explanation) -> Sequence[str]:
    largest = max((abs(part.contribution) for part in explanation.parts), default=0.0)
    return [_colour(part, largest) for part in explanation.parts]


def _colour(part: TextPart, largest: float) -> str:
    size = abs(part.contribution)
    if not part.string.strip() or size < _WEAK * largest or not size:
        return _spell_lines(part.string)
    is_for = part.contribution > 0
    return click.style(
        spell(part.string), fg="green" if is_for else "red", underline=not is_for, bold=size >= _STRONG * largest
    )


def _mark(explanation: Explanation, named: set[str]) -> Sequence[str]:
    columns = zip(explanation.columns_of_tokens, explanation.words_of_tokens, strict=True)
    words = (word if column is None else f"{column}: {word}" for column, word in columns)
    return [
        f"{spell(part.string)}[{part.contribution:+.2f}]"
        if part.is_token and next(words) in named
        else _spell_lines(part.string)
        for part in explanation.parts
    ]


def _spell_lines(text: str) -> str:
    """Return text for people, with a line for each column."""
    return "\n".join(map(spell, text.split(SEPARATOR)))


def _sum_text(one: Sum, *, quoted: bool) -> str:
    return f"{_name(one, quoted=quoted)} {one.contribution:+.2f}"


def _name(one: Sum, *, quoted: bool) -> str:
    name = f"“{spell(one.string)}”" if quoted else spell(one.string)
    times = f" ×{one.occurrences:,}" if one.occurrences > 1 else ""
    return name + (" (vector)" if one.kind == "vector" else "") + times

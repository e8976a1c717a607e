"""A comparison of classifiers as text for a terminal."""

from collections.abc import Sequence

from textclf.analysis.compare import Comparison, Slice, format_p
from textclf.cli.render.text_table import columns_text, interval_columns, short
from textclf.errors import counted

_SLICES = 20


def comparison_text(comparison: Comparison, slice_by: str | None) -> str:
    """Return the figures as lines: each classifier, the first against each other, a verdict on each, slices."""
    names = [short(score.name) for score in comparison.scores]
    lines = [
        f"{counted(comparison.n, 'text')}, {counted(comparison.classes, 'class')}",
        "",
        *_scores(comparison, names),
    ]
    lines += [
        "",
        *_duels(comparison, names[0]),
        "",
        *(duel.verdict(names[0], short(duel.other)) for duel in comparison.duels),
    ]
    if sum(not score.is_baseline for score in comparison.scores) > 1:
        share = comparison.disagreeing / comparison.n
        lines.append(f"The models give different labels to {counted(comparison.disagreeing, 'text')} ({share:.1%}).")
    lines += ["", *_slices("accuracy by length in words", comparison.by_words, names)]
    if comparison.by_column is not None:
        lines += ["", *_slices(f"accuracy by {short(slice_by or '')}", comparison.by_column, names)]
    return "\n".join(lines)


def _scores(comparison: Comparison, names: Sequence[str]) -> list[str]:
    rows = [["", "accuracy", "95% interval", "macro-F1", "95% interval"]]
    for name, score in zip(names, comparison.scores, strict=True):
        rows.append([name, *interval_columns(score.accuracy), *interval_columns(score.macro_f1)])
    return columns_text(rows)


def _duels(comparison: Comparison, first: str) -> list[str]:
    leads = [[f"{first} ahead of", "accuracy", "95% interval", "macro-F1", "95% interval"]]
    rows = [["only one is right", first, "the other", "p"]]
    for duel in comparison.duels:
        leads.append([short(duel.other), *interval_columns(duel.accuracy, "+"), *interval_columns(duel.macro_f1, "+")])
        split = [f"{duel.only_first_right:,}", f"{duel.only_other_right:,}"]
        rows.append([f"against {short(duel.other)}", *split, format_p(duel.p_holm)])
    return [*columns_text(leads), "", *columns_text(rows)]


def _slices(title: str, slices: Sequence[Slice], names: Sequence[str]) -> list[str]:
    rows = [[title, "texts", *names]]
    for part in slices[:_SLICES]:
        value = "(none)" if part.value is None else short(part.value) or "(empty)"
        rows.append([value, f"{part.n:,}", *(f"{share:.4f}" for share in part.accuracy)])
    more = len(slices) - _SLICES
    return columns_text(rows) + ([f"… and {more:,} more values; --json has all"] if more > 0 else [])

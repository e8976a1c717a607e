"""A comparison of classifiers as text for a terminal."""

from collections.abc import Sequence

from textclf.analysis.compare import Comparison, Slice, shown_p
from textclf.cli.render.evaluation_text import columns_text, interval_columns, short

_SLICES = 20


def comparison_text(comparison: Comparison, slice_by: str | None) -> str:
    """Return the figures as lines: each classifier, the first against each other, a verdict on each, slices."""
    names = [short(score.name) for score in comparison.scores]
    lines = [f"{comparison.n:,} texts, {comparison.classes} classes", "", *_scores(comparison, names)]
    lines += [
        "",
        *_duels(comparison, names[0]),
        "",
        *(duel.verdict(names[0], short(duel.other)) for duel in comparison.duels),
    ]
    if sum(not score.is_baseline for score in comparison.scores) > 1:
        share = comparison.disagreeing / comparison.n
        lines.append(f"The models give different labels to {comparison.disagreeing:,} texts ({share:.1%}).")
    lines += ["", *_slices("accuracy by words", comparison.by_words, names)]
    if comparison.by_column is not None:
        lines += ["", *_slices(f"accuracy by {short(slice_by or '')}", comparison.by_column, names)]
    return "\n".join(lines)


def _scores(comparison: Comparison, names: Sequence[str]) -> list[str]:
    rows = [["", "accuracy", "95% interval", "macro-F1", "95% interval"]]
    for name, score in zip(names, comparison.scores, strict=True):
        rows.append([name, *interval_columns(score.accuracy), *interval_columns(score.macro_f1)])
    return columns_text(rows)


def _duels(comparison: Comparison, first: str) -> list[str]:
    rows = [[f"{first} ahead of", "accuracy", "95% interval", "macro-F1", "95% interval", "only it right",
             "only the other", "p"]]  # fmt: skip
    for duel in comparison.duels:
        figures = [*interval_columns(duel.accuracy, "+"), *interval_columns(duel.macro_f1, "+")]
        parted = [f"{duel.only_first_right:,}", f"{duel.only_other_right:,}"]
        rows.append([short(duel.other), *figures, *parted, shown_p(duel.p_holm)])
    return columns_text(rows)


def _slices(title: str, slices: Sequence[Slice], names: Sequence[str]) -> list[str]:
    rows = [[title, "texts", *names]]
    for part in slices[:_SLICES]:
        value = "(none)" if part.value is None else short(part.value) or "(empty)"
        rows.append([value, f"{part.n:,}", *(f"{share:.4f}" for share in part.accuracy)])
    more = len(slices) - _SLICES
    return columns_text(rows) + ([f"… and {more:,} more values; --json has all"] if more > 0 else [])

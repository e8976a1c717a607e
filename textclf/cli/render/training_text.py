"""How a training went, in a few lines: how sure the figures are, the weakest class, and what to do next."""

from textclf.cli.render.text_table import short
from textclf.errors import counted, spell
from textclf.metrics.multi_label import MultiLabelEvaluation
from textclf.metrics.single_label import Evaluation, find_weakest

_FEW_TEXTS = 20


def training_text(validation: Evaluation | MultiLabelEvaluation, model: str, table: str) -> list[str]:
    """Return the lines for a model and the table that it was trained on, given the figures of validation rows."""
    weakest = find_weakest(validation.per_class)
    lines = [_sure_of(validation)]
    if weakest is not None:
        label, scores = weakest
        lines.append(f"weakest class: {short(label)!r}, F1 {scores.f1:.4f} ({counted(scores.support, 'text')})")
    lines.append(f"next: {_what_to_do(validation, spell(model), spell(table))}")
    return [f"  {line}" for line in lines]


def _sure_of(validation: Evaluation | MultiLabelEvaluation) -> str:
    if isinstance(validation, MultiLabelEvaluation):
        low, high = validation.intervals["exact_match"]
        exact, _ = validation.baseline
        return f"exact match {validation.exact_match:.4f} (95% interval {low:.3f} to {high:.3f}); baseline {exact:.4f}"
    low, high = validation.intervals.accuracy
    return f"95% interval of accuracy: {low:.3f} to {high:.3f}"


def _what_to_do(validation: Evaluation | MultiLabelEvaluation, model: str, table: str) -> str:
    if isinstance(validation, MultiLabelEvaluation):
        low, baseline = validation.intervals["exact_match"][0], validation.baseline[0]
    else:
        low, baseline = validation.intervals.accuracy[0], validation.majority[1]
    if low <= baseline:
        return f"not significantly better than the baseline: find wrong labels with textclf check {table}, or add rows"
    weakest = find_weakest(validation.per_class)
    if weakest is not None and weakest[1].support < _FEW_TEXTS and weakest[1].f1 < 1:
        return f"add rows of {short(weakest[0])!r}: {counted(weakest[1].support, 'text')} to validate on say little"
    return f"textclf evaluate {model} TEST.csv, on rows that are not in {table}"

"""The findings of a check as text for a terminal."""

from typing import TYPE_CHECKING, Any

from textclf.check.findings import KINDS
from textclf.errors import spell

if TYPE_CHECKING:
    from textclf.check import Checked, Finding

_LISTED = 8  # rows of a finding; --json has all
_LABELS = 5
_LONGEST = 40


def checked_text(checked: "Checked") -> str:
    """Return the figures of the table, then each finding: how severe, how often, what to do, the first rows."""
    lines = [f"{spell(checked.name)}: valid rows: {checked.rows:,}", *_figures(checked.figures)]
    for finding in checked.findings:
        lines += ["", f"{finding.severity}: {finding.sentence}", f"    {finding.advice}"]
        lines += [f"    {line}" for line in _rows(finding)] if finding.rows else []
    lines += ["", _summary(checked)]
    return "\n".join(lines)


def _figures(figures: dict[str, Any]) -> list[str]:
    labels = [f"{_short(label)} {count:,}" for label, count in figures["labels"].items()]
    size = figures["characters"]
    scripts = [f"{script} {count:,}" for script, count in figures["scripts"].items()]
    lines = [
        f"labels: {len(labels):,} ({_first(labels)})",
        f"characters per text: {size['shortest']:,} to {size['longest']:,}, median {size['median']:,.0f}",
        f"scripts: {_first(scripts) or 'none'}",
    ]
    unknown = figures.get("unknown_words")
    if unknown:
        shares = [f"{_short(label)} {share:.1%}" for label, share in unknown["by_label"].items()]
        lines.append(
            f"words without a vector in {spell(unknown['vectors'])}: {unknown['share']:.1%} ({_first(shares)})"
        )
    return lines


def _rows(finding: "Finding") -> list[str]:
    """Return a line for each label where rows are found by their label, else one line of rows, each with its detail."""
    details = finding.details or [{}] * len(finding.rows)
    by_label: dict[str, list[int]] = {}
    for row, detail in zip(finding.rows, details, strict=True):
        by_label.setdefault(_detail(detail), []).append(row)
    if KINDS[finding.kind].of_labels:
        lines = [f"{words}: rows {_numbers(rows)}" for words, rows in by_label.items()]
        return lines[:_LABELS] + ([f"and {len(lines) - _LABELS:,} more"] if len(lines) > _LABELS else [])
    pairs = zip(finding.rows[:_LISTED], details[:_LISTED], strict=True)
    listed = [f"{row} ({_detail(detail)})" if detail else str(row) for row, detail in pairs]
    return [f"rows {_with_rest(listed, len(finding.rows))}"]


def _numbers(rows: list[int]) -> str:
    return _with_rest([str(row) for row in rows[:_LISTED]], len(rows))


def _with_rest(listed: list[str], count: int) -> str:
    more = count - len(listed)
    return ", ".join(listed) + (f" and {more:,} more" if more else "")


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in detail.items())


def _value(value: Any) -> str:
    return _short(repr(value)) if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else str(value)


def _summary(checked: "Checked") -> str:
    if not checked.findings:
        return "nothing found"
    counts = [sum(f.severity == severity for f in checked.findings) for severity in ("error", "warning", "info")]
    near = checked.figures["near_from"]
    return (
        f"errors: {counts[0]}, warnings: {counts[1]}, infos: {counts[2]}."
        f" Nearly equal texts have a Jaccard similarity of {near} or more."
    )


def _first(entries: list[str]) -> str:
    more = len(entries) - _LABELS
    return ", ".join(entries[:_LABELS]) + (f" and {more:,} more" if more > 0 else "")


def _short(label: str) -> str:
    label = spell(label)
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"

"""Labels that look like a slip of another, and classes that are too small."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

TINY = 10
"""A class of fewer rows is tiny."""
_RARE_SHARE = 0.05  # a label one letter away from another is a slip only if it is so rare beside it
_LEAST_LETTERS = 4  # among shorter labels one letter is the difference: pos, neg; sad, bad


def variants(counts: Counter[str]) -> dict[str, str]:
    """Return the labels that look like variants of a commoner one, each with that one.

    Labels that differ in case, blanks, hyphens and underscores alone are variants however common they are; labels one
    letter apart (one more, one less, one other, two neighbours exchanged) if one is rare beside the other.

    >>> variants(Counter({"not-spam": 90, "Not spam": 3, "other": 5}))
    {'Not spam': 'not-spam'}
    """
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    found: dict[str, str] = {}
    by_form: dict[str, str] = {}
    for label in ranked:
        original = by_form.setdefault(_form(label), label)
        if original != label:
            found[label] = original
    forms = {form: label for form, label in by_form.items() if len(form) >= _LEAST_LETTERS - 1}
    by_mask: dict[str, list[str]] = defaultdict(list)
    for form in forms:
        for mask in _masks(form):
            by_mask[mask].append(form)
    for form, label in reversed(forms.items()):
        near = {other for mask in _masks(form) for other in by_mask[mask] if other != form}
        common = [other for other in near if _is_slip(form, other)
                  and counts[label] <= max(1, _RARE_SHARE * counts[forms[other]])
                  and counts[label] < counts[forms[other]]]  # fmt: skip
        if common:
            found[label] = max((forms[other] for other in common), key=lambda other: (counts[other], other))
    return found


def tiny(counts: Counter[str], slips: Sequence[str]) -> list[str]:
    """Return the labels of fewer than `TINY` rows, but for those that are slips of another."""
    return sorted(label for label, count in counts.items() if count < TINY and label not in slips)


def _form(label: str) -> str:
    folded = re.sub(r"[\s_\-]+", "", label.casefold())
    return folded or label


def _masks(form: str) -> Iterator[str]:
    """Give the form and all that are left when one letter is taken out: forms one letter apart share one of these."""
    yield form
    for place in range(len(form)):
        yield form[:place] + form[place + 1 :]


def _is_slip(one: str, other: str) -> bool:
    """Return whether two different forms are one letter apart, and not two numbers or numbered labels."""
    if max(len(one), len(other)) < _LEAST_LETTERS:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    parts = one[start : len(one) - end], other[start : len(other) - end]
    exchanged = len(parts[0]) == 2 and parts[0] == parts[1][::-1]
    if any(part.isdecimal() for part in parts):
        return False
    return exchanged or max(map(len, parts)) == 1

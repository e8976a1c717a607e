"""Signs that a row is not as it should be: wrong encodings, slips in labels, texts unlike nearly all others."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from textclf.types import Integers

# --- texts in a wrong encoding ---------------------------------------------------------------------------------------

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# What the bytes 80 to BF become in Windows-1252, and in Latin-1 where that has nothing.
_QUOTES = "\x82\x84\x85\x91-\x97‚„…‘’“”•–—«»"
_TAIL = "\x80-\xbf€ƒ†‡ˆ‰Š‹ŒŽ˜™š›œžŸ" + _QUOTES
_NOT_QUOTE = rf"(?![{_QUOTES}])[{_TAIL}]"
_SURE = re.compile(
    rf"[ÂÃ]{_NOT_QUOTE}"  # U+0080 to U+00FF: é as Ã©, a no-break space as Â and itself
    rf"|â[\x80€][{_TAIL}]"  # quotation marks, dashes: ’ as â€™
    rf"|ï(?:»¿|¿½)"  # a byte order mark; U+FFFD itself, once more damaged
    rf"|ð[\x9fŸ][{_TAIL}][{_TAIL}]"  # emoji
)
# Where a language may really write the first letter and a quotation mark after it, one is no proof: two are.
_LIKELY = re.compile(rf"[ÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑ×ØÙ][{_TAIL}]|[à-ï][{_TAIL}][{_TAIL}]")
_LEAST_LIKELY = 2
_ANY = re.compile(f"{_SURE.pattern}|{_LIKELY.pattern}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")  # but tabs, line ends and form feeds


def has_mojibake(text: str) -> bool:
    """Return whether characters of the text are UTF-8 bytes that were read as Windows-1252 or Latin-1."""
    if text.isascii():
        return False
    if any(_is_utf8(match) for match in _SURE.findall(text)):
        return True
    return sum(_is_utf8(match) for match in _LIKELY.findall(text)) >= _LEAST_LIKELY


def control_characters(text: str) -> list[str]:
    """Return the control characters of the text that no text needs."""
    return _CONTROL.findall(text)


def find_damage(texts: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return for each kind of damage the numbers of the texts that have it, and how many characters."""
    found: dict[str, dict[int, int]] = {"mojibake": {}, "lost-characters": {}, "control-characters": {}}
    for number, text in enumerate(texts):
        if has_mojibake(text):
            found["mojibake"][number] = len(_ANY.findall(text))
        elif controls := control_characters(text):  # in mojibake they are but the bytes of other characters
            found["control-characters"][number] = len(controls)
        if REPLACEMENT in text:
            found["lost-characters"][number] = text.count(REPLACEMENT)
    return found


def _is_utf8(damage: str) -> bool:
    try:
        content = b"".join(_byte(letter) for letter in damage)
        content.decode("utf-8")
    except ValueError:
        return False
    return True


def _byte(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")


# --- labels ----------------------------------------------------------------------------------------------------------

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


# --- texts unlike nearly all others, in length, script or words ------------------------------------------------------

FEWEST = 20
"""Of fewer texts nobody can say which is unlike the others."""
TIMES_LONGER, TIMES_SHORTER = 5, 10
"""A text so many times as long as 95% of the others at most are, or as short as 95% at least are, is an outlier."""
NEARLY_ALL = 0.9
_LEAST_WORDS, _MOSTLY_UNKNOWN, _MOSTLY_KNOWN = 5, 0.7, 0.2


def find_odd_lengths(sizes: Sequence[int]) -> dict[str, dict[int, int]]:
    """Return the texts that are much longer and much shorter than nearly all others, with their lengths."""
    found: dict[str, dict[int, int]] = {"long": {}, "brief": {}}
    filled = np.array([size for size in sizes if size])
    if len(filled) < FEWEST:
        return found
    low, high = np.percentile(filled, [5, 95])
    for number, size in enumerate(sizes):
        if size > TIMES_LONGER * high:
            found["long"][number] = size
        elif 0 < size < low / TIMES_SHORTER:
            found["brief"][number] = size
    return found


def script_counts(words: Integers, scripts: Sequence[str]) -> dict[str, int]:
    """Return how many texts are mostly in each script, the commonest first; `words` has shape (n, scripts)."""
    if not words.shape[1]:
        return {}
    counts = np.bincount(words.argmax(axis=1)[words.any(axis=1)], minlength=len(scripts))
    return {script_name(scripts[i]): int(counts[i]) for i in np.argsort(-counts, kind="stable") if counts[i]}


def odd_scripts(words: Integers, scripts: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Return the texts in another script than nearly all others, each with its script."""
    written = words.any(axis=1) if words.shape[1] else np.zeros(len(words), np.bool_)
    if written.sum() < FEWEST:
        return {}
    script = words.argmax(axis=1)
    counts = np.bincount(script[written], minlength=len(scripts))
    main = int(counts.argmax())
    if counts[main] < NEARLY_ALL * written.sum():
        return {}
    odd = written & (script != main)
    return {number: {"script": script_name(scripts[script[number]])} for number in np.flatnonzero(odd).tolist()}


def script_name(script: str) -> str:
    """Return the name of a script as people write it."""
    return script if script == "CJK" else script.capitalize()


def unknown_words(words: Integers, known: Integers) -> dict[int, float]:
    """Return the texts of which most words are unknown, with the share, in a table whose words are mostly known."""
    if not words.sum() or 1 - known.sum() / words.sum() > _MOSTLY_KNOWN:
        return {}
    shares = 1 - known / np.maximum(words, 1)
    odd = (words >= _LEAST_WORDS) & (shares >= _MOSTLY_UNKNOWN)
    return {number: round(float(shares[number]), 3) for number in np.flatnonzero(odd).tolist()}


def unknown_shares(labels: Sequence[str], words: Integers, known: Integers) -> tuple[float, dict[str, float]]:
    """Return the share of unknown words of all texts and of each label's, the highest first."""
    classes, y = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    of_class = np.bincount(y, weights=words), np.bincount(y, weights=known)
    shares = 1 - of_class[1] / np.maximum(of_class[0], 1)
    shares[of_class[0] == 0] = 0
    overall = round(1 - float(known.sum()) / max(int(words.sum()), 1), 4)
    order = np.argsort(-shares, kind="stable")
    return overall, {str(classes[i]): round(float(shares[i]), 4) for i in order}

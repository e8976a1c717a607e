"""Texts unlike nearly all others: in length, in script, in their words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from textclf.types import Integers

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

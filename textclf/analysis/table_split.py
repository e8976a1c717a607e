"""Split labelled rows into two tables: every label in its share on both sides, and copies of a text on one."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from textclf.errors import DataError


def rows_of_test(texts: Sequence[str], labels: Sequence[str], share: float, rng: np.random.Generator) -> list[int]:
    """Return the numbers, from 0, of the rows that go into the test table: about `share` of each label's rows.

    Texts that differ in case and blanks alone are copies, and stay together under the label of the first. A label with
    two different texts or more has rows on both sides. Raises DataError when a side would have no rows.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        groups[" ".join(text.casefold().split())].append(number)
    of_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in groups.values():
        of_label[labels[rows[0]]].append(rows)
    chosen: list[int] = []
    for label in sorted(of_label):
        chosen += _draw(of_label[label], share, rng)
    if not 0 < len(chosen) < len(texts):
        raise DataError(
            f"rows: expected enough for two tables, found {len(groups):,} different texts of {len(of_label):,} labels."
            " Add rows, or choose another --test."
        )
    return sorted(chosen)


def _draw(groups: list[list[int]], share: float, rng: np.random.Generator) -> list[int]:
    """Return the rows of groups drawn until they are the share nearest to `share`, but never of all or none of two."""
    total = sum(map(len, groups))
    order = [groups[i] for i in rng.permutation(len(groups))]
    drawn: list[int] = []
    for number, rows in enumerate(order):
        is_last = number == len(order) - 1
        is_nearer = abs(len(drawn) + len(rows) - share * total) < abs(len(drawn) - share * total)
        if not is_last and (is_nearer or (number == 0 and len(order) > 1)):
            drawn += rows
    return drawn

"""Check a table of labelled texts, and write it again without rows that are named.

The facts are read off all texts once, and handed to each question.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textclf.check.duplicates import SIMILARITY, Pairs, near_pairs, same_texts
from textclf.check.findings import KINDS, Checked, Finding, finding, sort_findings
from textclf.check.signs import (
    find_damage,
    find_odd_lengths,
    odd_scripts,
    script_counts,
    tiny,
    unknown_shares,
    unknown_words,
    variants,
)
from textclf.check.text_facts import EMPTY, Facts, KnownWords, normalize_spelling, read_facts
from textclf.errors import DataError
from textclf.labels import LabelSet, find_joined_labels, join_labels, label_sets, missing_labels
from textclf.tables import LoadedTable, Origin, TableOptions, open_table, open_writer
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import keys_of
from textclf.types import Integers
from textclf.vectors import WordVectors

_MOST_UNKNOWN = 0.5
"""From this share of unknown words on, the vectors are not for these texts."""
_MANY_UNKNOWN, _TIMES_UNKNOWN = 0.25, 2.0
"""A class has many unknown words from this share on, if it is so many times that of all texts."""


def check(
    data: LoadedTable, against: LoadedTable | None, vectors: WordVectors | None, *, multi_label: bool = False
) -> Checked:
    """Return all that there is to say about a table, and about its rows that stand in the test table `against` too.

    `vectors` None asks nothing about unknown words. With `multi_label` a row may have several labels, or none. Row
    numbers are those of the tables, from 1.
    """
    data, against = _join_texts(data), against and _join_texts(against)
    sets = label_sets(data.labels, multi_label=multi_label)
    if multi_label:  # the order of a row's labels says nothing
        data = replace(data, labels=[join_labels(sorted(row)) for row in sets])
    texts = [*data.texts, *(against.texts if against else ())]
    facts = read_facts(texts, known_words(vectors) if vectors else None)
    first = same_texts(facts.same, lambda number: normalize_spelling(texts[number]))
    empty = _empty(facts)
    first[empty] = empty  # that two texts are empty does not make them copies
    pairs = near_pairs(facts, first)
    counts = Counter(label for row in sets for label in row)
    slips = variants(counts)
    findings = [
        finding("unusable", [refusal.row for refusal in data.refused], [{"why": r.reason} for r in data.refused]),
        *_label_findings(data, counts, slips, sets),
        *_alike_findings(data, slips, first, pairs),
        *(_leak_findings(data, against, first, pairs) if against else ()),
        *(_strange_labels(counts.keys(), against, multi_label) if against else ()),
        *_text_findings(data, facts),
    ]
    if vectors is not None:
        findings += _word_findings(data, facts, sets)
    return Checked(
        data.name,
        len(data),
        sort_findings(findings),
        _figures(data, counts, facts, sets, vectors),
        first[: len(data)].tolist(),
    )


def known_words(vectors: WordVectors) -> KnownWords:
    """Return the keys of all words of the vectors, for look-ups."""
    keys, _ = count_keys(keys_of(vectors.words))
    return KnownWords(KeyIndex(keys), vectors.is_cased)


def _label_findings(
    data: LoadedTable, counts: Counter[str], slips: dict[str, str], sets: Sequence[LabelSet]
) -> Iterator[Finding]:
    if len(set(data.labels)) < 2:
        yield finding("one-class", ())
    joined = {label: {"label": label, "sign": sign} for label, sign in find_joined_labels(counts.keys()).items()}
    yield _of_labels("joined-labels", data, sets, joined)
    missing = {label: {"label": label} for label in missing_labels(counts.keys())}
    yield _of_labels("missing-label", data, sets, missing)
    yield _of_labels("label-variant", data, sets, {name: {"label": name, "like": slips[name]} for name in slips})
    small = tiny(counts, list(slips))
    yield _of_labels("tiny-class", data, sets, {label: {"label": label, "count": counts[label]} for label in small})


def _of_labels(kind: str, data: LoadedTable, sets: Sequence[LabelSet], details: dict[str, dict[str, Any]]) -> Finding:
    """Return a finding of all rows that have one of these labels."""
    chosen = [(row, label) for row, labels in zip(data.rows, sets, strict=True) for label in labels if label in details]
    return finding(kind, [row for row, _ in chosen], [details[label] for _, label in chosen])


def _alike_findings(data: LoadedTable, slips: dict[str, str], first: Integers, pairs: Pairs) -> Iterator[Finding]:
    labels = [slips.get(label, label) for label in data.labels]
    yield from _same_findings(data, labels, first[: len(data)].tolist())
    near: dict[str, dict[int, tuple[float, int]]] = {"near-duplicate": {}, "near-contradiction": {}}
    for left, right, similarity in zip(*(a.tolist() for a in (pairs.left, pairs.right, pairs.similarity)), strict=True):
        if right < len(data):
            found = near["near-duplicate" if labels[left] == labels[right] else "near-contradiction"]
            found[right] = max(found.get(right, (0.0, 0)), (similarity, left))
    for kind, found in near.items():
        yield _of_texts(
            kind,
            data,
            {
                right: {"like": data.rows[left], "similarity": round(similarity, 3)}
                for right, (similarity, left) in found.items()
            },
        )


def _same_findings(data: LoadedTable, labels: list[str], first: list[int]) -> Iterator[Finding]:
    seen: dict[tuple[int, str], int] = {}
    copies = {}
    for number, (original, label) in enumerate(zip(first, labels, strict=True)):
        earlier = seen.setdefault((original, label), number)
        if earlier != number:
            copies[number] = {"like": data.rows[earlier]}
    of_text: dict[int, dict[str, int]] = {}
    for (original, label), number in seen.items():
        of_text.setdefault(original, {})[label] = number
    torn = {}
    for number, (original, label) in enumerate(zip(first, labels, strict=True)):
        others = [other for name, other in of_text[original].items() if name != label]
        if others:
            torn[number] = {"label": data.labels[number], "other_row": data.rows[others[0]]}
    yield _of_texts("duplicate", data, copies)
    yield _of_texts("contradiction", data, torn)


def _leak_findings(data: LoadedTable, against: LoadedTable, first: Integers, pairs: Pairs) -> Iterator[Finding]:
    n = len(data)
    in_test: dict[int, int] = {}
    for number, original in enumerate(first[n:].tolist()):
        in_test.setdefault(original, against.rows[number])
    near: dict[int, tuple[float, int]] = {}
    for left, right, similarity in zip(*(a.tolist() for a in (pairs.left, pairs.right, pairs.similarity)), strict=True):
        for one, other in ((left, right), (right, left)):
            if other in in_test:
                near[one] = max(near.get(one, (0.0, 0)), (similarity, in_test[other]))
    exact, close = {}, {}
    for number, original in enumerate(first[:n].tolist()):
        if original in in_test:
            exact[number] = {"test_row": in_test[original]}
        elif original in near:
            close[number] = {"test_row": near[original][1], "similarity": round(near[original][0], 3)}
    yield _of_texts("leak", data, exact)
    yield _of_texts("near-leak", data, close)


def _strange_labels(known: Set[str], against: LoadedTable, multi_label: bool) -> Iterator[Finding]:
    sets = label_sets(against.labels, multi_label=multi_label)
    strange = {number: {"label": label} for number, row in enumerate(sets) for label in row if label not in known}
    yield _of_texts("unknown-label", against, strange)


def _text_findings(data: LoadedTable, facts: Facts) -> Iterator[Finding]:
    n = len(data)
    words = facts.words[:n]
    empty: dict[int, dict[str, Any]] = {number: {} for number in _empty(facts).tolist() if number < n}
    yield _of_texts("empty", data, empty)
    wordless = np.flatnonzero(words == 0).tolist()
    yield _of_texts("wordless", data, {number: {} for number in wordless if number not in empty})
    for kind, found in find_damage(data.texts).items():
        yield _of_texts(kind, data, {number: {"characters": count} for number, count in found.items()})
    yield _of_texts("script", data, odd_scripts(facts.of_script[:n], facts.scripts))
    sizes = [len(text) if count else 0 for text, count in zip(data.texts, words.tolist(), strict=True)]
    for kind, outliers in find_odd_lengths(sizes).items():
        yield _of_texts(kind, data, {number: {"characters": length} for number, length in outliers.items()})


def _join_texts(data: LoadedTable) -> LoadedTable:
    """Return a table whose texts are those of several columns, parted by a blank."""
    if data.columns.is_plain:
        return data
    return replace(data, texts=[" ".join(cells) for cells in data.columns.cells(data.texts)])


def _empty(facts: Facts) -> Integers:
    """Return the numbers of the texts that hold nothing but blanks."""
    return np.flatnonzero(facts.same == EMPTY)


def _word_findings(data: LoadedTable, facts: Facts, sets: Sequence[LabelSet]) -> Iterator[Finding]:
    n = len(data)
    foreign = odd_scripts(facts.of_script[:n], facts.scripts)
    rows = unknown_words(facts.words[:n], facts.known[:n])
    yield _of_texts("unknown-words", data, {i: {"unknown": share} for i, share in rows.items() if i not in foreign})
    overall, shares = _unknown(facts, sets)
    if overall >= _MOST_UNKNOWN:
        yield finding("unknown-vocabulary", ())
    strange = {label: share for label, share in shares.items() if share >= max(_MANY_UNKNOWN, _TIMES_UNKNOWN * overall)}
    yield _of_labels(
        "unknown-class", data, sets, {label: {"label": label, "unknown": strange[label]} for label in strange}
    )


def _unknown(facts: Facts, sets: Sequence[LabelSet]) -> tuple[float, dict[str, float]]:
    """Return the share of unknown words of all texts, and of those of each label."""
    n = len(sets)
    overall, _ = unknown_shares([""] * n, facts.words[:n], facts.known[:n])
    rows = np.repeat(np.arange(n), [len(row) for row in sets])
    labels = [label for row in sets for label in row]
    return overall, unknown_shares(labels, facts.words[rows], facts.known[rows])[1]


def _of_texts(kind: str, data: LoadedTable, details: dict[int, dict[str, Any]]) -> Finding:
    """Return a finding of these texts, by their numbers from 0, in the table's order."""
    numbers = sorted(details)
    return finding(kind, [data.rows[number] for number in numbers], [details[number] for number in numbers])


def _figures(
    data: LoadedTable, counts: Counter[str], facts: Facts, sets: Sequence[LabelSet], vectors: WordVectors | None
) -> dict[str, Any]:
    n = len(data)
    sizes = np.array([len(text) for text in data.texts])
    figures: dict[str, Any] = {
        "labels": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        "characters": {
            "shortest": int(sizes.min()),
            "median": float(np.median(sizes)),
            "longest": int(sizes.max()),
        },
        "scripts": script_counts(facts.of_script[:n], facts.scripts),
        "near_from": SIMILARITY,
    }
    if vectors is not None:
        overall, shares = _unknown(facts, sets)
        figures["unknown_words"] = {"vectors": vectors.name, "share": overall, "by_label": shares}
    return figures


# --- the table without some rows -------------------------------------------------------------------------------------


def rows_to_drop(checked: Checked, kinds: Collection[str]) -> dict[int, str]:
    """Return the rows that these kinds of findings name, and invalid rows, each with the reason.

    A copy goes only where the row that it is a copy of stays: of a chain of near-duplicates not all are lost.
    """
    named: dict[int, list[tuple[str, int | None]]] = {}
    for found in checked.findings:
        if found.kind in kinds or found.kind == "unusable":
            for row, detail in zip(found.rows, found.details, strict=True):
                original = detail.get("like")
                named.setdefault(row, []).append((found.kind, original if isinstance(original, int) else None))
    dropped: dict[int, str] = {}
    for row in sorted(named):
        for kind, original in named[row]:
            if original is None or original not in dropped:
                dropped[row] = KINDS[kind].reason + ("" if original is None else f" (row {original})")
                break
    return dropped


def write_without(
    origin: Origin, options: TableOptions, data: LoadedTable, dropped: Collection[int], target: Path
) -> None:
    """Write the table without the dropped and the invalid rows.

    The target's suffix decides the format, else it is the table's own; a row keeps its bytes where both have the
    same format. Raises DataError when the table is not as it was when it was checked, OutputError as `open_writer`.
    """
    at = 0
    with open_table(origin, options, labelled=True) as table, open_writer(target, table, ()) as writer:
        for batch in table.batches():
            if batch.texts != list(data.texts[at : at + len(batch)]):
                raise DataError(f"{table.name}: expected the rows that were checked, found others. Check it again.")
            at += len(batch)
            kept = batch.select([i for i, row in enumerate(batch.rows) if row not in dropped])
            writer.write(kept, [])
        if at != len(data):
            raise DataError(f"{table.name}: expected {len(data):,} rows, found {at:,}. Check it again.")

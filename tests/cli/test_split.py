"""`split` keeps copies together, labels in their share, and every row byte for byte."""

import gzip
import re
from collections import Counter

import numpy as np
import pytest
from hostile import accepted, refused
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import DataError
from textclf.training.data import rows_of_test


def test_every_row_goes_into_one_of_two_tables_byte_for_byte(tmp_path):
    rows = [f'"text, number ""{n}"" ",{"up" if n % 4 else "down"}\r\n' for n in range(200)]
    table = tmp_path / "t.csv"
    table.write_bytes(("text,label\r\n" + "".join(rows)).encode())
    said = accepted("split", table, "--test", "0.25").err
    counts = [int(count) for count in re.findall(r"t-\w+\.csv: (\d+) rows", said)]
    assert sum(counts) == 200
    assert 49 <= counts[1] <= 51
    parts = [(tmp_path / f"t-{part}.csv").read_bytes().decode().splitlines(keepends=True) for part in ("train", "test")]
    assert [part[0] for part in parts] == ["text,label\r\n"] * 2
    assert Counter(parts[0][1:]) + Counter(parts[1][1:]) == Counter(rows)
    assert sum(row.endswith("down\r\n") for row in parts[1]) in (12, 13)
    for part in parts:
        assert part[1:] == [row for row in rows if row in set(part)], "in the table's order"


def test_the_same_seed_gives_the_same_tables_and_rows_without_a_label_stop_it(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(40)))
    found = []
    for seed in (1, 1, 2):
        accepted("split", table, "--seed", seed, "-q")
        found.append((tmp_path / "t-test.csv").read_bytes())
    assert found[0] == found[1] != found[2]
    table.write_text("text,label\nno label,\n" + table.read_text().removeprefix("text,label\n"))
    refused("row 1: expected a label, found none", "split", table)
    accepted("split", table, "--multi-label")
    refused("same|input", "split", table, "--test-output", table)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "A ", "b", "c", "d", " e", "f"]), st.sampled_from("xyz"))),
    st.floats(0.01, 0.99),
)
def test_copies_stay_together_and_both_tables_have_rows(pairs, share):
    texts, labels = [text for text, _ in pairs], [label for _, label in pairs]
    try:
        chosen = set(rows_of_test(texts, labels, share, np.random.default_rng(1)))
    except DataError:
        return
    assert 0 < len(chosen) < len(texts)
    sides = {(text.strip().casefold(), number in chosen) for number, text in enumerate(texts)}
    assert len(sides) == len({text for text, _ in sides})


def test_one_text_cannot_be_split():
    with pytest.raises(DataError, match="expected enough for two tables, found 1 different texts of 1 labels"):
        rows_of_test(["a", "A"], ["x", "y"], 0.5, np.random.default_rng(1))


def test_parts_of_a_compressed_table_are_compressed_and_named_after_it(tmp_path):
    table = tmp_path / "t.of.csv.gz"
    table.write_bytes(gzip.compress(("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(40))).encode()))
    accepted("split", table, "-q")
    parts = [gzip.decompress((tmp_path / f"t.of-{part}.csv.gz").read_bytes()) for part in ("train", "test")]
    assert sum(part.count(b"\n") - 1 for part in parts) == 40


def test_a_tab_between_columns_can_be_spelled_out(tmp_path):
    table = tmp_path / "t.txt"
    table.write_text("text\tlabel\n" + "".join(f"text {n}\t{n % 2}\n" for n in range(40)))
    for spelled in ("\\t", "tab", "\t"):
        accepted("split", table, "--separator", spelled, "--format", "csv", "-q")

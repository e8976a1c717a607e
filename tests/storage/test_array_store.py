"""Arrays kept in memory or in files; and a training that keeps them in files."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import oracles
import pytest
from click.testing import CliRunner

from textclf.cli import cli
from textclf.errors import TrainingError
from textclf.storage.array_store import ArrayBuilder, ArrayStore, default_budget, drop_pages
from textclf.text.csr import CsrBuilder
from textclf.text.features import TextMatrix
from textclf.training.vocabulary import take

pytestmark = pytest.mark.usefixtures("small_starter")

BUDGETS = [None, 0, 40]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("sizes", [[3], [0], [2, 0, 5], [0, 4], [6, 400, 0, 8, 900, 2]])
def test_parts_come_back_as_one_array(budget, sizes):
    parts = [np.arange(2.0 * size, dtype=np.float32).reshape(size, 2) for size in sizes]
    whole = ArrayStore(budget).concatenate(iter(parts))
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert whole.dtype == np.float32


@pytest.mark.parametrize("budget", BUDGETS)
def test_rows_that_come_in_parts_come_back_as_one_matrix(budget):
    C = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 1, 4]])
    builder = CsrBuilder(ArrayStore(budget), 3)
    for part in (C[:1], C[1:3], C[3:]):
        builder.add(oracles.sparse(part))
    np.testing.assert_array_equal(builder.whole().scipy.toarray(), C)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("rows", [[3, 0, 0, 2, 4], [1], []])
def test_rows_that_are_taken_are_the_same_wherever_they_are_put(budget, rows, monkeypatch):
    monkeypatch.setattr("textclf.storage.array_store._ROWS_AT_ONCE", 2)
    C = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 1, 4], [7, 0, 0]])
    counts = np.arange(5)
    wide = oracles.wide_rows(-C, 2 * C, np.eye(3))
    matrix = TextMatrix(oracles.sparse(C), wide, counts, counts * 2, counts[:, None] / 8)
    found = take(matrix, np.array(rows, np.int64), ArrayStore(budget))
    np.testing.assert_array_equal(found.words.scipy.toarray(), C[rows])
    np.testing.assert_array_equal(found.ngrams.ngrams.scipy.toarray(), -C[rows])
    np.testing.assert_array_equal(found.ngrams.pieces.scipy.toarray(), 2 * C[rows])
    assert (found.tokens.tolist(), found.known.tolist()) == (rows, [2 * row for row in rows])
    np.testing.assert_array_equal(found.known_shares[:, 0], np.array(rows) / 8)
    part = matrix.slice(1, 4)
    np.testing.assert_array_equal(part.words.scipy.toarray(), C[1:4])
    assert part.known.tolist() == [2, 4, 6]


def made(store, length):
    return store.concatenate(np.full(100, number, np.int8) for number in range(length // 100))


def test_arrays_lie_in_memory_up_to_the_budget_in_files_beyond_it_and_are_given_back_when_nobody_uses_them():
    store = ArrayStore(4000)
    first, second, third = made(store, 1500), made(store, 2500), made(store, 100)
    assert [isinstance(array, np.memmap) for array in (first, second, third)] == [False, False, True]
    np.testing.assert_array_equal(third, np.zeros(100))
    part = first[1:][1:]
    del first
    gc.collect()
    assert not store.has_room(1)  # as long as any part is in use
    assert part.tolist()[:1] == [0]
    del part
    gc.collect()
    assert store.has_room(1500)
    assert not store.has_room(1501)
    assert not isinstance(made(store, 1500), np.memmap)


def test_arrays_that_grow_side_by_side_share_the_budget():
    store = ArrayStore(1000)
    builders = [ArrayBuilder(store) for _ in range(4)]
    for _ in range(3):
        for builder in builders:
            builder.add(np.ones(100, np.int8))
    assert [isinstance(builder.whole(), np.memmap) for builder in builders] == [False, False, True, False]
    del builder, builders
    gc.collect()
    assert store.has_room(1000)


def test_an_array_that_is_asked_for_twice_is_one_array_and_gives_its_room_back_once():
    store = ArrayStore(1000)
    builder, other = ArrayBuilder(store), ArrayBuilder(store)
    builder.add(np.ones(600, np.int8))
    other.add(np.ones(300, np.int8))
    assert builder.whole() is builder.whole()
    del builder
    gc.collect()
    assert store.has_room(700)
    assert not store.has_room(701)


def test_a_store_without_a_limit_keeps_all_in_memory():
    store = ArrayStore()
    assert store.has_room(1 << 60)
    assert not isinstance(made(store, 5000), np.memmap)


def test_an_array_goes_to_a_file_with_the_part_that_has_no_room():
    builder = ArrayBuilder(ArrayStore(1000))
    parts = [np.arange(size, dtype=np.int16).reshape(-1, 2) for size in (6, 400, 0, 8, 900, 2)]
    for part in parts:
        builder.add(part)
    whole = builder.whole()
    assert isinstance(whole, np.memmap)
    assert not whole.flags.writeable
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the files that Linux says are open")
def test_files_end_with_their_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    array = ArrayStore(0).concatenate([np.ones(5000)])
    assert array.sum() == 5000
    assert list(tmp_path.iterdir()) == []  # it has no name
    del array
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@dataclass(frozen=True)
class Pair:
    first: np.ndarray
    others: tuple[np.ndarray, ...]


def test_what_leaves_the_process_is_still_there():
    array = ArrayStore(0).concatenate([np.arange(50_000)])
    parts = [array[:10], Pair(array[10:30_000], (array[30_000:], np.ones(3))), [array[5:6]], "no array", array[:0]]
    for part in parts:
        drop_pages(part)
    np.testing.assert_array_equal(array, np.arange(50_000))


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="asks the system for its memory")
@pytest.mark.parametrize(
    ("limit", "budget"), [("400000000", 100_000_000), ("max", 1 << 30), ("9223372036854771712", 1 << 30)]
)
def test_the_budget_is_a_quarter_of_the_memory_that_a_container_has_and_a_gigabyte_at_most(
    limit, budget, tmp_path, monkeypatch
):
    (tmp_path / "memory.max").write_text(f"{limit}\n", "ascii")
    monkeypatch.setattr("textclf.storage.array_store._CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
    monkeypatch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 1 << 22)  # 16 GB
    assert default_budget() == budget
    monkeypatch.setattr("os.sysconf", lambda _: (_ for _ in ()).throw(ValueError("unknown")))
    assert default_budget() == 1 << 30


def test_a_folder_without_room_for_temporary_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(TrainingError, match=r"gone: expected room for temporary files, found: No such file.*TMPDIR"):
        ArrayStore(0).concatenate([np.ones(3)])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_told_also_when_the_last_bytes_are_written(monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("w+b"))  # noqa: SIM115
    for parts in ([np.ones(3)], [np.ones(1 << 20)]):
        with pytest.raises(TrainingError, match=r"expected room for temporary files, found: No space left"):
            ArrayStore(0).concatenate(parts)


def table_of(path, n):
    rng = np.random.default_rng(0)
    words = [["good", "fine", "lovely", "it"], ["bad", "poor", "awful", "it"], ["so", "so", "middling", "it"]]
    lines = [f"{' '.join(rng.choice(words[i % 3], 6))},{'abc'[i % 3]}" for i in range(n)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


@pytest.mark.parametrize("more", [[], ["--vectors", "none"], ["--optimizer", "adam", "--epochs", "2"]])
def test_training_in_files_and_in_memory_makes_the_same_bytes(tmp_path, monkeypatch, more):
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 2000)
    monkeypatch.setattr("textclf.text.csr._SMALLEST_BLOCK", 500)
    table = table_of(tmp_path / "table.csv", 200)
    made = []
    for name, limit in (("memory", ["--threads", "1"]), ("both", ["--max-memory", "20KB"]), ("files", [])):
        if name == "files":
            limit = ["--max-memory", "1"]
        target = tmp_path / f"{name}.safetensors"
        outcome = CliRunner().invoke(cli, ["train", str(table), "-o", str(target), "-q", *limit, *more])
        assert outcome.exit_code == 0, outcome.output
        made.append(target.read_bytes())
    assert made[0] == made[1] == made[2]


def test_rows_to_validate_on_and_old_rows_go_to_files_too(tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.training.train._ROWS_COPIED", 7)
    old, new, valid = (table_of(tmp_path / f"{n}.csv", n) for n in (30, 40, 50))
    made = []
    for name, limit in (("memory", []), ("files", ["--max-memory", "1KB"])):
        before, target = tmp_path / f"before-{name}", tmp_path / name
        for arguments in (
            [str(old), "-o", str(before), "--valid", str(valid), *limit],
            [str(new), "-o", str(target), "--init-from", str(before), "--replay", str(old), *limit],
        ):
            outcome = CliRunner().invoke(cli, ["train", *arguments, "-q"])
            assert outcome.exit_code == 0, outcome.output
        made.append((before.read_bytes(), target.read_bytes()))
    assert made[0] == made[1]


@pytest.mark.parametrize("size", ["GB", "-1GB", "0MB", "a lot"])
def test_a_size_that_is_none_is_refused(size):
    outcome = CliRunner().invoke(cli, ["train", "t.csv", "-o", "m", f"--max-memory={size}"])
    assert outcome.exit_code == 2
    assert "expected a size such as 2MB" in outcome.output

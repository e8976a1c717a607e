"""Arrays kept in memory or in files; and a training that keeps them in files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import oracles
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from textclf.cli import cli
from textclf.errors import TrainingError
from textclf.storage.array_store import IN_MEMORY, ArrayStore
from textclf.storage.memory import let_go, pages_for
from textclf.storage.parallel import in_order
from textclf.text.csr import CsrBuilder
from textclf.text.features import TextMatrix
from textclf.text.key_index import KeyCounter, count_keys
from textclf.text.tokenizer import tokenize
from textclf.training.tokenized_corpus import Block, TokenizedCorpus
from textclf.training.vocabulary import taken


@pytest.mark.parametrize("room", [None, 0])
@pytest.mark.parametrize("sizes", [[3], [0], [2, 0, 5], [0, 4]])
def test_parts_come_back_as_one_array_also_after_they_were_let_go(room, sizes):
    parts = [np.arange(2.0 * size, dtype=np.float32).reshape(size, 2) for size in sizes]
    whole = ArrayStore(room).array(iter(parts))
    let_go(whole[1:], whole)
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert whole.dtype == np.float32


STACKED = """
import numpy as np
from textclf.storage.memory import keep_freed_memory
from textclf.storage.array_store import ArrayStore
keep_freed_memory()
def most():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) >> 10
before = most()
def parts():
    global before
    for number in range(100):
        yield np.full(1 << 19, number, np.int32)
    before = most()
whole = ArrayStore().array(parts())
assert (whole.reshape(100, -1) == np.arange(100)[:, None]).all()
print(whole.nbytes >> 20, most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the process's memory")
def test_the_whole_is_made_without_a_second_copy_of_its_parts():
    said = subprocess.run([sys.executable, "-c", STACKED], capture_output=True, text=True, check=True).stdout
    size, more = map(int, said.split())
    assert size == 200
    assert more < 120  # a slab of 64 MB that is copied from, and what comparing takes


@pytest.mark.parametrize("room", [None, 0])
def test_texts_come_back_one_by_one_in_slices_and_in_turn(room):
    texts = ["", "a", "größer 🎉", "new\nline", ""]
    kept = ArrayStore(room).strings([texts[:2], [], texts[2:]])
    assert list(kept) == texts == [kept[i] for i in range(5)]
    assert [list(kept[places]) for places in (slice(1, 4), slice(3, 1), slice(None, None, 2))] == [
        texts[1:4], [], texts[::2],
    ]  # fmt: skip
    assert kept[-1] == ""
    assert kept.lengths().tolist() == kept[:].lengths().tolist() == [0, 1, 8, 8, 0]
    assert list(kept[2:][1:2]) == ["new\nline"]


@pytest.mark.parametrize("room", [None, 0])
def test_rows_come_back_whole_and_in_the_parts_they_came_in(room):
    C = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 1, 4]])
    stack = CsrBuilder(ArrayStore(room), 3)
    for part in (C[:1], C[1:3], C[3:]):
        stack.add(oracles.sparse(part))
    found = stack.parts()
    assert [len(part) for part in found] == [1, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part.scipy.toarray() for part in found]), C)


@pytest.mark.parametrize("room", [None, 0])
@pytest.mark.parametrize("rows", [[3, 0, 0, 2, 4], [1], []])
def test_rows_that_are_taken_are_the_same_wherever_they_are_put(room, rows, monkeypatch):
    monkeypatch.setattr("textclf.storage.array_store._TAKEN", 2)
    C = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 1, 4], [7, 0, 0]])
    counts = np.arange(5)
    matrix = TextMatrix(oracles.sparse(C), oracles.sparse(-C), counts, counts * 2, counts[:, None] / 8)
    found = taken(matrix, np.array(rows, np.int64), ArrayStore(room))
    np.testing.assert_array_equal(found.words.scipy.toarray(), C[rows])
    np.testing.assert_array_equal(found.ngrams.scipy.toarray(), -C[rows])
    assert (found.tokens.tolist(), found.known.tolist()) == (rows, [2 * row for row in rows])
    np.testing.assert_array_equal(found.familiar[:, 0], np.array(rows) / 8)
    part = matrix.slice(1, 4)
    np.testing.assert_array_equal(part.words.scipy.toarray(), C[1:4])
    assert part.known.tolist() == [2, 4, 6]


@given(st.lists(st.lists(st.integers(0, 5) | st.integers(2**63, 2**64 - 1), max_size=8), max_size=6), st.booleans())
def test_keys_that_come_in_parts_are_counted_as_those_that_come_at_once(parts, early):
    with pytest.MonkeyPatch.context() as patch:
        if early:
            patch.setattr("textclf.text.key_index._FEWEST_WAITING", 3)
        counter = KeyCounter(2)
        for part in parts:
            counter.add(*count_keys(np.array(part, np.uint64)))
        keys, counts = counter.counts()
    expected = count_keys(np.array([key for part in parts for key in part], np.uint64))
    assert (keys.tolist(), counts.tolist()) == (expected[0].tolist(), expected[1].tolist())


@pytest.mark.parametrize("length", [3, 30_000])
def test_there_is_no_room_for_another_array_as_long_as_any_part_of_one_is_in_use(length):
    kind = np.dtype(np.int64)
    store = ArrayStore(length * kind.itemsize)
    array = store.allocate((length,), kind)
    array[:] = range(length)
    part = array[1:][1:]
    del array
    assert store.allocate((1,), kind) is None
    assert part.tolist() == list(range(2, length))
    del part
    assert store.allocate((length,), kind).shape == (length,)


@pytest.mark.parametrize(("length", "is_in_file"), [(100, False), (101, True)])
def test_texts_get_an_eighth_of_the_room_and_leave_the_rest_to_others(length, is_in_file):
    store = ArrayStore(800)
    texts = store.strings([["a" * length]])
    assert list(texts) == ["a" * length]
    assert isinstance(texts.blob, np.memmap) == is_in_file
    assert (store.allocate((800 - length + 1,), np.dtype(np.uint8)) is None) == (not is_in_file)
    assert store.allocate((800 - length,), np.dtype(np.uint8)) is not None


def test_what_is_seldom_looked_at_lies_in_memory_only_beside_little_else():
    store, part = ArrayStore(800), np.zeros(60, np.uint8)
    assert not isinstance(store.cold().array([part]), np.memmap)
    other = store.array([part])
    assert isinstance(store.cold().array([part]), np.memmap)
    assert not isinstance(other, np.memmap)
    assert not isinstance(IN_MEMORY.cold().array([part, part]), np.memmap)


def test_pages_for_more_than_there_is_are_refused_as_other_memory_is():
    with pytest.raises(MemoryError, match="no room for 9223372036854775800 bytes"):
        pages_for((2**60 - 1, 1), np.float64)
    assert pages_for((2, 50_000), np.float32).shape == (2, 50_000)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items_and_an_error_comes_where_it_belongs(threads):
    assert list(in_order(lambda n: n * n, range(20), threads)) == [n * n for n in range(20)]
    results = in_order(lambda n: 1 // (n - 2), range(5), threads)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError, match="division"):
        next(results)


def test_arrays_go_to_files_when_there_is_no_more_room_and_to_memory_again_when_there_is():
    store = ArrayStore(4000)

    def made(length):
        return store.array(np.full(100, number, np.int8) for number in range(length // 100))

    first = made(1500)
    second, third = made(1500), made(1500)
    assert [isinstance(array, np.memmap) for array in (first, second, third)] == [False, False, True]
    np.testing.assert_array_equal(third, np.repeat(np.arange(15), 100))
    del first
    assert not isinstance(made(1500), np.memmap)


def test_parts_that_were_in_memory_go_to_the_file_with_the_one_that_has_no_room():
    parts = [np.arange(size, dtype=np.int16).reshape(-1, 2) for size in (6, 400, 0, 8, 900, 2)]
    whole = ArrayStore(1000).array(iter(parts))
    assert isinstance(whole, np.memmap)
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    stack = CsrBuilder(ArrayStore(100), 3)
    rows = [np.eye(3)[: size % 4] for size in range(60)]
    for part in rows:
        stack.add(oracles.sparse(part))
    found = stack.parts()
    assert isinstance(found[1].data, np.memmap)
    assert [len(part) for part in found] == [len(part) for part in rows]
    np.testing.assert_array_equal(np.concatenate([part.scipy.toarray() for part in found]), np.concatenate(rows))


def test_a_folder_without_room_for_temporary_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(TrainingError, match=r"gone: expected room for temporary files, found: No such file.*TMPDIR"):
        ArrayStore(0).array([np.ones(3)])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_told_also_when_the_last_bytes_are_written(monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("w+b"))  # noqa: SIM115
    for parts in ([np.ones(3)], [np.ones(1 << 20)]):
        with pytest.raises(TrainingError, match=r"expected room for temporary files, found: No space left"):
            ArrayStore(0).array(parts)


def table_of(path, n):
    rng = np.random.default_rng(0)
    words = [["good", "fine", "lovely", "it"], ["bad", "poor", "awful", "it"], ["so", "so", "middling", "it"]]
    lines = [f"{' '.join(rng.choice(words[i % 3], 6))},{'abc'[i % 3]}" for i in range(n)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    "more", [[], ["--vectors", "none"], ["--optimizer", "adam", "--epochs", "2"], ["--recipe", "fast"]]
)
def test_training_in_files_and_in_memory_makes_the_same_bytes(tmp_path, monkeypatch, more):
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 2000)
    monkeypatch.setattr("textclf.text.csr._SMALLEST_BLOCK", 500)
    table = table_of(tmp_path / "table.csv", 400)
    made = []
    for name, limit in (("memory", ["--threads", "1"]), ("both", ["--max-memory", "20KB"]), ("files", [])):
        if name == "files":
            monkeypatch.setattr("textclf.storage.array_store.DEFAULT_BUDGET", 0)
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


@pytest.mark.parametrize("spelled", [False, True])
@pytest.mark.parametrize("room", [0, 20_000, None])
def test_texts_are_gone_through_alike_and_cut_once_wherever_their_tokens_are_kept(room, spelled, monkeypatch):
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 1000)
    cut = []
    monkeypatch.setattr(
        "textclf.training.tokenized_corpus.tokenize", lambda texts: cut.append(len(texts)) or tokenize(texts)
    )
    texts = [f"text {i} of some {i % 7} others" for i in range(300)]
    cuts = TokenizedCorpus(texts, [("words", 1, 2), ("words", 1, 3)], 2, ArrayStore(room), spelled=spelled)

    def keys(block):
        words = block.tokens.strings([0, 4]) if spelled else []
        return [words, block.tokens.keys.tolist(), *(keys.tolist() for _, keys in block.ngrams)]

    first = list(cuts.each(keys))
    assert list(cuts.each(keys)) == list(cuts.each(keys, last=True)) == first
    assert sum(cut) == len(texts)
    assert len(cut) == len(first) > 1
    assert sum(len(words) for _, words, *_ in first) == 6 * len(texts)


def test_texts_are_cut_each_time_for_their_ngrams_of_characters(monkeypatch):
    cut = []
    monkeypatch.setattr(
        "textclf.training.tokenized_corpus.tokenize", lambda texts: cut.append(len(texts)) or tokenize(texts)
    )
    cuts = TokenizedCorpus(["one", "two"], [("chars", 1, 2)], 1, IN_MEMORY, spelled=False)
    first = [block.ngrams[0][1].tolist() for block in cuts.each(lambda block: block)]
    assert [block.ngrams[0][1].tolist() for block in cuts.each(lambda block: block, last=True)] == first
    assert cut == [2, 2]


def test_no_texts_are_one_block_without_any():
    cuts = TokenizedCorpus([], [("words", 1, 2)], 1, IN_MEMORY, spelled=True)
    assert [len(block.tokens) for block in cuts.each(lambda block: block)] == [0]
    assert all(isinstance(block, Block) for block in cuts.each(lambda block: block))

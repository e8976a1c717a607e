"""Vectors are read as what they are, refused when they are damaged, converted once, and trained the same each time."""

import gzip
import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from textclf.cli import run
from textclf.errors import VectorsError
from textclf.storage.files import sha256
from textclf.vectors import (
    cached_entries,
    clear_cache,
    nearest,
    open_vectors,
    save_word2vec,
    scan,
    starter_path,
    to_grid,
)
from textclf.vectors.open import store
from textclf.vectors.word_vectors import WordVectors

needs_gensim = pytest.mark.skipif(find_spec("gensim") is None, reason="gensim is not installed")

WORDS = ["the", "good", "Good", "naïve", "好", "🙂", "x1"]
MATRIX = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)


def keyed(words=WORDS, matrix=MATRIX):
    """Return the vectors as gensim holds them."""
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(matrix.shape[1])
    vectors.add_vectors(words, matrix)
    return vectors


def write(folder, kind, name="v.xyz"):
    """Write the vectors in a layout, under a name that says nothing."""
    path = folder / name
    plain = folder / ("plain.bin" if "binary" in kind else "plain.txt")
    save_word2vec(WordVectors(WORDS, MATRIX, "v", "", kind), plain)
    content = plain.read_bytes()
    if "GloVe" in kind:
        content = content.partition(b"\n")[2]
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    return path


@pytest.mark.parametrize("kind", ["word2vec binary", "word2vec text", "GloVe text"])
@pytest.mark.parametrize("packed", ["", " gz"])
@pytest.mark.parametrize("name", ["v.xyz", "v.txt", "v.bin", "v.gz"])
def test_a_file_is_read_as_what_it_holds_whatever_its_name(kind, packed, name, tmp_path):
    path = write(tmp_path, kind + packed, name)
    for cache in (False, True, True):
        vectors = open_vectors(path, cache=cache)
        assert vectors.kind == kind
        assert list(vectors.words) == WORDS
        np.testing.assert_allclose(vectors.matrix, MATRIX, rtol=1e-5)
    assert vectors.sha256 == sha256(path)


def test_binary_vectors_keep_every_bit(tmp_path):
    assert open_vectors(write(tmp_path, "word2vec binary"), cache=False).matrix.tobytes() == MATRIX.tobytes()


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    content = write(tmp_path, "word2vec text").read_bytes()
    for changed in (content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content, content.rstrip(b"\n")):
        (tmp_path / "v").write_bytes(changed)
        vectors = open_vectors(tmp_path / "v", cache=False)
        assert list(vectors.words) == WORDS
        np.testing.assert_allclose(vectors.matrix, MATRIX, rtol=1e-5)


def test_words_with_blanks_in_them_are_read(tmp_path):
    (tmp_path / "v").write_bytes(b"at name@domain.com 1 2 3\n. . . 4 5 6\ngood 7 8 9\n")
    vectors = open_vectors(tmp_path / "v", cache=False)
    assert list(vectors.words) == ["at name@domain.com", ". . .", "good"]
    assert vectors.matrix.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_the_first_of_two_equal_words_is_kept_and_it_is_told(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\na 1 2\nb 3 4\na 5 6\n")
    vectors = open_vectors(tmp_path / "v", cache=False)
    assert list(vectors.words) == ["a", "b"]
    assert vectors.matrix.tolist() == [[1, 2], [3, 4]]
    assert vectors.notes == ("1 word is left out: repeated (the first of each is kept)",)


def write_small_fasttext(path):
    """Write a native fastText file of two words and two buckets, by its published layout."""
    settings = (6, 5, 1, 5, 5, 1, 1, 1, 2, 3, 6, 100)  # dimension, …, buckets, shortest and longest n-gram, update rate
    content = struct.pack("<ii12id", 793712314, 12, *settings, 1e-4) + struct.pack("<iiiqq", 2, 2, 0, 9, -1)
    for word in ("good", "naïve"):
        content += word.encode() + b"\0" + struct.pack("<qb", 3, 0)
    content += struct.pack("<?qq", False, 4, 6) + np.arange(24, dtype="<f4").tobytes()
    path.write_bytes(content)


def write_fasttext(path, **settings):
    """Write a native fastText file of five words with gensim, and return the model that it holds."""
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    sentences = [["good", "film"], ["bad", "film"], ["naïve", "film"], ["好", "film"]] * 5
    model = FastText(
        sentences, min_count=1, epochs=1, seed=1, workers=1, **{"vector_size": 6, "bucket": 50, **settings}
    )
    save_facebook_model(model, str(path))
    return model


@needs_gensim
@pytest.mark.parametrize(
    ("settings", "name", "packed"),
    [({"min_n": 1, "max_n": 3}, "v.bin", True), ({"max_n": 0, "bucket": 0}, "v.gz", False)],
)
def test_native_fasttext_files_are_read_with_gensim_and_without(settings, name, packed, tmp_path, hide_gensim):
    model = write_fasttext(tmp_path / "v", **settings)
    content = (tmp_path / "v").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    first = open_vectors(tmp_path / name, cache=False)
    assert first.kind == "fastText binary"
    assert list(first.words) == model.wv.index_to_key
    np.testing.assert_allclose(first.matrix, [model.wv[word] for word in first.words], rtol=1e-4, atol=1e-6)
    hide_gensim()
    again = open_vectors(tmp_path / name, cache=False)
    assert list(again.words) == list(first.words)
    np.testing.assert_allclose(again.matrix, first.matrix, rtol=1e-5, atol=1e-7)


def test_a_fasttext_file_that_is_cut_anywhere_is_refused(tmp_path):
    write_small_fasttext(tmp_path / "v")
    content = (tmp_path / "v").read_bytes()
    assert scan(tmp_path / "v").words.words == ["good", "naïve"]
    for length in range(4, len(content)):
        (tmp_path / "v").write_bytes(content[:length])
        with pytest.raises(VectorsError, match=r"v: these fastText vectors cannot be read .*get it again\.$"):
            scan(tmp_path / "v")


@pytest.fixture
def hide_gensim(monkeypatch):
    """Return what makes gensim as good as not installed."""

    def hide():
        for name in [name for name in sys.modules if name.partition(".")[0] == "gensim"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "gensim", None)
        monkeypatch.setattr("textclf.vectors.open.find_spec", lambda _: None)

    return hide


@needs_gensim
@pytest.mark.parametrize("kind", ["word2vec binary", "word2vec text", "GloVe text"])
@pytest.mark.parametrize("packed", ["", " gz"])
def test_the_same_words_and_numbers_are_read_without_gensim(kind, packed, tmp_path, hide_gensim):
    path = write(tmp_path, kind + packed)
    written = tmp_path / "gensim"
    keyed().save_word2vec_format(str(written), binary="binary" in kind, write_header="GloVe" not in kind)
    assert scan(written).words.words == scan(path).words.words
    through_gensim = open_vectors(path, cache=False)
    hide_gensim()
    without = open_vectors(path, cache=False)
    assert without.words == through_gensim.words == WORDS
    assert without.matrix.tobytes() == through_gensim.matrix.tobytes()
    assert without.notes == through_gensim.notes


class Bomb:
    def __reduce__(self):
        return (os.abort, ())


def damaged():
    """Return a damaged file of every kind, each with what must be said of it."""
    rows = [word.encode() + b" " + row.astype("<f4").tobytes() for word, row in zip(WORDS, MATRIX, strict=True)]
    binary = b"7 6\n" + b"".join(rows)
    pairs = zip(WORDS, MATRIX.tolist(), strict=True)
    lines = [b"7 6", *(f"{word} {' '.join(map(str, row))}".encode() for word, row in pairs)]
    text = b"\n".join([*lines, b""])
    return {
        "empty": (b"", "found an empty file"),
        "a pickle": (pickle.dumps(Bomb(), protocol=4), "found a pickle .* which could run code"),
        "a zip": (b"PK\x03\x04" + b"\0" * 50, "the zip archive is damaged or cut"),
        "an array": (b"\x93NUMPY" + b"\0" * 50, "found a NumPy array"),
        "UTF-16": ("a 1 2\n".encode("utf-16"), "found UTF-16 text"),
        "a table": (b"text,label\ngood,a\n", "expected 'WORDS DIMENSION' or a word and its numbers"),
        "prose": (b"It was a dark and stormy night.\n", "expected 'WORDS DIMENSION' or a word and its numbers"),
        "a binary cut in half": (binary[: len(binary) // 2], "The file is cut"),
        "a binary without its last byte": (binary[:-2], "cut|damaged"),
        "a text cut in half": (text[: len(text) // 2], "cut|promises"),
        "a text without its last number": (text.rstrip(b"\n").rsplit(b" ", 1)[0] + b"\n", "v:8: expected a word and 6"),
        "a line too many": (text + b"more 1 2 3 4 5 6\n", "the header promises 7 words, found 8"),
        "a line of another length": (b"\n".join([*lines[:3], b"odd 1 2", *lines[4:]]), "v:4: expected a word and 6"),
        "a word for a number": (text.replace(lines[2].split()[-1], b"abc"), "v:3: expected a number, found 'abc'"),
        "not a number": (text.replace(lines[2].split()[-1], b"nan"), "v:3: expected a number, found 'nan'"),
        "an infinite number": (text.replace(lines[2].split()[-1], b"1e999"), "v:3: a number .* is not finite"),
        "a huge count": (b"999999999999999999 300\n" + binary[4:], "expected 1 to 20,000,000 words"),
        "a negative count": (b"-5 300\n" + binary[4:], "expected 1 to 20,000,000 words"),
        "a huge dimension": (b"7 99999999\n" + binary[4:], "expected vectors of 1 to 10,000 numbers"),
        "nan in a binary": (binary[:-24] + np.full(6, np.nan, "<f4").tobytes(), "is not finite"),
        "gzip cut": (gzip.compress(text)[:-10], "the gzip data are damaged or cut"),
        "gzip with a wrong checksum": (gzip.compress(text)[:-8] + b"\0" * 8, "the gzip data are damaged or cut"),
        "a gzip bomb": (gzip.compress(b"0" * 50_000_000), "over|unpacks"),
        "an endless line": (b"a " + b"1 " * 2_000_000, "the first line is over"),
        "a fastText file cut": ((793712314).to_bytes(4, "little") + b"\x0c\0\0\0", "fastText vectors cannot be read"),
        "Latin-1": ("naïve 1 2 3\n".encode("latin-1"), "v:1: expected utf-8, found byte 0xef in a word"),
    }  # fmt: skip


DAMAGED = damaged()


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(name, tmp_path):
    content, expected = DAMAGED[name]
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(VectorsError, match=expected) as caught:
        open_vectors(tmp_path / "v", cache=False)
    assert str(caught.value).startswith(str(tmp_path / "v"))
    assert "\n" not in str(caught.value)


def test_every_binary_that_is_cut_is_refused(tmp_path):
    content = write(tmp_path, "word2vec binary").read_bytes().rstrip(b"\n")
    for length in range(len(content)):
        (tmp_path / "v").write_bytes(content[:length])
        with pytest.raises(VectorsError, match=str(tmp_path / "v")):
            open_vectors(tmp_path / "v", cache=False)


def test_folders_pipes_and_missing_files_are_told_apart(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, expected in [
        (tmp_path, "found a folder"),
        (tmp_path / "pipe", "found a device or a pipe"),
        (tmp_path / "none.bin", "no such file of word vectors"),
    ]:
        with pytest.raises(VectorsError, match=expected):
            open_vectors(path)


def test_a_file_that_the_system_does_not_give_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path, why in ((tmp_path / "file" / "v.vec", "Not a directory"), (Path("/proc/self/mem"), "Input/output error")):
        for cache in (True, False):
            with pytest.raises(VectorsError, match=f"^{path}: cannot be read .{why}"):
                open_vectors(path, cache=cache)


def test_a_byte_order_mark_before_binary_vectors_is_refused(tmp_path):
    path = write(tmp_path, "word2vec binary")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(VectorsError, match="found a byte order mark before binary vectors"):
        open_vectors(path, cache=False)


@pytest.mark.parametrize(
    ("line", "said"),
    [(b"", "v:3: expected a word and its numbers, found an empty line"),
     (b"w" * 1001 + b" 1 2", "v:3: expected words of at most 1000 bytes, found a longer one"),
     (b"w" * 1000 + b" 1 2", None)],
)  # fmt: skip
def test_a_line_without_a_word_or_with_one_too_long_is_refused_with_its_number(line, said, tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\na 1 2\n" + line + b"\nb 1 2\n")
    if said is None:
        assert open_vectors(tmp_path / "v", cache=False).words[1] == "w" * 1000
        return
    with pytest.raises(VectorsError, match=said):
        open_vectors(tmp_path / "v", cache=False)


@needs_gensim
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("word2vec binary", ValueError("odd")), ("word2vec text", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")),
     ("word2vec text", (WORDS[:3], MATRIX[:3])), ("word2vec text", (["The", *WORDS[1:]], MATRIX)),
     ("GloVe text", (WORDS, MATRIX[:, :5])), ("word2vec binary", ([*WORDS, "more"], MATRIX[[0, *range(7)]]))],
    ids=["damaged", "not UTF-8", "fewer words", "another word", "another dimension", "more words"],
)  # fmt: skip
def test_where_gensim_disagrees_with_the_scan_the_file_is_read_without_it(kind, outcome, tmp_path, monkeypatch):
    def load(*_arguments, **_settings):
        if isinstance(outcome, Exception):
            raise outcome
        return keyed(*outcome)

    path = write(tmp_path, kind)
    monkeypatch.setattr("gensim.models.KeyedVectors.load_word2vec_format", load)
    vectors = open_vectors(path, cache=False)
    assert list(vectors.words) == WORDS
    np.testing.assert_allclose(vectors.matrix, MATRIX, rtol=1e-5)


@needs_gensim
def test_a_fasttext_file_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.vectors.open._CHILD_SECONDS", 0.01)
    write_small_fasttext(tmp_path / "v")
    with pytest.raises(VectorsError, match="reading these fastText vectors took too long"):
        open_vectors(tmp_path / "v", cache=False)


def test_a_large_file_is_announced(tmp_path, monkeypatch):
    said = []
    path = write(tmp_path, "word2vec text")
    monkeypatch.setattr("textclf.vectors.open._SLOW_BYTES", path.stat().st_size)
    open_vectors(path, cache=False, say=said.append)
    assert said == [f"reading {path} (word2vec text); later uses take it from the cache"]


# --- the cache --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_use_reads_the_cache_and_a_changed_file_is_read_anew(own_cache, tmp_path, monkeypatch):
    path = write(tmp_path, "word2vec text")
    first = open_vectors(path)
    with monkeypatch.context() as patch:
        patch.setattr("textclf.vectors.open._read", lambda *_: pytest.fail("the file was read again"))
        again = open_vectors(path)
    assert isinstance(again.matrix, np.memmap)
    assert list(again.words) == list(first.words)
    assert again.matrix.tobytes() == first.matrix.tobytes()
    path.write_bytes(b"1 2\nother 1 2\n")
    assert list(open_vectors(path).words) == ["other"]
    assert len(cached_entries()) == 2
    assert clear_cache() > 0
    assert cached_entries() == []


@pytest.mark.parametrize("part", ["matrix.npy", "words.npy", "offsets.npy", "about.json"])
def test_a_damaged_cache_entry_is_made_anew(part, own_cache, tmp_path):
    path = write(tmp_path, "word2vec text")
    open_vectors(path)
    (entry,) = own_cache.glob("vectors/*/*/about.json")
    (entry.parent / part).write_bytes(b"damaged")
    assert list(open_vectors(path).words) == WORDS
    assert isinstance(open_vectors(path).matrix, np.memmap)


def test_a_cache_entry_of_sound_parts_that_do_not_fit_is_made_anew(own_cache, tmp_path):
    path = write(tmp_path, "word2vec text")
    open_vectors(path)
    (matrix,) = own_cache.glob("vectors/*/*/matrix.npy")
    np.save(matrix, MATRIX[:1])
    assert list(open_vectors(path).words) == WORDS
    assert np.load(matrix).shape == MATRIX.shape


def test_a_remembered_digest_that_is_none_is_not_believed(own_cache, tmp_path):
    path = write(tmp_path, "word2vec text")
    first = open_vectors(path)
    (note,) = own_cache.glob("vectors/*/seen/*")
    note.write_text("0" * 63)
    assert open_vectors(path).sha256 == first.sha256


def test_of_two_processes_that_keep_the_same_vectors_both_are_content(own_cache, tmp_path):
    vectors = open_vectors(write(tmp_path, "word2vec text"))
    assert store(vectors)
    (entry,) = own_cache.glob("vectors/*/*/about.json")
    assert [path for path in entry.parent.parent.iterdir() if path.name.startswith(".")] == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    assert list(open_vectors(write(tmp_path, "GloVe text")).words) == WORDS


# --- gensim's downloader ----------------------------------------------------------------------------------------------


@needs_gensim
def test_a_name_of_the_downloader_is_taken_from_its_folder_and_no_code_is_run(tmp_path):
    folder = tmp_path / "gensim" / "tiny-vectors"
    folder.mkdir(parents=True)
    content = gzip.compress(write(tmp_path, "word2vec text").read_bytes())
    (folder / "tiny-vectors.gz").write_bytes(content)
    (folder / "__init__.py").write_text("raise SystemExit('the code was run')")
    about = {"checksum": hashlib.md5(content).hexdigest(), "parts": 1, "file_name": "tiny-vectors.gz"}
    catalogue = {"corpora": {}, "models": {"tiny-vectors": about}}
    (tmp_path / "gensim" / "information.json").write_text(json.dumps(catalogue))
    program = (
        "from textclf.vectors import open_vectors\nfrom textclf.errors import VectorsError\n"
        "print(*open_vectors('tiny-vectors', cache=False).words)\n"
        "try:\n    open_vectors('no-such-vectors')\nexcept VectorsError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "GENSIM_DATA_DIR": str(tmp_path / "gensim"), "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    words, error = done.stdout.splitlines()
    assert words.split() == WORDS
    assert error.startswith("no-such-vectors: no such file, ")


@needs_gensim
@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (OSError("no route to host"), r"such: no such file, and it could not be fetched \(no route to host\)"),
        (ValueError("Incorrect model/corpus name"), "such: no such file, nor a name that gensim's downloader knows"),
        ("a folder", "such: these data are not word vectors. Give another name."),
    ],
)
def test_what_cannot_be_had_from_the_downloader_is_said_in_a_line(outcome, said, tmp_path, monkeypatch):
    def load(_name, *, return_path):
        if isinstance(outcome, Exception):
            raise outcome
        return str(tmp_path)

    monkeypatch.setattr("gensim.downloader.load", load)
    with pytest.raises(VectorsError, match=said):
        open_vectors("such", cache=False)


# --- training and the starter vectors ---------------------------------------------------------------------------------


CORPUS = "\n".join(["the good film was good", "a bad film , a bad bad film", "good acting and bad music"] * 40)


@needs_gensim
def test_trained_vectors_are_the_same_each_time_from_each_kind_of_corpus(tmp_path):
    (tmp_path / "corpus.txt").write_text(CORPUS)
    (tmp_path / "corpus.txt.gz").write_bytes(gzip.compress(CORPUS.encode()))
    rows = "\n".join(f'{i},"{line}"' for i, line in enumerate(CORPUS.split("\n")))
    (tmp_path / "corpus.csv").write_text(f"id,text\n{rows}")

    def arguments(name, *options):
        call = ["vectors", "train", str(tmp_path / name), "-o", str(tmp_path / "out.bin"), "--dimension", "8", "-q"]
        return [*call, *options]

    def here(*given):
        assert run(arguments(*given)) == 0
        return (tmp_path / "out.bin").read_bytes()

    first = here("corpus.txt")
    again = [sys.executable, "-m", "textclf", *arguments("corpus.txt")]
    subprocess.run(again, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, check=True)
    assert (tmp_path / "out.bin").read_bytes() == first
    assert here("corpus.txt.gz") == first
    assert here("corpus.csv", "--text-column", "text") == first
    assert here("corpus.txt", "--seed", "2") != first
    vectors = open_vectors(tmp_path / "out.bin", cache=False)
    assert set(vectors.words[:3]) == {"film", "good", "bad"}
    assert vectors.dimension == 8


def test_what_is_saved_is_read_back_and_the_grid_moves_numbers_by_half_a_step_at_most(tmp_path):
    vectors = WordVectors(WORDS, MATRIX, "v", "", "word2vec binary")
    for name in ("v.bin", "v.bin.gz", "v.txt", "v.vec", "v.VEC.gz"):
        save_word2vec(vectors, tmp_path / name)
        assert open_vectors(tmp_path / name, cache=False).matrix.tobytes() == MATRIX.tobytes()
    assert gzip.decompress((tmp_path / "v.VEC.gz").read_bytes()).startswith(b"7 6\nthe ")
    snapped = to_grid(MATRIX)
    largest = np.abs(MATRIX).max(axis=1, keepdims=True)
    assert (np.abs(snapped - MATRIX) <= largest / 127).all()
    assert all(len(np.unique(np.abs(row))) <= 128 for row in to_grid(np.random.default_rng(0).normal(size=(3, 5000))))


@needs_gensim
@pytest.mark.parametrize("name", ["v", "v.gz", "v.npy", "v.bin.zip", "v.txt.xz", ".bin"])
def test_vectors_are_not_trained_for_a_name_that_says_no_format(name, tmp_path, capsys):
    (tmp_path / "corpus.txt").write_text("the good film was good\n" * 40)
    assert run(["vectors", "train", str(tmp_path / "corpus.txt"), "-o", str(tmp_path / name)]) == 1
    assert f"{name}: expected a name that ends in .bin, .vec or .txt" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_what_needs_gensim_says_so_in_a_line(tmp_path, capsys, hide_gensim):
    hide_gensim()
    (tmp_path / "corpus.txt").write_text("the good film was good\n" * 40)
    assert run(["vectors", "train", str(tmp_path / "corpus.txt"), "-o", str(tmp_path / "v.bin")]) == 1
    assert "vectors train: expected the package gensim, which is not installed." in capsys.readouterr().err
    with pytest.raises(VectorsError, match="glove-such: no such file, and names are fetched by gensim, which is not"):
        open_vectors("glove-such")
    assert len(open_vectors("starter", cache=False)) > 20_000


@pytest.mark.parametrize("is_folder", [True, False])
def test_starter_names_the_vectors_that_come_along_whatever_else_is_called_so(is_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("starter").mkdir() if is_folder else Path("starter").write_text("a 1 2\n")
    assert len(open_vectors("starter")) > 20_000
    if not is_folder:
        assert list(open_vectors("./starter", cache=False).words) == ["a"]


def test_the_starter_vectors_are_small_and_know_what_is_near():
    assert starter_path().stat().st_size <= 8_000_000
    vectors = open_vectors("starter")
    assert (len(vectors), vectors.dimension) == (60_000, 160)
    assert not vectors.is_cased
    assert {word for word, _ in nearest(vectors, "excellent", 5)} & {"superb", "outstanding", "fantastic"}
    assert nearest(vectors, "boring", 1)[0][0] in {"dull", "tedious"}
    with pytest.raises(VectorsError, match="starter: no word 'Xyzzy'"):
        nearest(vectors, "Xyzzy", 1)


def test_numbers_with_exponents_are_read_as_what_they_are(tmp_path):
    (tmp_path / "v.txt").write_text("2 3\ngood 1e-3 -2.5E+1 3\nbad 0.1 1e2 .5\n")
    assert (
        open_vectors(tmp_path / "v.txt", cache=False).matrix.tolist()
        == np.array([[1e-3, -25.0, 3.0], [0.1, 100.0, 0.5]], np.float32).tolist()
    )


def test_the_cache_is_listed_and_cleared_by_the_command(own_cache, tmp_path, capsys):
    path = write(tmp_path, "word2vec text")
    open_vectors(path)
    assert run(["vectors", "cache", "list"]) == 0
    assert capsys.readouterr().out.endswith(f" MB  {path}\n")
    assert run(["vectors", "cache", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == str(path)
    assert run(["vectors", "cache", "clear"]) == 0
    assert capsys.readouterr().err.endswith(" MB removed\n")
    assert run(["vectors", "cache", "list"]) == 0
    assert capsys.readouterr().out == ""


@needs_gensim
def test_vectors_on_a_grid_pack_well_and_several_workers_are_warned_of(tmp_path, capsys):
    (tmp_path / "corpus.txt").write_text("the good film was good\na bad film\n" * 40)
    command = ["vectors", "train", str(tmp_path / "corpus.txt"), "--dimension", "50", "--epochs", "1", "--workers", "2"]
    for bits in ("8", "32"):
        assert run([*command, "-o", str(tmp_path / f"{bits}.bin.gz"), "--bits", bits]) == 0
    said = capsys.readouterr().err
    assert said.count("Warning: with more than one worker two runs give two results.\n") == 2
    assert (tmp_path / "8.bin.gz").stat().st_size < 0.8 * (tmp_path / "32.bin.gz").stat().st_size
    assert run([*command, "-o", str(tmp_path / "none.bin"), "--min-count", "1000"]) == 1
    assert "no word occurs 1000 times. Lower --min-count." in capsys.readouterr().err


def test_what_is_odd_about_vectors_is_told_where_they_are_used(own_cache, tmp_path, capsys):
    (tmp_path / "v.txt").write_text("3 2\ngood 1 2\nbad 2 1\ngood 3 3\n")
    (tmp_path / "t.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 5)
    command = ["train", str(tmp_path / "t.csv"), "-o", str(tmp_path / "m"), "--vectors", str(tmp_path / "v.txt")]
    assert run([*command, "--recipe", "fast", "--quiet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Warning: {tmp_path / 'v.txt'}: ")

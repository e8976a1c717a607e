"""Files of word vectors that are damaged, lie about themselves, or are something else: V01 to V38."""

import gzip
import io
import json
import os
import pickle
import re
import socket
import zipfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hostile import Case, accepted, assert_clean, long_running, numbered, refused, textclf, within

from textclf.errors import VectorsError
from textclf.vectors import open_vectors

with suppress(ImportError):
    import_module("gensim.models.fasttext")  # here, so that no test is timed with it

WORDS = ["the", "good", "naïve", "好", "x1"]
MATRIX = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
ROWS = [[float(np.format_float_positional(x, 4)) for x in row] for row in MATRIX]


def text(words=WORDS, rows=ROWS, header=True, gap=" ", end="\n"):
    """Return vectors as text, in the word2vec layout or, without a header, in GloVe's."""
    lines = [f"{len(rows)} {len(rows[0])}"] if header else []
    lines += [gap.join([word, *map(str, row)]) for word, row in zip(words, rows, strict=True)]
    return (end.join(lines) + end).encode()


def binary(words=WORDS, matrix=MATRIX, header=None, line_end=b""):
    """Return vectors in word2vec's binary layout."""
    rows = zip(words, matrix.astype("<f4"), strict=True)
    body = b"".join(
        (word if isinstance(word, bytes) else word.encode()) + b" " + row.tobytes() + line_end for word, row in rows
    )
    return (header or f"{len(words)} {matrix.shape[1]}\n".encode()) + body


def with_number(number):
    """Return vectors as text in which the second word has `number` for its third."""
    return text().replace(str(ROWS[1][2]).encode(), number, 1)


def with_header(header):
    """Return the same vectors under another header, as text and in binary, by layout."""
    return {"text": header + b"\n" + text(header=False), "binary": binary(header=header + b"\n")}


def files_of(module_bytes):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", module_bytes)
    return stream.getvalue()


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return (Path.touch, (Path("a-pickle-ran"),))


def array_file():
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    return stream.getvalue()


HEADERS = {  # number and name: the header, and what is said of it
    "V01 10^12 words": (b"1000000000000 4", "expected 1 to 20,000,000 words, the header says 1,000,000,000,000"),
    "V02 10^8 words of 300": (b"100000000 300", "expected 1 to 20,000,000 words, the header says 100,000,000"),
    "V02 10^7 words of 300": (b"10000000 300", "10,?000,?000 words|promises vectors of 300 numbers, most lines have 4"),
    "V03 10^30 words": (b"1" + b"0" * 30 + b" 4", "expected 1 to 20,000,000 words"),
    "V04 a count of 5,000 digits": (b"9" * 5000 + b" 4", "expected 1 to 20,000,000 words"),
    "V05 10^12 dimensions": (b"5 1000000000000", "expected vectors of 1 to 10,000 numbers"),
    "V06 no dimensions": (b"5 0", "expected vectors of 1 to 10,000 numbers, the header says 0"),
    "V07 -4 dimensions": (b"5 -4", "expected vectors of 1 to 10,000 numbers, the header says -4"),
    "V08 no words": (b"0 4", "expected 1 to 20,000,000 words, the header says 0"),
    "V09 -10 words": (b"-10 4", "expected 1 to 20,000,000 words, the header says -10"),
    "V10 a count too small": (b"3 4", r"promises 3 words.* found (5|more)"),
    "V11 a count too large": (b"6 4", "promises 6 words, found 5"),
}


@pytest.mark.parametrize("layout", ["text", "binary"])
@pytest.mark.parametrize(("header", "said"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies_is_refused_before_memory_is_taken(header, said, layout, tmp_path):
    (tmp_path / "v.vec").write_bytes(with_header(header)[layout])
    with within(5, megabytes=50):
        refused(said, "vectors", "info", tmp_path / "v.vec", "--no-cache")


REFUSED = {
    "V14 not a number": Case(with_number(b"nan"), r"v:3: expected a number, found 'nan', in the vector of 'good'"),
    "V14 infinite": Case(with_number(b"-inf"), r"v:3: expected a number, found '-inf'"),
    "V14 too large for a float": Case(with_number(b"1e400"), r"v:3: a number in the vector of 'good' is not finite"),
    "V14 not a number in a binary": Case(
        binary(matrix=np.where(np.arange(20).reshape(5, 4) == 6, np.nan, MATRIX)), r"vector of 'good'.* not finite"
    ),
    "V18 words in latin-1": Case(
        text(header=False).replace("ï".encode(), b"\xef"), r"v:3: expected utf-8, found byte 0xef"
    ),
    "V18 words in latin-1 in a binary": Case(
        binary(["a", b"caf\xe9", "c", "d", "e"]), r"expected utf-8, found byte 0xe9"
    ),
    "V22 a blank in a word of a binary": Case(binary(["the", "new york", "c", "d", "e"]), "word 3|damaged|cut"),
    "V23 a word of 20 MB": Case(lambda: text(["a", "b" * 20_000_000, "c", "d", "e"]), "found a longer one"),
    "V23 a word of 20 MB in a binary": Case(
        lambda: binary(["a", "b" * 20_000_000, "c", "d", "e"]), "found a longer one"
    ),
    "V24 60 MB without a blank": Case(lambda: b"5 4\n" + b"\x80" * 60_000_000, "expected words of at most"),
    "V25 an empty file": Case(b"", "found an empty file"),
    "V29 one dimension under an integer": Case(b"12 3\nw0 1\nw1 2\n", "v:1: .* put a header above it"),
    "V30 carriage returns only": Case(text(end="\r"), "carriage returns alone"),
    "V30 UTF-16 with a mark": Case(text().decode().encode("utf-16"), "UTF-16"),
    "V30 UTF-16 without a mark": Case(text().decode().encode("utf-16-le"), "UTF-16|not a file of word vectors"),
    "V32 a decimal comma": Case(with_number(b"1,5"), "found '1,5'"),
    "V32 an underscore": Case(with_number(b"1_0"), "found '1_0'"),
    "V32 hexadecimal": Case(with_number(b"0x1"), "found '0x1'"),
    "V32 Arabic digits": Case(with_number("١".encode()), "found '١'"),
    "V33 a bomb of one header": Case(lambda: gzip.compress(b"1" * 100_000_000, 1), "over|unpacks"),
    "V34 a bomb of one vector": Case(lambda: gzip.compress(b"5 4\nw " + b"1 " * 50_000_000, 1), "over|unpacks|longer"),
    "V35 packed 118 times": Case(
        lambda: gzip.compress(text(list(map(str, range(5000))), [[0.0] * 100] * 5000)), "Unpack it yourself"
    ),
    "V36 gzip cut": Case(gzip.compress(text())[:-10], "the gzip data are damaged or cut"),
    "V36 gzip with another checksum": Case(gzip.compress(text())[:-8] + b"\0" * 8, "the gzip data are damaged or cut"),
    "V36 gzip packed twice": Case(gzip.compress(gzip.compress(text())), "found data that are packed twice"),
    "V36 something after gzip": Case(gzip.compress(text()) + b"more", "the gzip data are damaged or cut"),
    "V37 a pickle": Case(pickle.dumps(Bomb(), 4), "found a pickle"),
    "V37 a pickle of protocol 0": Case(pickle.dumps(Bomb(), 0), "not a file of word vectors"),
    "V37 an array of objects": Case(array_file, "found a NumPy array"),
    "V37 a .pt": Case(files_of(pickle.dumps(Bomb(), 2)), "found a pickle"),
    "V37 a packed pickle": Case(gzip.compress(pickle.dumps(Bomb(), 4)), "found a pickle"),
}


@numbered(REFUSED)
def test_what_is_no_whole_file_of_vectors_is_refused(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case.write(tmp_path / "v")
    with within(20, megabytes=150):
        refused(case.refused, "vectors", "info", tmp_path / "v", "--no-cache")
    assert not Path("a-pickle-ran").exists()


READ = {
    "V15 a huge value": Case(with_number(b"2000000"), read=WORDS, says="a value as large as 2e.06"),
    "V15 rows of zeros": Case(
        text(rows=[*ROWS[:3], *[[0.0] * 4] * 2]), read=WORDS, says="2 words have a vector of zeros"
    ),
    "V16 text told from binary": Case(text(), read=WORDS),
    "V17 binary told from text": Case(binary(), read=WORDS),
    "V17 binary with line ends": Case(binary(line_end=b"\n"), read=WORDS),
    "V19 a word twice": Case(text(["a", "b", "a", "c", "a"]), read=["a", "b", "c"], says="2 words are .* repeated"),
    "V19 a word twice in a binary": Case(
        binary(["a", "b", "a", "c", "a"]), read=["a", "b", "c"], says="2 words are .* repeated"
    ),
    "V20 a word in two normal forms": Case(
        text(["café", "cafe\u0301", "a", "b", "c"]),
        read=["café", "cafe\u0301", "a", "b", "c"],
        says="1 words? .*normal",
    ),
    "V21 a blank in a word": Case(
        text(["new york", ". . .", "c", "d", "e"]), read=["new york", ". . .", "c", "d", "e"]
    ),
    "V23 no word": Case(text(["the", "", "b", "c", "d"]), read=["the", "b", "c", "d"], says="1 word is .* empty"),
    "V23 no word in a binary": Case(
        binary(["the", "", "b", "c", "d"]), read=["the", "b", "c", "d"], says="1 word is .* empty"
    ),
    "V23 NUL in a word": Case(text(["a\0b", "b", "c", "d", "e"]), read=["a\0b", "b", "c", "d", "e"]),
    "V28 GloVe with a header": Case(text(), read=WORDS),
    "V28 GloVe without a header": Case(text(header=False), read=WORDS),
    "V30 carriage returns and line feeds": Case(text(end="\r\n"), read=WORDS),
    "V30 a carriage return before binary": Case(binary(header=b"5 4\r\n"), read=WORDS),
    "V30 a byte order mark": Case(b"\xef\xbb\xbf" + text(), read=WORDS),
    "V30 a byte order mark without a header": Case(b"\xef\xbb\xbf" + text(header=False), read=WORDS),
    "V31 tabs": Case(text(gap="\t"), read=WORDS),
    "V31 double spaces": Case(text(gap="  "), read=WORDS),
    "V31 a blank at the end of lines": Case(text(end=" \n"), read=WORDS),
    "V36 gzip without its ending": Case(gzip.compress(text()), read=WORDS),
    "V36 several members": Case(gzip.compress(text()[:40]) + gzip.compress(text()[40:]), read=WORDS),
}


@numbered(READ)
def test_vectors_are_read_as_what_they_are_and_what_is_odd_is_told(case, tmp_path):
    outcome = accepted("vectors", "info", case.write(tmp_path / "v"), "--no-cache", "--json")
    facts = json.loads(outcome.out)
    assert facts["first_words"] == case.read
    assert facts["dimension"] == 4
    assert re.search(case.says, " ".join(facts["notes"]))


@pytest.mark.parametrize("layout", ["V12 binary", "V12 binary packed", "V13 text", "V13 text packed"])
def test_a_file_cut_at_any_byte_is_refused_or_its_last_number_is_doubted(layout, tmp_path):
    content = binary() if "binary" in layout else text()
    path = tmp_path / "v"
    for length in range(len(content)):
        cut = content[:length]
        path.write_bytes(gzip.compress(cut, 1) if "packed" in layout else cut)
        if "text" in layout and length > content.rindex(b" ") + 1:  # only the last number may have lost digits
            vectors = open_vectors(path, cache=False)
            assert list(vectors.words) == WORDS
            assert vectors.notes == ("the last line has no line end: is its last number whole?",)
            continue
        with pytest.raises(VectorsError, match=r"v:?.*\.$"):
            open_vectors(path, cache=False)


def test_v18_words_in_another_encoding_are_read_when_it_is_named(tmp_path):
    (tmp_path / "v").write_bytes(text().decode().replace("好", "ß").encode("latin-1"))
    for _ in range(2):
        assert list(open_vectors(tmp_path / "v", encoding="latin-1").words) == ["the", "good", "naïve", "ß", "x1"]
    with pytest.raises(VectorsError, match="expected utf-8, found byte 0xef"):
        open_vectors(tmp_path / "v")


@pytest.mark.parametrize("kind", ["V26 a folder", "V26 a pipe", "V26 a device without an end", "V26 a socket"])
def test_what_is_no_regular_file_is_refused_unread(kind, tmp_path):
    path = tmp_path / "v"
    with socket.socket(socket.AF_UNIX) as listener, within(20):
        if "folder" in kind:
            path.mkdir()
        elif "pipe" in kind:
            os.mkfifo(path)
        elif "socket" in kind:
            listener.bind(os.path.relpath(path))
        else:
            path = Path("/dev/zero")
        for cache in ([], ["--no-cache"]):
            refused("found a (folder|device or a pipe)", "vectors", "info", path, *cache)


def test_v27_a_missing_file_and_one_without_permission_are_refused(tmp_path, monkeypatch):
    refused("no such file of word vectors", "vectors", "info", tmp_path / "v.vec")
    (tmp_path / "v.vec").write_bytes(text())
    whole = os.open

    def guarded(path, *arguments, **settings):
        if os.fspath(path).endswith("v.vec"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *arguments, **settings)

    monkeypatch.setattr("io.open", lambda path, *a, **k: guarded(path))
    refused("v.vec: .*Permission denied", "vectors", "info", tmp_path / "v.vec", "--no-cache")


@pytest.fixture(scope="module")
def fasttext_file(tmp_path_factory):
    """Make a native fastText file of three words."""
    pytest.importorskip("gensim")
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    path = tmp_path_factory.mktemp("fasttext") / "v.bin"
    sentences = [["good", "film"], ["bad", "film"]] * 5
    model = FastText(sentences, vector_size=4, min_count=1, epochs=1, seed=1, workers=1, bucket=20)
    save_facebook_model(model, str(path))
    return path.read_bytes()


@pytest.mark.parametrize(
    "damages", [pytest.param(2, id="V38 a sample"), pytest.param(1000, id="V38 all", marks=long_running)]
)
def test_a_damaged_fasttext_file_is_read_apart_and_ends_in_vectors_or_one_line(damages, fasttext_file, tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(damages):
        content = bytearray(fasttext_file)
        for place in rng.integers(4, 400, 2).tolist():
            content[place] = int(rng.integers(256))
        (tmp_path / "v").write_bytes(content)
        with within(30):
            outcome = textclf("vectors", "info", tmp_path / "v", "--no-cache")
        assert_clean(outcome)
        assert outcome.code == 0 or re.fullmatch(r"Error: .*/v: .*[.]\n", outcome.err)

"""A vectors file is looked through to its end: every bound holds exactly, and blocks of any size find the same."""

import gzip
import io
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from textclf.errors import VectorsError
from textclf.vectors.records import check_records
from textclf.vectors.scan import Scan, check_values, open_unpacked, scan

module = import_module("textclf.vectors.scan")  # the package has a function of this name
FLOATS = np.arange(1, 7, dtype="<f4").reshape(3, 2)


@pytest.fixture
def scanned(tmp_path):
    """Return what scans some bytes as the file `v`."""

    def scanned(content, **options):
        (tmp_path / "v").write_bytes(content)
        return scan(tmp_path / "v", **options)

    return scanned


@pytest.fixture
def refused(scanned):
    """Return what holds that some bytes are refused, with what is said after the file's name."""

    def refused(content, said):
        with pytest.raises(VectorsError, match=r"/v(:|: .*)" + said):
            scanned(content)

    return refused


def binary(words, line_end=b""):
    rows = zip(words, FLOATS[np.arange(len(words)) % 3], strict=True)
    return b"".join(word + b" " + row.tobytes() + line_end for word, row in rows)


# What a file is


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"3 2\na 1 2\nb 3 4\nc 5 6\n", Scan("word2vec text", 3, 2, False, False)),
        (b"3 2\r\na 1 2\r\nb 3 4\r\nc 5 6", Scan("word2vec text", 3, 2, False, False, is_open=True)),
        (b"\xef\xbb\xbf1 1\na 1\n", Scan("word2vec text", 1, 1, False, True)),
        (b"a 1 2\nb 3 4\nc 5 6\n", Scan("GloVe text", 3, 2, False, False)),
        (b"\xef\xbb\xbfa 1 2\nb 3 4", Scan("GloVe text", 2, 2, False, True, is_open=True)),
        (b"new york 1 2\nb 3 4\n", Scan("GloVe text", 2, 2, False, False)),
        (b"3 2\n" + binary([b"a", b"b", b"c"]), Scan("word2vec binary", 3, 2, False, False)),
        (module._FASTTEXT + b"\x0c\0\0\0", Scan("fastText binary", 0, 0, False, False)),
    ],
)
def test_a_file_is_told_in_full_packed_or_not(content, found, scanned):
    assert scanned(content) == found
    assert scanned(gzip.compress(content)) == Scan(**{**vars(found), "is_gzip": True})


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\x80\x04", "a pickle"), (b"PK\x03\x04", "a zip archive"), (b"\x93NUMPY", "a NumPy array"),
        (b"\x89HDF\r\n", "an HDF5 file"), (b"\xff\xfea\0", "UTF-16 text"), (b"\xfe\xff\0a", "UTF-16 text"),
        (b"PAR1", "a Parquet table"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named(start, what, refused):
    refused(start + b" 1 2\n", f"expected word2vec, GloVe or fastText vectors, found {what}[.,( ]")


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte != 10])
def test_binary_is_told_from_text_by_bytes_that_text_does_not_hold(byte, scanned):
    content = b"1 1\nw " + bytes([byte]) + b"abc"
    if byte < 9 or 13 < byte < 32 or byte > 126:
        assert scanned(content).kind == "word2vec binary"
        return
    with pytest.raises(VectorsError, match="v:2: "):
        scanned(content)


def test_binary_is_told_by_the_first_4096_bytes_after_the_header(scanned, refused):
    for place in (0, 4093):
        numbers = bytearray(b"a" * 8000)
        numbers[place] = 1
        assert scanned(b"1 2000\nw " + numbers).kind == "word2vec binary"
    refused(b"1 2000\nw " + b"a" * 4094 + b"\x01" + b"a" * 3905, "2: the first line promises vectors of 2000 numbers")


def test_an_empty_first_record_is_told_as_binary_and_a_header_alone_as_cut(refused):
    refused(b"1 2\n\n", "the header promises 1 words, found 0 whole ones")
    refused(b"1 2", "the header promises 1 words, found 0 whole ones")


def test_the_first_21_lines_tell_the_dimension_of_a_file_without_a_header(scanned, refused):
    named = b"new york 1 2\n"
    assert scanned(named * 20 + b"paris 1 2\n").dimension == 2
    refused(named * 21 + b"paris 1 2\n", "1: expected a number, found 'york'")
    refused(b"a 1 2 3\nb 1\n", "2: expected a word and 3 numbers, found 2 fields")
    refused(b"a 1\nb 2\n", "1: expected 'WORDS DIMENSION' or a word and its numbers, found 'a 1'")
    refused(b"a 1 b\n", "1: expected 'WORDS DIMENSION' or a word and its numbers, found 'a 1 b'")


# The header


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"20000000 1", "1: the header promises 20000000 words, found 1"),
        (b"20000001 1", "1: expected 1 to 20,000,000 words, the header says 20,000,001"),
        (b"0 1", "1: expected 1 to 20,000,000 words, the header says 0"),
        (b"1 10000", "2: the first line promises vectors of 10000 numbers, found 1"),
        (b"1 10001", "1: expected vectors of 1 to 10,000 numbers, the header says 10,001"),
        (b"1 0", "1: expected vectors of 1 to 10,000 numbers, the header says 0"),
        (b"999999999999999999 1", "1: expected 1 to 20,000,000 words, the header says 999,999,999,999,999,999"),
        (b"9999999999999999999 1", "1: expected 1 to 20,000,000 words, the header says 1,000,000,000,000,000,000"),
    ],
)
def test_a_header_is_held_to_its_bounds(header, said, refused):
    refused(header + b"\nw 1\n", said)


def test_a_line_after_the_header_without_numbers_is_no_vector(refused):
    refused(b"1 3\nword\n", "2: expected a word and 3 numbers, found 1 fields")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_first_line_without_an_end_is_refused_from_a_length_on(mark, scanned, refused, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_LINE", 40)
    line = mark + b"a" + b" 1" * 20
    refused(line, "1: the first line is over 40 bytes")
    if not mark:
        refused(b"a" + b" 1" * 18, "1: the first line is over 40 bytes")
    assert scanned((mark + b"a" + b" 1" * 20)[: 36 + len(mark)]).words == 1
    assert scanned(mark + b"a" + b" 1" * 17 + b"\nb" + b" 1" * 17 + b"\n").words == 2


def test_carriage_returns_alone_are_refused_and_before_a_line_feed_are_not(scanned, refused):
    refused(b"1 1\ra 1\r", "expected lines that end with a line feed, found carriage returns alone")
    assert scanned(b"1 1\r\r\na 1\r\r\n").words == 1


# Lines


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 22])
def test_text_in_blocks_of_any_size_is_the_same(block, scanned, refused, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "LONGEST_LINE", 30)
    longest = b"w" * 26 + b" 1 2"
    assert scanned(b"a 1 2\n" + longest + b"\nb 1 2\n") == Scan("GloVe text", 3, 2, False, False)
    assert scanned(b"2 2\n" + longest + b"\n" + longest) == Scan("word2vec text", 2, 2, False, False, is_open=True)
    refused(b"2 2\na 1 2\n\n", "3: expected a word and 2 numbers, found an empty line")
    if block == 1:
        refused(b"a 1 2\nw" + longest + b"\n", "expected lines of at most 30 bytes, found a longer one")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (b"1e39", "3: a number in the vector of 'w' is not finite"),
        (b"1E39", "3: a number in the vector of 'w' is not finite"),
        (b"-1" + b"0" * 70, "3: a number in the vector of 'w' is not finite"),
        (b"1e", "3: expected a number, found '1e', in the vector of 'w'"),
        (b"--1", "3: expected a number, found '--1', in the vector of 'w'"),
        (b"1.2.3", "3: expected a number, found '1.2.3', in the vector of 'w'"),
        (b"." + b"x" * 39, "3: expected a number, found '." + "x" * 39 + "', in"),
        (b"." + b"x" * 40, "3: expected a number, found '." + "x" * 39 + "…', in"),
    ],
)
def test_a_number_that_is_none_is_named_with_its_line(number, said, refused):
    for line in (b"w 1 " + number, b"w " + number + b" 1"):
        refused(b"2 2\na 1 2\n" + line + b"\n", said)


@pytest.mark.parametrize("number", [b"1e38", b"-1E-5", b"+.5", b"1.", b"0" * 100, b"3.40282346e38"])
def test_a_number_may_be_spelt_in_every_usual_way(number, scanned):
    assert scanned(b"a 1 " + number + b"\nb " + number + b" 2\n").words == 2


# Packed files


@pytest.mark.parametrize(
    ("packed", "largest", "limit"), [(100, 8 << 30, 1 << 20), (20_000, 8 << 30, 2_000_000), (20_000, 1500, 1500)]
)
def test_a_packed_file_unpacks_to_so_much_and_no_more(packed, largest, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_UNPACKED", largest)
    (tmp_path / "v").write_bytes(bytes(packed))
    stream = module._Bounded(io.BytesIO(bytes(limit + 1)), tmp_path / "v")
    assert len(stream.read(1)) + len(stream.read(limit - 1)) == limit
    with pytest.raises(VectorsError, match=f"v: unpacks to over 100 times its size or {largest >> 30} GiB"):
        stream.read(1)


def test_what_is_unpacked_is_what_was_packed(tmp_path):
    (tmp_path / "v").write_bytes(gzip.compress(b"abc"))
    with open_unpacked(tmp_path / "v", True) as stream:
        assert (stream.read(2), stream.read(9), stream.read(9)) == (b"ab", b"c", b"")


# Records in binary


WORDS = [b"a", b"b" * 999, b"c" * 1000, "é".encode(), b"e\n"]


def checked(content, words=5):
    check_records(io.BytesIO(content), Path("v"), words, 2, "utf-8")


@pytest.mark.parametrize("block", [1, 9, 1011, 1 << 22])
@pytest.mark.parametrize("line_end", [b"", b"\n"])
def test_records_in_blocks_of_any_size_are_the_same_and_cut_anywhere_are_counted(block, line_end, monkeypatch):
    monkeypatch.setattr("textclf.vectors.records._BLOCK", block)
    content = binary(WORDS * 2, line_end)
    ends = np.cumsum([len(binary([word], line_end)) for word in WORDS * 2]) - len(line_end)
    checked(content, 10)
    for length in {0, *(ends[:-1] + 1), *ends[:-1], *(ends - 1), *(ends - 8), *(ends - 9), *(ends - 10)} - {-1}:
        whole = int(np.searchsorted(ends, length, side="right"))
        with pytest.raises(VectorsError, match=f"^v: the header promises 10 words, found {whole} whole ones"):
            checked(content[:length], 10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([b"a", b"b" * 1001, b"c"], r"expected words of at most 1000 bytes, found a longer one \(word 2\)"),
        ([b"a", b"b", b""], r"expected a word, found none \(word 3\)"),
        ([b"a", b"b\xe9", b"c"], "expected utf-8, found byte 0xe9 in word 2"),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 22])
def test_a_word_of_a_record_that_is_none_is_told_by_its_number(words, said, block, monkeypatch):
    monkeypatch.setattr("textclf.vectors.records._BLOCK", block)
    with pytest.raises(VectorsError, match=f"^v: {said}"):
        checked(binary(words), 3)


def test_after_the_last_record_there_is_nothing_but_line_ends():
    checked(binary([b"a"]) + b"\r\n\n", 1)
    for more in (b"b", b"\n\nb", binary([b"b"])):
        with pytest.raises(VectorsError, match=r"^v: the header promises 1 words, found more after them"):
            checked(binary([b"a"]) + more, 1)


def test_a_rest_without_a_blank_is_a_word_too_long_only_when_it_is():
    for length, said in ((1000, "found 1 whole ones"), (1001, r"found a longer one \(word 2\)")):
        with pytest.raises(VectorsError, match=said):
            checked(binary([b"a"]) + b"b" * length, 2)


# Values


def notes_of(matrix):
    return check_values(Path("v"), [f"w{row}" for row in range(len(matrix))], np.array(matrix, np.float32))


def test_the_largest_value_is_noted_above_a_million_whatever_its_sign():
    assert notes_of([[1e6, -1e6]]) == []
    for value in (2e6, -2e6):
        assert notes_of([[1, 2], [3, value]]) == ["a value as large as 2e+06: was this file read as what it is?"]


@pytest.mark.parametrize(("rows", "usual"), [(1, 1), (100, 1), (101, 2), (200, 2)])
def test_vectors_of_zeros_are_noted_where_there_are_more_than_one_in_a_hundred(rows, usual):
    matrix = np.full((rows + 2, 2), [0, 1])
    matrix[:usual] = 0
    assert notes_of(matrix[:rows]) == []
    matrix[: usual + 1] = 0
    assert notes_of(matrix[: max(rows, usual + 1)]) == [f"{usual + 1} words have a vector of zeros"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_its_word(value):
    with pytest.raises(VectorsError, match=r"^v: a number in the vector of 'w2' \(word 3\) is not finite"):
        notes_of([[1, 2], [3, 4], [5, value], [value, 1]])

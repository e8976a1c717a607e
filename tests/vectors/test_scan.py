"""A vectors file is looked through to its end: every bound holds exactly, and blocks of any size find the same."""

import gzip
import io
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from textclf.errors import VectorsError
from textclf.vectors import layouts, unpack
from textclf.vectors.layouts import WordList, read_records
from textclf.vectors.scan import check_values, scan
from textclf.vectors.unpack import open_unpacked

scan_module = import_module("textclf.vectors.scan")  # the package has a function of this name
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
    ("content", "kind", "words", "dimension", "has_mark", "is_open"),
    [
        (b"3 2\na 1 2\nb 3 4\nc 5 6\n", "word2vec text", "abc", 2, False, False),
        (b"3 2\r\na 1 2\r\nb 3 4\r\nc 5 6", "word2vec text", "abc", 2, False, True),
        (b"3 2\na 1 2\nb 3 4\nc 5 6\n\n \n", "word2vec text", "abc", 2, False, False),
        (b"\xef\xbb\xbf1 1\na 1\n", "word2vec text", "a", 1, True, False),
        (b"a 1 2\nb 3 4\nc 5 6\n", "GloVe text", "abc", 2, False, False),
        (b"a\t1 2\nb\t3 4\nc\t5 6\n", "GloVe text", "abc", 2, False, False),
        (b"a\t1\t2\nb\t3\t4\nc\t5\t6\n", "GloVe text", "abc", 2, False, False),
        (b"\xef\xbb\xbfa 1 2\nb 3 4", "GloVe text", "ab", 2, True, True),
        (b"new york 1 2\nb 3 4\n", "GloVe text", ["new york", "b"], 2, False, False),
        (b"route 66 0.1 2\nb 3.5 4\n a 1. 2\n", "GloVe text", ["route 66", "b", "a"], 2, False, False),
        (b"3 2\n" + binary([b"a", b"b", b"c"]), "word2vec binary", "abc", 2, False, False),
    ],
)  # fmt: skip
def test_a_file_is_told_in_full_packed_or_not(content, kind, words, dimension, has_mark, is_open, scanned):
    for packed in (content, gzip.compress(content), zipped(content)):
        found = scanned(packed)
        assert found.words.words == list(words)
        assert (found.kind, found.dimension, found.has_mark, found.is_open) == (kind, dimension, has_mark, is_open)


def zipped(*contents, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"v{number}.txt", content)
        archive.writestr("__MACOSX/._v", b"of the archiver")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\x80\x04", "a pickle"), (b"\x93NUMPY", "a NumPy array"), (b"\xfd7zXZ\0", "an xz archive"),
        (b"BZh9", "a bzip2 archive"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard archive"), (b"SQLite format 3\0", "an SQLite database"),
        (b"v.txt".ljust(257, b"\0") + b"ustar", "a tar archive"),
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
    with pytest.raises(VectorsError, match="v:1: the header promises vectors of 1 numbers, most lines have 0"):
        scanned(content)


def test_binary_is_told_by_the_first_4096_bytes_after_the_header(scanned, refused):
    for place in (0, 4093):
        numbers = bytearray(b"a" * 8000)
        numbers[place] = 1
        assert scanned(b"1 2000\nw " + numbers).kind == "word2vec binary"
    refused(b"1 2000\nw " + b"a" * 4094 + b"\x01" + b"a" * 3905, "1: the header promises vectors of 2000 numbers")


def test_an_empty_first_record_is_told_as_binary_and_a_header_alone_as_cut(refused):
    refused(b"1 2\n\n", "the header promises 1 words, found 0 whole ones")
    refused(b"1 2", "the header promises 1 words, found 0 whole ones")


@pytest.mark.parametrize("gap", [b" ", b"\t"])
@pytest.mark.parametrize("place", [1, 2, 20, 21, 22, 30])
def test_a_line_of_another_length_is_refused_with_its_number_wherever_it_stands(place, gap, refused):
    lines = [gap.join([b"w%d" % number, b"0.5", b"1.5", b"-2"]) for number in range(1, 31)]
    for odd, found in ((b"w 0.5 1.5", 2), (b"w 0.5", 1), (b"w 0.5 1.5 -2 0.25", 4), (b"w", 0)):
        if (place, found) in ((1, 0), (1, 1)):
            continue  # no vectors at all begin so: it is told from the first line
        content = b"\n".join([*lines[: place - 1], odd.replace(b" ", gap), *lines[place:]])
        refused(content, f"{place}: expected a word and 3 numbers, as most lines have, found {found}\\.")


def test_a_file_that_is_no_vectors_is_told_by_its_first_line(refused):
    refused(b"a 1 2 3\nb 1\n", "2: expected a word and 3 numbers, as most lines have, found 1")
    refused(b"a 1\nb 2\n", "1: expected 'WORDS DIMENSION' or a word and its numbers, found 'a 1'")
    refused(b"a 1 b\n", "1: expected 'WORDS DIMENSION' or a word and its numbers, found 'a 1 b'")
    refused(b"a b 1\nb c 2\n", "expected lines of a word and 2 to 10,000 numbers, found 1 numbers in most")


@pytest.mark.parametrize("header", [b"2 2 1", b"2 3 1", b"2 1 1 1"])
def test_a_header_of_more_than_two_numbers_is_refused(header, refused):
    refused(header + b"\na 1 2\nb 3 4\n", "1: expected the header 'WORDS DIMENSION', or none, found")
    refused(b"9 9 9 9\na 1 2\nb 3 4\n", "1: expected a word and 2 numbers, as most lines have, found 3")


# The header


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"20000000 1", "1: the header promises 20000000 words, found 1"),
        (b"20000001 1", "1: expected 1 to 20,000,000 words, the header says 20,000,001"),
        (b"0 1", "1: expected 1 to 20,000,000 words, the header says 0"),
        (b"1 10000", "1: the header promises vectors of 10000 numbers, most lines have 1"),
        (b"1 10001", "1: expected vectors of 1 to 10,000 numbers, the header says 10,001"),
        (b"1 0", "1: expected vectors of 1 to 10,000 numbers, the header says 0"),
        (b"999999999999999999 1", "1: expected 1 to 20,000,000 words, the header says 999,999,999,999,999,999"),
        (b"9999999999999999999 1", "1: expected 1 to 20,000,000 words, the header says 1,000,000,000,000,000,000"),
    ],
)
def test_a_header_is_held_to_its_bounds(header, said, refused):
    refused(header + b"\nw 1\n", said)


def test_a_line_after_the_header_without_numbers_is_no_vector(refused):
    refused(b"1 3\nword\n", "1: the header promises vectors of 3 numbers, most lines have 0")
    refused(b"2 3\na 1 2 3\nword\n", "3: expected a word and 3 numbers, as most lines have, found 0")


def test_a_header_is_held_to_what_most_lines_have(refused):
    """Or the numbers in front of the last two would be parts of the words."""
    refused(b"2 2\na .5 .5 .5\nb .5 .5 .5\n", "1: the header promises vectors of 2 numbers, most lines have 3")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_first_line_without_an_end_is_refused_from_a_length_on(mark, scanned, refused, monkeypatch):
    monkeypatch.setattr(scan_module, "LONGEST_LINE", 40)
    line = mark + b"a" + b" 1" * 20
    refused(line, "1: the first line is over 40 bytes")
    if not mark:
        refused(b"a" + b" 1" * 18, "1: the first line is over 40 bytes")
    assert scanned((mark + b"a" + b" 1" * 20)[: 36 + len(mark)]).words.words == ["a"]
    assert scanned(mark + b"a" + b" 1" * 17 + b"\nb" + b" 1" * 17 + b"\n").words.words == ["a", "b"]


def test_carriage_returns_alone_are_refused_and_before_a_line_feed_are_not(scanned, refused):
    refused(b"1 1\ra 1\r", "expected lines that end with a line feed, found carriage returns alone")
    assert scanned(b"1 1\r\r\na 1\r\r\n").words.words == ["a"]


# Lines


@pytest.mark.parametrize("block", [1, 2, 7, 1 << 22])
def test_text_in_blocks_of_any_size_is_the_same(block, scanned, refused, monkeypatch):
    monkeypatch.setattr(layouts, "_BLOCK", block)
    monkeypatch.setattr(layouts, "LONGEST_LINE", 30)
    longest = b"w" * 26 + b" 1 2"
    found = scanned(b"a 1 2\n" + longest + b"\nb 1 2\n")
    assert (found.words.words, found.is_open) == (["a", "w" * 26, "b"], False)
    assert scanned(b"2 2\n" + longest + b"\n" + longest).is_open
    refused(b"2 2\na 1 2\n\nb 1 2", "3: expected a word and its numbers, found an empty line")
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
    assert scanned(b"a 1 " + number + b"\nb " + number + b" 2\n").words.words == ["a", "b"]


# Packed files


@pytest.mark.parametrize(
    ("packed", "largest", "limit"), [(100, 8 << 30, 1 << 20), (20_000, 8 << 30, 2_000_000), (20_000, 1500, 1500)]
)
def test_a_packed_file_unpacks_to_so_much_and_no_more(packed, largest, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST_UNPACKED", largest)
    (tmp_path / "v").write_bytes(bytes(packed))
    stream = unpack._Bounded(io.BytesIO(bytes(limit + 1)), tmp_path / "v")
    assert len(stream.read(1)) + len(stream.read(limit - 1)) == limit
    with pytest.raises(VectorsError, match=f"v: unpacks to over 100 times its size or {largest >> 30} GiB"):
        stream.read(1)


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_what_is_unpacked_is_what_was_packed(pack, tmp_path):
    (tmp_path / "v").write_bytes(pack(b"abc"))
    with open_unpacked(tmp_path / "v") as stream:
        assert (stream.read(2), stream.read(9), stream.read(9)) == (b"ab", b"c", b"")


def test_a_zip_archive_is_refused_unless_it_holds_one_file_that_anybody_can_unpack(refused):
    refused(
        zipped(b"a 1 2\n", b"b 3 4\n"), "found a zip archive of 2 files .'v0.txt', 'v1.txt'.*Unpack it and name one"
    )
    refused(zipped(), "found a zip archive of 0 files")
    refused(zipped(b"a 1 2\n", compression=zipfile.ZIP_LZMA), "found a zip archive with a password or an unusual")
    refused(zipped(zipped(b"a 1 2\n")), "found data that are packed twice")
    refused(zipped(b"a 1 2\n")[:-5], "the zip archive is damaged or cut")
    refused(zipped(b"a 1 2\n").replace(b"v0", b"v\xff", 1), "the zip archive is damaged or cut")
    refused(zipped(b"a 1 2\n" * 400_000), "unpacks to over 100 times its size")


# Words that cannot be used


def test_bad_words_are_left_out_with_a_count_from_text(scanned):
    words = [b"w%d" % number for number in range(40)]
    words[3:6] = [b"", "naïve".encode()[:3], b"\xa0b"]
    words[9] = b"w0"
    for content in (
        b"40 2\n" + b"".join(word + b" 1 2\n" for word in words),
        b"".join(word + b"\t1\t2\n" for word in words),
        b"40 2\n" + binary(words, b"\n"),
    ):
        found = scanned(content)
        assert found.words.words[2:7] == ["w2", None, None, None, "w6"]
        assert list(found.words.distinct().values()) == [n for n in range(40) if n not in {3, 4, 5, 9}]
        assert found.words.notes() == [
            "1 word is left out: empty",
            "2 words are left out: not utf-8, as if cut inside a character",
            "1 word is left out: repeated (the first of each is kept)",
        ]


@pytest.mark.parametrize(("bad", "words"), [(1, 10), (3, 30), (4, 400), (10, 1000)])
def test_so_many_words_may_be_of_another_encoding_and_no_more(bad, words, scanned, refused):
    def content(bad):
        return b"".join(b"caf\xe9%d 1 2\n" % n if n < bad else b"w%d 1 2\n" % n for n in range(words))

    assert scanned(content(bad)).words.broken == bad
    refused(content(bad + 1), "1: expected utf-8, found byte 0xe9 in a word. Convert the file to UTF-8")


def test_where_no_line_end_proves_where_a_record_begins_bad_bytes_are_not_taken_for_a_word(scanned, refused):
    words = [b"w%d" % number for number in range(20)]
    cut, wrong = [*words[:9], "é".encode()[:1], *words[10:]], [*words[:9], b"\xc3x", *words[10:]]
    assert scanned(b"20 2\n" + binary(cut)).words.broken == 1
    refused(b"20 2\n" + binary(wrong), "word 10: expected utf-8, found byte 0xc3 in a word. .* a word holds a blank")
    assert scanned(b"20 2\n" + binary(wrong, b"\n")).words.broken == 1
    blank = [*words[:9], b"new york", *words[10:]]
    refused(b"20 2\n" + binary(blank, b"\n"), "expected a line end after the numbers of word 10, as after the first")


# Records in binary


WORDS = [b"a", b"b" * 999, b"c" * 1000, "é".encode(), b"e\n"]


def checked(content, words=5):
    found = WordList(Path("v"), "utf-8")
    for number, (word, numbers, _) in enumerate(read_records(io.BytesIO(content), Path("v"), words, 2)):
        assert numbers.tobytes() == FLOATS[number % 3].tobytes()
        found.add(word, f"v: word {number + 1}", strict=True)


@pytest.mark.parametrize("block", [1, 9, 1011, 1 << 22])
@pytest.mark.parametrize("line_end", [b"", b"\n"])
def test_records_in_blocks_of_any_size_are_the_same_and_cut_anywhere_are_counted(block, line_end, monkeypatch):
    monkeypatch.setattr("textclf.vectors.layouts._BLOCK", block)
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
        ([b"a", b"b\xe9d", b"c"], "word 2: expected utf-8, found byte 0xe9 in a word"),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 22])
def test_a_word_of_a_record_that_is_none_is_told_by_its_number(words, said, block, monkeypatch):
    monkeypatch.setattr("textclf.vectors.layouts._BLOCK", block)
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
        said = "a value as large as 2e+06, which vectors of words do not have. Check the file"
        assert notes_of([[1, 2], [3, value]]) == [said]
    with pytest.raises(VectorsError, match=r"found 2e\+15 in that of 'w1' \(word 2\)\. The file is damaged, or a word"):
        notes_of([[1, 2], [3, -2e15]])


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

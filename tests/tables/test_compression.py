"""Compressed tables are read by their content and written by their name, whole, and bombs are refused."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Trickle

from textclf.errors import DataError, OutputError, VectorsError
from textclf.tables import TableOptions, open_table, open_writer, read_examples
from textclf.tables.compression import UnpackedStream, find_compression
from textclf.vectors import open_vectors

ROWS = 'text,label\n"a\nb",x\nñ,y\n'


def pack_zip(content, name="t.csv", **more):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in ({name: content} | more).items():
            archive.writestr(key, value)
    return held.getvalue()


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": pack_zip}
STREAMED = [suffix for suffix in PACK if suffix != ".zip"]


class Pipe(Trickle):
    """A stream that cannot go back."""

    def seekable(self):
        """Say no."""
        return False


def rows_of(origin, **options):
    examples = read_examples(origin, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True))


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("name", ["t.csv{}", "T.CSV{}", "t.csv", "t.gz"])
def test_a_compressed_table_is_read_by_its_content(suffix, name, write):
    path = write(PACK[suffix](ROWS.encode()), name.format(suffix))
    assert rows_of(path) == [("a\nb", "x"), ("ñ", "y")]


def test_a_table_that_is_only_named_as_compressed_is_read_as_it_is(write):
    assert rows_of(write(ROWS, "t.csv.gz")) == [("a\nb", "x"), ("ñ", "y")]


@pytest.mark.parametrize("suffix", STREAMED)
def test_a_compressed_pipe_is_read_too(suffix):
    assert rows_of(Trickle(PACK[suffix](ROWS.encode()))) == [("a\nb", "x"), ("ñ", "y")]


@pytest.mark.parametrize("suffix", STREAMED)
def test_streams_one_after_the_other_are_one_table_and_padding_is_nothing(suffix, write):
    pack = PACK[suffix]
    content = pack(ROWS.encode()) + pack(b"c,z\n") + b"\0" * 8
    assert rows_of(write(content, f"t.csv{suffix}")) == [("a\nb", "x"), ("ñ", "y"), ("c", "z")]


@pytest.mark.parametrize("suffix", PACK)
def test_another_encoding_is_read_under_compression(suffix, write):
    path = write(PACK[suffix](ROWS.encode("utf-16")), f"t.csv{suffix}")
    assert rows_of(path, encoding="utf-16") == [("a\nb", "x"), ("ñ", "y")]


@pytest.mark.parametrize("suffix", STREAMED)
@pytest.mark.parametrize("damage", ["cut", "changed", "followed"])
def test_damaged_data_are_refused_and_no_row_is_lost_in_silence(suffix, damage, write):
    packed = PACK[suffix](("text,label\n" + "".join(f"word {n},x\n" for n in range(999))).encode())
    middle = len(packed) // 2
    content = {
        "cut": packed[:-9],
        "changed": packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :],
        "followed": packed + b"oops",
    }[damage]
    with pytest.raises(DataError, match=r"expected sound (gzip|bzip2|xz) data, found damaged ones .*Get the file"):
        rows_of(write(content, f"t.csv{suffix}"))


def test_a_damaged_zip_archive_is_refused(write):
    packed = pack_zip(ROWS.encode() * 99)
    for content in (packed[:-20], packed.replace(packed[40:50], b"0" * 10)):
        with pytest.raises(DataError, match="expected a sound zip archive, found a damaged one"):
            rows_of(write(content, "t.zip"))


def test_a_zip_archive_whose_entries_have_no_names_is_refused(write):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in ("", "other"):
            with archive.open(zipfile.ZipInfo(name), "w") as entry:
                entry.write(ROWS.encode())
    path = write(held.getvalue(), "t.zip")
    with pytest.raises(DataError, match="expected a zip archive of one file, found 2 files in it"):
        rows_of(path)
    with pytest.raises(VectorsError, match="found a zip archive of 2 files"):
        open_vectors(path, cache=False)


def test_a_zip_archive_holds_one_table(write):
    path = write(pack_zip(ROWS, **{"__MACOSX/._t.csv": b"\0\1", "folder/": b""}), "a.zip")
    assert rows_of(path) == [("a\nb", "x"), ("ñ", "y")]
    with pytest.raises(DataError, match="expected a zip archive of one file, found 2 files in it"):
        rows_of(write(pack_zip(ROWS, **{"u.csv": ROWS}), "a.zip"))
    with pytest.raises(DataError, match="found an Office document"):
        rows_of(write(pack_zip(ROWS, **{"[Content_Types].xml": "", "word/document.xml": ""}), "a.docx"))
    with pytest.raises(DataError, match="found a zip archive in a pipe"):
        rows_of(Pipe(pack_zip(ROWS)))


def test_the_name_inside_an_archive_shows_the_format(write):
    path = write(pack_zip('{"text": "a", "label": "x"}\n', "t.jsonl"), "t.zip")
    assert rows_of(path) == [("a", "x")]


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_refused(suffix, write, monkeypatch):
    monkeypatch.setattr("textclf.tables.compression._SAFE_SIZE", 1 << 20)
    path = write(PACK[suffix](b"text,label\n" + b"a,x\n" * (1 << 20)), f"t.csv{suffix}")
    with pytest.raises(DataError, match=r"more than 250 times (their|its) size\. If that is right, unpack the file"):
        rows_of(path)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_table_is_written_compressed_and_read_back(suffix, kind, write, tmp_path):
    target = tmp_path / f"o.{kind}{suffix}"
    written = []
    for _ in range(2):
        with (
            open_table(write(ROWS), TableOptions(), labelled=True) as table,
            open_writer(target, table, ["n"]) as writer,
        ):
            for batch in table.batches():
                writer.write(batch, [[1, 2]])
        written.append(target.read_bytes())
    assert written[0] == written[1]
    assert find_compression(written[0]).suffix == suffix
    assert rows_of(target) == [("a\nb", "x"), ("ñ", "y")]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(STREAMED),
    st.lists(st.binary(max_size=60), max_size=4),
    st.integers(1, 50),
)
def test_any_bytes_come_back_from_any_compression(suffix, parts, piece):
    packed = b"".join(PACK[suffix](part) for part in parts)
    if not packed:
        return
    held = io.BytesIO(packed)

    class Slow:
        read1 = staticmethod(lambda _: held.read(piece))
        read = read1

    stream = UnpackedStream(Slow(), find_compression(packed), "t")
    assert b"".join(iter(lambda: stream.read(), b"")) == b"".join(parts)


def test_parquet_is_not_compressed_once_more(write, parquet, tmp_path):
    path = parquet({"text": ["a"], "label": ["x"]})
    with pytest.raises(DataError, match=r"expected a table of text, found compressed parquet\. Unpack it first"):
        rows_of(write(gzip.compress(path.read_bytes()), "t.parquet.gz"))
    with (
        open_table(path, TableOptions(), labelled=True) as table,
        pytest.raises(OutputError, match=r"expected parquet as it is, found it compressed"),
        open_writer(tmp_path / "o.parquet.gz", table, ()),
    ):
        raise AssertionError


NO_TABLE = {
    "an SQLite database": b"SQLite format 3\0" + bytes(99),
    "an old Excel workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
    "a Feather": b"ARROW1\0\0" + bytes(99),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a PDF": b"%PDF-1.7\n",
    "a model": (99).to_bytes(8, "little") + b'{"__metadata__":{"textclf":"{}"}}' + bytes(99),
    "a pickle": b"\x80\x04\x95\x10\0",
    "binary data": zlib.compress(bytes(range(256)) * 9),
}


@pytest.mark.parametrize("kind", NO_TABLE)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.dat"])
def test_what_is_no_table_is_named_and_no_encoding_is_advised(kind, encoding, name, write):
    with pytest.raises(DataError, match=rf"expected a table of text, found {kind}") as caught:
        rows_of(write(NO_TABLE[kind], name), encoding=encoding)
    assert "--encoding" not in str(caught.value)


def test_without_its_package_zstandard_is_named_with_what_to_install(write, tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.tables.compression._ZSTD_PACKAGES", ())
    with pytest.raises(DataError, match=r"Zstandard.*pip install zstandard"):
        rows_of(write(b"\x28\xb5\x2f\xfd" + bytes(9), "t.csv.zst"))
    with (
        open_table(write(ROWS), TableOptions(), labelled=True) as table,
        pytest.raises(OutputError, match=r"o\.csv\.zst: Zstandard: expected the package zstandard, found none"),
        open_writer(tmp_path / "o.csv.zst", table, ()),
    ):
        raise AssertionError


@pytest.mark.parametrize("name", ["o.json5", "o.html", "o.cvs", "o.csv.gzip"])
def test_an_output_with_an_ending_that_no_format_has_is_refused(name, write, tmp_path):
    with (
        open_table(write(ROWS), TableOptions(), labelled=True) as table,
        pytest.raises(OutputError, match=r"expected an output that ends in \.csv, .*, found the ending"),
        open_writer(tmp_path / name, table, ()),
    ):
        raise AssertionError
    assert not (tmp_path / name).exists()


def test_an_output_may_have_no_ending_or_that_of_its_table(write, tmp_path):
    for name in ("o", "o.dat"):
        with (
            open_table(write(ROWS, "t.dat"), TableOptions(), labelled=True) as table,
            open_writer(tmp_path / name, table, ()) as writer,
        ):
            for batch in table.batches():
                writer.write(batch, [])
        assert (tmp_path / name).read_text("utf-8") == ROWS

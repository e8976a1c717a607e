"""Where a table's bytes come from, and what they are taken for."""

import io
import os
import sys
from pathlib import Path

import pytest
from streams import Trickle

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples
from textclf.tables.source import Blocks, TableSource, display_name, refuse_foreign


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\xff\xfe\0\0", "UTF-32 text. Give --encoding utf-32"),
        (b"\0\0\xfe\xff", "UTF-32 text. Give --encoding utf-32"),
        (b"\xff\xfea\0", "UTF-16 text. Give --encoding utf-16"),
        (b"\xfe\xff\0a", "UTF-16 text. Give --encoding utf-16"),
        (b"a\0b\0c\0d\0", "what looks like UTF-16. Give --encoding utf-16-le"),
        (b"\0a\0b\0c\0d", "what looks like UTF-16. Give --encoding utf-16-be"),
        (b"a\0b\0cXdX", "what looks like UTF-16. Give --encoding utf-16-le"),
        (b"a\0bXcXdX", None), (b"a\0b\0c\0", None), (b"\0" * 8, None), (b"abcdefgh", None), (b"", None),
        (b"a" * 4096 + b"a\0" * 9999, None),
    ],
)  # fmt: skip
def test_what_is_no_utf8_text_is_told_by_its_first_bytes(head, said):
    if said is None:
        refuse_foreign(head, "t")
        return
    with pytest.raises(DataError, match=f"^t: expected UTF-8 text, found {said}"):
        refuse_foreign(head, "t")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_mark_is_no_text_and_one_further_on_is(encoding, mark, write):
    content = f"{mark}text,label\n\ufeffa,x\n".encode(encoding)
    for origin in (write(content), Trickle(content)):
        examples = read_examples(origin, TableOptions(encoding=encoding, format="csv"))
        assert (examples.texts, examples.labels) == (["\ufeffa"], ["x"])


def test_bytes_that_are_not_of_the_encoding_are_told_near_their_place():
    content = b"\xff\xfe" + "text,label\na,x\n".encode("utf-16-le") + b"\0\xd8a\0"
    said = r"^trickle: expected utf-16 text, found bytes that are not, near byte 34 \('utf-16-le' codec can't .*\)\."
    with pytest.raises(DataError, match=said):
        read_examples(Trickle(content), TableOptions(encoding="utf-16", format="csv"))


def test_blocks_grow_by_at_least_what_is_pending():
    blocks = Blocks(iter([b"ab", b"c", b"d", b"e", b"f"]))
    for pending, is_final in ((b"ab", False), (b"abcde", False), (b"abcdef", True), (b"abcdef", True)):
        blocks.grow()
        assert (blocks.pending, blocks.is_final) == (pending, is_final)
    blocks.drop(2)
    assert blocks.pending == b"cdef"


@pytest.mark.parametrize(
    ("content", "labelled", "kind"),
    [
        (b"text,label\na,x\n", True, "csv"), (b"text\tlabel\na\tx\n", True, "tsv"),
        (b"__label__x a\n", True, "fasttext"), (b'\n\n {"text": "a", "label": "x"}\n', True, "jsonl"),
        (b'{ "text": "a"}\n', False, "jsonl"), (b"a\nb\n", False, "lines"), (b"text,label\na,x", True, "csv"),
        (b"", False, "lines"),
    ],
)  # fmt: skip
def test_a_stream_that_comes_in_drops_has_the_format_of_its_first_line(content, labelled, kind):
    with open_table(Trickle(content), TableOptions(), labelled=labelled) as table:
        assert table.format.name == kind
    with open_table(Trickle(b"x" * 70_000 + content), TableOptions(), labelled=False) as table:
        assert table.format.name == "lines"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("make", [io.BytesIO, Trickle])
def test_utf16_is_known_however_it_comes_in(encoding, make):
    for content in ("text,label\na,x\n", "a\nwords of it\n"):
        with pytest.raises(DataError, match=f"found what looks like UTF-16. Give --encoding {encoding}"):
            open_table(make(content.encode(encoding)), TableOptions(), labelled=False)
    with open_table(make(b"a\0" + b"b" * 5000 + b"\nc\n"), TableOptions(), labelled=False) as table:
        assert [len(text) for batch in table.batches() for text in batch.texts] == [5002, 1]


def test_an_answer_waits_for_no_more_than_the_first_line():
    class Slow:
        parts = [b"wo", b"rds\n"]  # noqa: RUF012 -- beyond which a slow pipe would wait

        def read(self, _):
            return self.parts.pop(0)

    with open_table(Slow(), TableOptions(), labelled=False) as table:
        assert (table.format.name, Slow.parts) == ("lines", [])


def test_a_source_without_read1_or_a_number_is_read_all_the_same():
    class Plain:
        parts = [b"text,label\n", b"a,x\n", None]  # noqa: RUF012 -- a raw stream gives None for nothing

        def read(self, _):
            return self.parts.pop(0)

    assert read_examples(Plain(), TableOptions(format="csv")).texts == ["a"]


def test_a_file_is_named_by_what_prints_and_standard_input_by_its_name(tmp_path):
    assert display_name(Path("a é.csv")) == "a é.csv"
    assert display_name(Path("a\n.csv")) == r"'a\n.csv'"
    assert display_name("-") == "standard input"
    assert display_name(Trickle()) == "trickle"
    assert display_name(io.BytesIO()) == "the stream"


def test_an_error_of_the_system_is_told_by_its_words_and_another_by_its_own(monkeypatch, write):
    for error, said in ((OSError(5, "Input/output error"), "Input/output error"), (ValueError("odd"), "odd")):

        class Broken(io.BytesIO):
            def read1(self, _=-1, error=error):
                raise error

        with pytest.raises(DataError, match=rf"cannot be read \({said}\)\.$"):
            read_examples(Broken(), TableOptions())
    with pytest.raises(DataError, match=r"cannot be opened \(embedded null byte\)|no such file"):
        read_examples(Path("a\0b"), TableOptions())


def test_a_stream_of_a_file_is_held_to_the_same_state_as_the_file(write):
    path = write("text,label\na,x\n")
    with path.open("rb") as stream, open_table(stream, TableOptions(), labelled=True) as table:
        with path.open("ab") as more:
            more.write(b"b,y\n")
        with pytest.raises(DataError, match="changed while it was read"):
            list(table.batches())
    with open_table(path, TableOptions(), labelled=True) as table:
        table.check_unchanged()
        os.utime(path, (1, 1))
        with pytest.raises(DataError, match="changed while it was read"):
            table.check_unchanged()


def test_standard_input_is_read_as_it_stands(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with TableSource("-", TableOptions()) as source:
        assert (source.name, source.is_stream, list(source.blocks())) == ("standard input", True, [b"a\nb\n"])
    assert not sys.stdin.buffer.closed

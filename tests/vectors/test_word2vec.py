"""A corpus is read from plain lines and from tables, packed or not, and what is wrong with it is said in a line."""

import gzip

import pytest

from textclf.errors import DataError
from textclf.tables import TableOptions
from textclf.vectors.word2vec import read_corpus


def corpus(path, **options):
    return list(read_corpus(path, TableOptions(**options), progress=lambda _: None).sentences_of_words())


def packed(path, content):
    path.write_bytes(gzip.compress(content))
    return path


def test_what_is_packed_is_read_by_the_name_inside_or_by_the_format_that_is_given(tmp_path):
    table = b"text,id\na good film,1\nbad,2\n"
    assert corpus(packed(tmp_path / "t.csv.gz", table)) == [["a", "good", "film"], ["bad"]]
    assert corpus(packed(tmp_path / "t.gz", table)) == [["text", "id"], ["a", "good", "film", "1"], ["bad", "2"]]
    assert corpus(packed(tmp_path / "t.gz", table), format="csv") == [["a", "good", "film"], ["bad"]]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-9], "expected sound gzip data, found damaged ones"),
        (lambda content: content[:20] + b"\xff" * 30, "expected sound gzip data, found damaged ones"),
    ],
)
def test_packed_data_that_are_damaged_are_said_to_be_so(damage, said, tmp_path):
    path = packed(tmp_path / "c.txt.gz", "".join(f"a film of {i}\n" for i in range(200)).encode())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"c.txt.gz: {said}"):
        corpus(path)


def test_a_corpus_without_a_word_is_refused(tmp_path):
    (tmp_path / "c.txt").write_text("\n \n")
    with pytest.raises(DataError, match="expected texts, found no word in any"):
        corpus(tmp_path / "c.txt")

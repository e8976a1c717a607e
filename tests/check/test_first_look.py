"""`train` says which columns it reads, and warns where they, the labels or the vectors may be the wrong ones."""

import pytest
from hostile import accepted

from textclf.check.first_look import describe_table, doubt_table
from textclf.tables import LoadedTable, TableOptions, read_examples

pytestmark = pytest.mark.usefixtures("small_starter")

SENTENCE = "the film was good but the story in this is not what you have for that of it"
WORDS = SENTENCE.split()


def table(texts, labels, **columns):
    return LoadedTable("t", texts, labels, None, range(1, len(texts) + 1), **columns)


def doubts(texts, labels, multi_label=False, vectors="starter"):
    return doubt_table(table(texts, labels), multi_label=multi_label, vectors=vectors)


def test_the_line_names_columns_language_and_the_rows_of_each_label(write):
    rows = "".join(f"{' '.join(WORDS)} {n},{'good' if n % 4 else 'bad'}\n" for n in range(8))
    found = read_examples(write("review,sentiment\n" + rows), TableOptions())
    said = describe_table(found, multi_label=False)
    assert said == "texts: column 'review', in English; labels: 'sentiment' (good 6, bad 2)"


def test_of_many_labels_and_columns_the_first_are_listed(write):
    found = table(["?"] * 7, [f"a|label {n}" for n in range(7)], label_columns=tuple("abcdefg"))
    said = describe_table(found, multi_label=True)
    columns = "columns 'a', 'b', 'c', 'd', 'e' and 2 more"
    assert (
        said == f"texts: column 'text'; labels: {columns} (a 7, label 0 1, label 1 1, label 2 1, label 3 1, and 3 more)"
    )
    options = TableOptions(multi_label=True, label_columns=("x", "y"))
    assert read_examples(write("text,x,y\na,1,0\n"), options).label_columns == ("x", "y")


def test_a_label_for_each_row_is_doubted():
    texts = [f"text {n}" for n in range(40)]
    assert doubts(texts, [str(n) for n in range(40)]) == ["40 different labels in 40 rows. Is this the label column?"]
    assert doubts(texts, [str(n // 2) for n in range(40)]) == []
    assert doubts(texts[:5], list("abcde")) == []


def test_labels_that_are_texts_are_doubted():
    labels = [" ".join(WORDS[n % 2 :]) for n in range(40)]
    assert doubts([f"{' '.join(WORDS * 2)} {n}" for n in range(40)], labels) == [
        "labels are long texts, such as 'the film was good but the story in this …'. Is this the label column?"
    ]
    assert doubts([f"up {n}" for n in range(40)], labels)[0].endswith("Are text and label column exchanged?")


def test_built_in_vectors_are_doubted_for_another_language():
    texts = ["das ist nicht gut und ich habe es mit dem Hund von der Frau auf eine Art im Haus"] * 10
    labels = ["a", "b"] * 5
    said = "the texts seem to be in German, and the built-in vectors are English. Give vectors for German with"
    assert doubts(texts, labels) == [f"{said} --vectors FILE, or train without: --vectors none."]
    assert doubts(texts, labels, vectors="other.bin") == []
    assert doubts([" ".join(WORDS)] * 10, labels) == []


def test_a_model_that_does_no_better_than_the_commonest_label_is_pointed_out(write, tmp_path):
    rows = "".join(f"zq{n} xx{n},{'rare' if n % 20 == 0 else 'usual'}\n" for n in range(60))
    said = accepted("train", write("text,label\n" + rows), "-o", tmp_path / "m", "--recipe", "fast").err
    assert "every validation text is labelled 'usual'. Check that text and label columns are right" in said
    assert "(majority baseline 0.9500)" in said
    rows = "".join(f"{'good' if n % 2 else 'bad'} film {n},{n % 2}\n" for n in range(40))
    said = accepted("train", write("text,label\n" + rows), "-o", tmp_path / "m", "--recipe", "fast").err
    assert "Warning" not in said

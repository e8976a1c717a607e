"""Which columns are read, what is said where that is in doubt, and what the options of a table may be."""

import pytest

from textclf.errors import DataError
from textclf.tables import Notes, Origin, Refusal, TableOptions
from textclf.tables.columns import ColumnChoice, check_header, choose, list_names, missing_column, separator_hint
from textclf.tables.formats import format_by_content, format_by_suffix
from textclf.tables.interface import Sample
from textclf.tables.records import Batch, Position, Records, clip
from textclf.tables.source import TableSource

TEXTS = [
    "text", "sentence", "review", "content", "body", "message", "comment", "tweet", "question", "title", "headline",
    "utterance", "document",
]  # fmt: skip
LABELS = [
    "label", "class", "category", "sentiment", "target", "intent", "stars", "rating", "topic", "tag", "score",
]  # fmt: skip
SEVERAL = ["labels", "classes", "categories", "targets", "intents", "topics", "tags", "genres"]


def chosen(*columns, labelled=True, **options):
    found = choose(columns, TableOptions(**options), labelled, "t")
    return found.text, found.label, found.weight


def refused(said, *columns, **options):
    with pytest.raises(DataError, match=f"^{said}$"):
        chosen(*columns, **options)


@pytest.mark.parametrize("name", TEXTS)
def test_a_usual_name_of_texts_is_found_in_any_case(name):
    assert chosen("id", "other", name.upper(), "label") == (name.upper(), "label", None)
    assert separator_hint([f"id;{name}"], ",") == "Is the separator ';'? Then give --separator ';'."


@pytest.mark.parametrize("name", LABELS + SEVERAL)
def test_a_usual_name_of_labels_is_found_in_any_case_and_a_plural_where_there_may_be_several(name):
    assert chosen("id", "text", name.upper(), "more", multi_label=True) == ("text", name.upper(), None)
    if name in LABELS:
        assert chosen("id", "text", name.upper(), "more") == ("text", name.upper(), None)
        assert separator_hint([f"id;{name}"], ",") == "Is the separator ';'? Then give --separator ';'."
    else:
        said = f"t: no column 'label'; it has 'id', 'text', '{name}' and 'more'. Use --label-column with the name .*"
        refused(said, "id", "text", name, "more")


def test_the_plain_names_win_and_of_several_usual_ones_none_does():
    assert chosen("title", "text", "review", "class", "label") == ("text", "label", None)
    refused("t: expected one text column, found 'title' and 'review'. Use --text-column .*", "title", "review", "label")
    refused("t: expected one label column, found 'class' and 'tag'. Use --label-column .*", "text", "class", "tag")


def test_what_is_left_over_is_the_text_or_the_label_when_it_is_one_column():
    assert chosen("words", "label") == ("words", "label", None)
    assert chosen("text", "kind") == ("text", "kind", None)
    assert chosen("text", "kind", labelled=False) == ("text", None, None)
    assert chosen("words", labelled=False) == ("words", None, None)
    assert chosen("words", "stars", labelled=False) == ("words", None, None)
    refused("t: no column 'text'; it has 'words' and 'kind'. Use --text-column .*", "words", "kind")
    refused("t: no column 'text'; it has 'words', 'more' and 'label'. .*", "words", "more", "label")
    refused("t: no column 'label'; it has 'text', 'a' and 'b'. Use --label-column with .*", "text", "a", "b")


def test_a_name_that_ends_with_a_usual_word_is_that_of_the_texts_where_no_other_is():
    assert chosen("id", "comment_text", "other", "label") == ("comment_text", "label", None)
    assert chosen("Review Body", "stars", "id", labelled=False) == ("Review Body", None, None)
    assert chosen("review_title", "text", "label") == ("text", "label", None)
    refused("t: no column 'text'; it has 'review_title', 'review_body' and 'label'. .*", "review_title", "review_body",
            "label")  # fmt: skip
    refused("t: expected one text column, found 'title' and 'body'. .*", "title", "body", "comment_text", "label")


def test_named_columns_are_taken_and_are_no_other_columns():
    assert chosen("a", "b", "text", "label", text_column="a", label_column="b", weight_column="text") == (
        "a",
        "b",
        "text",
    )
    assert chosen("text", "review", "label", text_column="text") == ("text", "label", None)
    assert chosen("text", "label", "kind", label_column="label") == ("text", "label", None)
    assert chosen("text", "label", label_column="label", labelled=False) == ("text", "label", None)
    assert chosen("w", "text", "label", weight_column="w", labelled=False) == ("text", None, "w")
    for given in ({"text_column": "a", "label_column": "a"}, {"text_column": "a", "weight_column": "a"}):
        refused(
            r"t: expected different columns, each for one purpose, found 'a' twice\. Name each once\.",
            "a",
            "b",
            **given,
        )


@pytest.mark.parametrize("option", ["text_column", "label_column", "weight_column"])
def test_a_column_that_is_named_and_not_there_is_told_with_one_that_is_near(option):
    flag = option.replace("_", "-")
    refused(
        r"t: no column 'Lable '; it has 'text' and 'label'\. Did you mean 'label'\?",
        "text",
        "label",
        **{option: "Lable "},
    )
    refused(
        rf"t: no column 'x'; it has 'text' and 'label'\. Use --{flag} with one of these\.",
        "text",
        "label",
        **{option: "x"},
    )
    assert missing_column("TEXT1", [" Text 1", "other"], "slice_by", "t") == (
        "t: no column 'TEXT1'; it has ' Text 1' and 'other'. Did you mean ' Text 1'?"
    )
    assert (
        missing_column("a", ["b"], "slice_by", "t") == "t: no column 'a'; it has 'b'. Use --slice-by with one of these."
    )


def test_blanks_around_a_usual_name_are_pointed_at():
    advice = r"Use --{0}-column '{0} ', or take the blanks out of the header\."
    refused(r"t: no column 'text'; it has 'text ', 'x' and 'label'\. " + advice.format("text"), "text ", "x", "label")
    refused(r"t: no column 'label'; it has 'text', 'x' and 'label '\. " + advice.format("label"), "text", "x", "label ")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([], "expected columns, found none. Give a table"),
        ([" ", "a"], "expected a name for each column, found none for column 1. Name"),
        (["a", ""], "expected a name for each column, found none for column 2. Name"),
        (["a", "b", "c", "b", "a"], "expected column names that differ, found 'b' more than once. Rename one."),
    ],
)
def test_a_header_names_each_column_once(columns, said):
    with pytest.raises(DataError, match=f"^t: {said}"):
        check_header(columns, "t")
    check_header(["a"], "t")
    check_header(["a", "A", "b"], "t")


def test_columns_are_listed_as_a_person_would_and_not_without_end():
    assert list_names(["a"]) == "'a'"
    assert list_names(["a", "b"]) == "'a' and 'b'"
    assert list_names(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e', 'f', 'g' and 'h'"
    assert list_names(list("abcdefghi")) == "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 1 more"
    assert list_names(["x" * 30]) == repr("x" * 30)
    assert list_names(["x" * 31]) == repr("x" * 30 + "…")


def test_another_separator_is_seen_in_a_single_column_that_holds_usual_names():
    for separator in ";\t|,":
        said = f"Is the separator {separator!r}? Then give --separator {separator!r}."
        assert separator_hint([f'id{separator}"Label" '], ":") == said
        assert separator_hint([f"id{separator}text"], separator) == ""
    for character in map(chr, range(32, 127)):
        assert character in ";|," or separator_hint([f"text{character}label"], ":") == ""
    assert separator_hint(["text"], ",") == ""
    assert separator_hint(["a;b"], ",") == ""
    assert separator_hint(["text;label", "b"], ",") == ""


# Options and the words of a table


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "X", " "])
def test_a_separator_is_any_ascii_character_but_quote_line_end_and_nul(separator):
    assert TableOptions(separator=separator).separator == separator


@pytest.mark.parametrize("separator", ['"', "\r", "\n", "\0", "é", "", ",,"])
def test_what_cannot_part_fields_is_refused(separator):
    with pytest.raises(DataError, match=r"^separator: expected one ASCII character, no quote and no line end, found "):
        TableOptions(separator=separator)


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "ascii"])
def test_bytes_of_utf8_and_its_parts_are_read_as_they_stand(encoding):
    assert TableOptions(encoding=encoding).is_utf8
    assert not TableOptions(encoding="latin-1").is_utf8


def test_options_say_nothing_until_they_are_given():
    assert TableOptions() == TableOptions(None, None, None, "utf-8", None, True, None, "fail", False)
    assert TableOptions(on_error="skip").on_error == "skip"
    assert Position() == Position(1, 1, 0)
    assert Notes() == Notes(False, 0, 0, 0)
    assert Notes().sentences() == []


def test_a_refused_row_is_told_by_line_and_number_or_by_number_alone():
    assert str(Refusal(17, 18, "why")) == "line 18 (row 17): why"
    assert str(Refusal(17, None, "why")) == "row 17: why"


def test_a_value_is_clipped_from_a_width_on_and_escaped():
    assert clip("x" * 60) == repr("x" * 60)
    assert clip("x" * 61) == repr("x" * 60 + "…")
    assert clip("é\x85") == r"'\xe9\x85'"
    assert clip("é\x85" + "x" * 59) == repr("é\x85" + "x" * 58 + "…")
    assert clip("\x85" * 3, 3) == r"'\x85\x85\x85'"


def test_a_batch_is_cut_and_picked_in_all_its_columns():
    records = Records(b"a\nb\r\nc", [0, 2, 5], [1, 3, 6], [2, 5, 6])
    batch = Batch([1, 3, 4], ["a", "b", "c"], ["x", "y", "z"], [1.0, 2.0, 3.0], records)
    assert list(records) == [(b"a", b"\n"), (b"b", b"\r\n"), (b"c", b"")]
    for picked in (batch.part(1, 9), batch.select([1, 2])):
        assert (list(picked.rows), picked.texts, picked.labels, picked.weights) == (
            [3, 4],
            ["b", "c"],
            ["y", "z"],
            [2, 3],
        )
        assert list(picked.records) == [(b"b", b"\r\n"), (b"c", b"")]
    plain = Batch([1], ["a"], None, None, records.part(0, 1))
    for picked in (plain.part(0, 1), plain.select([0])):
        assert (picked.labels, picked.weights) == (None, None)


def test_spans_of_rows_that_are_not_as_many_are_an_error():
    for records in (
        Records(b"ab", [0], [1, 2], [1, 2]),
        Records(b"ab", [0, 1], [1, 2], [1]),
        Records(b"a", [0], [1], []),
    ):
        with pytest.raises(ValueError, match="zip"):
            list(records)
    with pytest.raises(ValueError, match="zip"):
        Records(b"ab", [0], [1, 2], []).raws()


# Which format


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("a.tsv", "tsv"), ("a.TAB", "tsv"), ("a.jsonl", "jsonl"), ("a.NDJSON", "jsonl"),
     ("a.parquet", "parquet"), ("a.txt", None), ("csv", None)],
)  # fmt: skip
def test_a_suffix_shows_the_format(name, kind):
    for ending in ("", ".gz", ".XZ"):
        found = format_by_suffix(name + ending)
        assert (found and found.name) == kind
    assert format_by_suffix("") is None


SIGNS = [
    (b"PAR1", True, "parquet"), (b" \n__label__x a", True, "fasttext"), (b"__label__x a", False, "fasttext"),
    (b'\n{"text"', True, "jsonl"), (b'[{"text"', False, "json"), (b"[a] b, c", False, "lines"),
    (b"a\tb,c\nd", True, "tsv"), (b"a,b\n\t", True, "csv"), (b"a b\nc,d", True, None), (b"a\nb\tc", True, None),
    (b"", True, "csv"), (b" \n", True, "csv"), (b"", False, "lines"), (b"a,b", False, "lines"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "labelled", "kind"), SIGNS)
def test_the_first_bytes_show_the_format(head, labelled, kind, tmp_path):
    def found(name):
        (tmp_path / name).write_bytes(head)
        origin: Origin = tmp_path / name
        with TableSource(origin, TableOptions()) as source:
            return format_by_content(Sample(head, labelled, source)).name

    if kind is None:
        with pytest.raises(DataError, match="found another name and no sure sign in the content"):
            found("t.txt")
        return
    assert found("t.TXT") == kind
    if kind == "lines" and head:
        with pytest.raises(DataError, match="found another name and no sure sign in the content"):
            found("t.dat")
    else:
        assert found("t.dat") == ("csv" if kind == "lines" else kind)


def test_chosen_columns_are_text_alone_unless_more_are_asked_for():
    assert ColumnChoice("text") == ColumnChoice("text", None, None)

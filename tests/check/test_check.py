"""A check finds every fault that a table can have, and nothing else; a fixed copy loses what is named alone."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.check import DROPPABLE, KINDS, check, duplicates, rows_to_drop
from textclf.check.check import write_without
from textclf.check.duplicates import SIMILARITY, near_pairs, same_texts
from textclf.check.signs import (
    control_characters,
    find_odd_lengths,
    has_mojibake,
    odd_scripts,
    script_counts,
    tiny,
    variants,
)
from textclf.check.text_facts import CHARS, LEAST_LONG, MOST_SHORT, normalize_spelling, read_facts
from textclf.cli import run
from textclf.errors import DataError
from textclf.tables import LoadedTable, TableOptions, read_examples
from textclf.vectors import WordVectors

_WOODS = """
amber birch cedar delta ember frost grove hazel ivory joker kiosk lemon maple north ocean pearl quartz river stone tulip
umbra velvet willow yacht
"""
WORDS = tuple(_WOODS.split())
VECTORS = WordVectors(WORDS, np.ones((len(WORDS), 2), np.float32), "the woods", "", "test")


def sentence(number, length=12):
    """Return a text of known words, unlike that of any other number."""
    rng = np.random.default_rng(number)
    return " ".join(WORDS[i] for i in rng.integers(0, len(WORDS), length))


def clean(count=200, first=0):
    return [(sentence(first + i), "even" if i % 2 else "odd one") for i in range(count)]


def examples(rows, name="table.csv"):
    texts, labels = [list(column) for column in zip(*rows, strict=True)]
    return LoadedTable(name, texts, labels, None, list(range(1, len(rows) + 1)))


def found(rows, test=None, vectors=VECTORS):
    """Return the rows of each kind of finding."""
    checked = check(examples(rows), examples(test) if test else None, vectors)
    return {finding.kind: list(finding.rows) for finding in checked.findings}


def mangled(text):
    return text.encode().decode("cp1252")


PLANTED = {
    "empty": [("", "even"), (" \t ", "even")],
    "wordless": [("?!", "even"), ("😀", "odd one"), (" . , ", "even"), (":-)", "odd one")],
    "duplicate": [(sentence(0), "odd one"), ("  " + sentence(1).upper().replace(" ", "  "), "even")],
    "near-duplicate": [(sentence(2).replace("e", "x", 1), "odd one"), (sentence(3) + " indeed", "even"),
                       (sentence(4).replace(" ", ", "), "odd one")],
    "near-contradiction": [(sentence(5).replace("e", "x", 1), "odd one")],
    "label-variant": [(sentence(900), "Even"), (sentence(901), "odd-one "), (sentence(902), "evn"),
                      (sentence(903), "odd onee"), (sentence(904), "eevn")],
    "tiny-class": [(sentence(905), "zebra")],
    "long": [(" ".join(sentence(906 + i) for i in range(30)), "even")],
    "mojibake": [(sentence(950) + mangled(" café"), "even"), (sentence(951) + mangled(" it’s"), "even"),
                 (sentence(952) + " " + "привет".encode().decode("latin-1"), "even")],
    "lost-characters": [(sentence(953) + " caf\ufffd", "even")],
    "control-characters": [(sentence(954) + "\x07", "even"), (sentence(955) + " \x93quoted\x94", "even")],
    "script": [("это очень хороший фильм", "even"), ("这部电影真的非常好看", "odd one")],
    "unknown-words": [("vrtk plqz wmno xxyz bvnm qqwe", "even")],
}  # fmt: skip


def planted():
    rows, where = clean(), {}
    for kind, faulty in PLANTED.items():
        where[kind] = list(range(len(rows) + 1, len(rows) + 1 + len(faulty)))
        rows += faulty
    return rows, where


def test_every_planted_fault_is_found_and_no_other_row_is_named():
    rows, where = planted()
    named = found(rows)
    assert {kind: named[kind] for kind in where} == where
    assert set(named) == set(where)


def test_in_a_clean_table_nothing_is_found():
    assert found(clean(1000), clean(200, first=5000)) == {}


def test_the_same_text_with_two_labels_is_an_error_and_all_its_rows_are_named():
    rows = [*clean(), (sentence(0), "even"), (sentence(0).title(), "odd one")]
    checked = check(examples(rows), None, None)
    kinds = {finding.kind: finding for finding in checked.findings}
    assert list(kinds["contradiction"].rows) == [1, 201, 202]
    assert list(kinds["duplicate"].rows) == [202]
    assert checked.has_errors


def test_the_same_text_with_two_spellings_of_one_label_is_no_contradiction():
    named = found([*clean(), (sentence(1), "EVEN")])
    assert "contradiction" not in named
    assert named["duplicate"] == named["label-variant"] == [201]


def test_rows_that_stand_in_the_test_table_are_named_with_the_row_there():
    train = [*clean(), (sentence(700), "even"), (sentence(701).replace("e", "x", 1), "even")]
    test = [*clean(50, first=5000), (sentence(700).upper(), "even"), (sentence(701), "even"), ("x y", "new")]
    checked = check(examples(train), examples(test), None)
    details = {finding.kind: finding.details for finding in checked.findings}
    rows = {finding.kind: list(finding.rows) for finding in checked.findings}
    assert rows == {"leak": [201], "unknown-label": [53], "near-leak": [202]}
    assert details["leak"][0] == {"test_row": 51}
    assert details["near-leak"][0]["test_row"] == 52


def test_texts_without_a_letter_are_in_no_script():
    nothing = np.zeros((40, 2), np.int64)
    for words in (nothing, nothing[:, :0]):
        assert odd_scripts(words, ["LATIN", "GREEK"]) == {}
        assert script_counts(words, ["LATIN", "GREEK"]) == {}
    mixed = np.array([[1, 0]] * 30 + [[0, 1]] * 10)
    assert odd_scripts(mixed, ["LATIN", "GREEK"]) == {}
    assert list(script_counts(mixed, ["LATIN", "GREEK"]).values()) == [30, 10]


def test_one_label_alone_is_an_error():
    checked = check(examples([(sentence(i), "same") for i in range(30)]), None, None)
    assert [finding.kind for finding in checked.findings] == ["one-class"]
    assert checked.has_errors


def test_a_class_whose_words_the_vectors_do_not_know_is_named_by_its_label():
    strange = [(f"{sentence(i, 4)} qq{i} zz{i} vv{i}", "strange") for i in range(800, 830)]
    named = found([*clean(400), *strange])
    assert named == {"unknown-class": list(range(401, 431))}


def test_vectors_of_another_language_are_said_to_be_so_without_a_row():
    named = found([(f"mot{i} autre{i} chose{i}", "ab"[i % 2]) for i in range(40)])
    assert named["unknown-vocabulary"] == []


# --- near-duplicates -------------------------------------------------------------------------------------------------


def shingles(text):
    """Return the set of shingles as the page says: of characters for short texts, of words for long ones."""
    tokens = text.split()
    joined = " ".join(tokens) + " "
    chars = {joined[i : i + CHARS] for i in range(max(len(joined) - CHARS + 1, 1))}
    pairs = set(pairwise(tokens))
    return chars if len(tokens) <= MOST_SHORT else set(), pairs if len(tokens) >= LEAST_LONG else set()


def jaccard(one, other):
    return max(len(a & b) / len(a | b) if a | b else 0.0 for a, b in zip(shingles(one), shingles(other), strict=True))


@given(st.lists(st.lists(st.sampled_from(WORDS[:6]), min_size=1, max_size=12), min_size=2, max_size=25))
def test_all_near_pairs_are_found_and_none_that_is_not_near(sequences):
    texts = [" ".join(words) for words in sequences]
    assert_pairs(texts)


@pytest.mark.parametrize("length", [39, 45, 59, 80])
def test_long_texts_with_a_word_changed_are_near(length):
    texts = []
    for number in range(20):
        words = sentence(number, length).split()
        texts.append(" ".join(words))
        words[number] = "changed"
        texts.append(" ".join(words))
    assert_pairs(texts)
    facts = read_facts(texts, None)
    assert len(near_pairs(facts, np.arange(len(texts)))) == 20


def assert_pairs(texts):
    facts = read_facts(texts, None)
    first = same_texts(facts.same, lambda i: texts[i])
    pairs = near_pairs(facts, first)
    expected = {
        (i, j): jaccard(texts[i], texts[j])
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if first[i] == i and first[j] == j and jaccard(texts[i], texts[j]) >= SIMILARITY
    }
    got = {(i, j): s for i, j, s in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.similarity, strict=True)}
    assert got == pytest.approx(expected)


def test_texts_of_one_template_are_compared_with_a_bounded_number_of_others(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_NEIGHBOURS", 3)
    texts = [f"your parcel number {i:03d} will be brought to you between nine and ten" for i in range(50)]
    pairs = near_pairs(read_facts(texts, None), np.arange(50))
    assert set(pairs.right.tolist()) >= set(range(1, 50)) - {0}
    assert len(pairs) <= 50 * 3


@given(st.lists(st.text(st.sampled_from("aAéÉe\u0301 \t\n\u00a0.\x00"), max_size=6), min_size=1, max_size=12))
def test_texts_are_the_same_if_they_are_spelt_alike_and_only_then(texts):
    facts = read_facts(texts, None)
    first = same_texts(facts.same, lambda i: normalize_spelling(texts[i]))
    spelt = [normalize_spelling(text) for text in texts]
    assert first.tolist() == [spelt.index(text) for text in spelt]


def test_two_texts_whose_keys_collide_are_told_apart():
    texts = ["one", "two", "one"]
    assert same_texts(np.zeros(3, np.uint64), lambda i: texts[i]).tolist() == [0, 1, 0]


# --- signs of damage, labels, lengths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["é", "naïve señor", "don’t", "“quoted”", "a – b", "😀", "Łódź", "привет", "Ελλάδα", "\u00a0x", "\ufeffx"]
)
def test_utf8_that_was_read_as_windows_1252_or_latin_1_is_mojibake(text):
    for encoding in ("cp1252", "latin-1"):
        try:
            damaged_text = text.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        assert has_mojibake(damaged_text), (encoding, damaged_text)
        assert not has_mojibake(text)


@pytest.mark.parametrize(
    "text",
    ["»Spaß«", "NÃO", "“IRMÔ", "“café”…", "Âge à », là", "São João – Å, Ä, Ö!", "½ £5 ©", "¿Qué?", "naïve", "Ð, Þ, þ"],
)
def test_letters_and_quotation_marks_that_languages_write_are_no_mojibake(text):
    assert not has_mojibake(text)


def test_line_ends_tabs_and_form_feeds_are_no_damage():
    assert control_characters("a\tb\r\nc\fd") == []
    assert control_characters("a\x00b\x85c\x1b") == ["\x00", "\x85", "\x1b"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"positive": 500, "Positive": 400, " positive": 1}, {"Positive": "positive", " positive": "positive"}),
        ({"card_lost": 50, "card lost": 2, "card-lost": 1}, {"card lost": "card_lost", "card-lost": "card_lost"}),
        ({"positive": 500, "postive": 3, "positve": 26}, {"postive": "positive"}),
        ({"sport": 100, "sprot": 1, "sporty": 2, "spart": 1}, {"sprot": "sport", "sporty": "sport", "spart": "sport"}),
        ({"food": 100, "good": 90}, {}),
        ({"pos": 100, "neg": 100, "pas": 1}, {}),
        ({"grade1": 100, "grade2": 1, "2019": 100, "2018": 1}, {}),
        ({"-": 5, "_": 5}, {}),
    ],
)
def test_labels_that_are_slips_of_a_commoner_one(counts, expected):
    assert variants(Counter(counts)) == expected


def test_tiny_classes_are_those_of_fewer_than_ten_rows_that_are_no_slips():
    assert tiny(Counter({"a": 10, "b": 9, "c": 1}), ["c"]) == ["b"]


def test_lengths_are_outliers_only_far_from_nearly_all_others():
    sizes = [*range(50, 150), 2000, 3, 0]
    assert find_odd_lengths(sizes) == {"long": {100: 2000}, "brief": {101: 3}}
    assert find_odd_lengths([5, 6, 9000]) == {"long": {}, "brief": {}}


# --- the command -----------------------------------------------------------------------------------------------------


def write(path, rows, end="\n"):
    path.write_text("id,text,label" + end + "".join(f'{i},"{t}",{label}{end}' for i, (t, label) in enumerate(rows)))
    return path


def test_a_fixed_copy_has_every_other_row_byte_for_byte(tmp_path, capsys):
    rows = [*clean(30), ("", "even"), (sentence(3), "even"), ('He said ""no"", twice', "even")]
    table, copy = write(tmp_path / "a.csv", rows, "\r\n"), tmp_path / "b.csv"
    assert run(["check", str(table), "--fix", str(copy), "--vectors", "none"]) == 0
    lines = table.read_bytes().split(b"\r\n")
    assert copy.read_bytes().split(b"\r\n") == [line for i, line in enumerate(lines) if i not in (31, 32)]
    told = capsys.readouterr().err
    assert "dropped: row 31: empty text\n" in told
    assert "dropped: row 32: repeats an earlier row (row 4)\n" in told


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("t.jsonl", lambda text, label: json.dumps({"text": text, "x": [1.50, None], "label": label}) + "\n"),
        ("t.txt", lambda text, label: f"__label__{label.replace(' ', '_')} {text}\n"),
    ],
)
def test_a_fixed_copy_has_the_format_of_the_table(name, make, tmp_path):
    rows = [make(*row) for row in [*clean(25), (sentence(0), "odd one")]]
    table, copy = tmp_path / name, tmp_path / f"fixed-{name}"
    table.write_text("".join(rows))
    assert run(["check", str(table), "--fix", str(copy), "--vectors", "none", "--quiet"]) == 0
    assert copy.read_text() == "".join(rows[:25])


@pytest.mark.parametrize(("lost", "said"), [(0, "the rows that were checked, found others"), (30, "31 rows, found 30")])
def test_a_table_that_changed_since_it_was_checked_gives_no_copy(lost, said, tmp_path):
    table = write(tmp_path / "a.csv", clean(31))
    data = read_examples(table, TableOptions())
    rows = clean(31)
    write(table, [*rows[:lost], *rows[lost + 1 :]])
    with pytest.raises(DataError, match=rf"a\.csv: expected .*{said}\. Check it again\."):
        write_without(table, TableOptions(), data, (), tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_rows_that_cannot_be_used_are_a_finding_and_are_not_written(tmp_path, capsys):
    table = write(tmp_path / "a.csv", [*clean(30), ("no label here", "")])
    assert run(["check", str(table), "--fix", str(tmp_path / "b.csv"), "--vectors", "none", "--json", "--strict"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert [(f["kind"], f["rows"]) for f in result["findings"]] == [("unusable", [31])]
    assert result["dropped"] == [{"row": 31, "reason": "invalid"}]
    assert len((tmp_path / "b.csv").read_text().splitlines()) == 31


def test_only_what_is_named_is_dropped_and_of_a_chain_of_copies_one_stays():
    rows, where = planted()
    checked = check(examples(rows), None, VECTORS)
    assert set(rows_to_drop(checked, ["mojibake"])) == set(where["mojibake"])
    words = sentence(990, 30).split()
    chain = [words, [*words, "more"], [*words, "more", "and", "more", "of", "it"]]
    linked = check(examples([*clean(30), *((" ".join(words), "even") for words in chain)]), None, None)
    assert {finding.kind: list(finding.rows) for finding in linked.findings} == {"near-duplicate": [32, 33]}
    assert 31 not in rows_to_drop(linked, ["near-duplicate"])


def test_strict_says_by_the_exit_code_whether_there_is_an_error(tmp_path, capsys):
    good, bad = write(tmp_path / "good.csv", clean(30)), write(tmp_path / "bad.csv", [*clean(30), ("", "even")])
    assert run(["check", str(good), "--strict", "--vectors", "none"]) == 0
    assert run(["check", str(bad), "--vectors", "none"]) == 0
    assert run(["check", str(bad), "--strict", "--vectors", "none"]) == 1
    shown = capsys.readouterr().out
    assert "nothing found" in shown
    assert "error: empty texts: 1\n" in shown
    assert "    rows 31\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--drop", "empty"], "--drop says what --fix leaves out", 2),
        (["--fix", "b.csv", "--drop", "emty"], "expected kinds of empty, wordless", 2),
        (["--fix", "a.csv"], "expected an output other than the input", 1),
        (["--against", "c.csv"], "c.csv", 1),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(arguments, message, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", clean(30))
    assert run(["check", "a.csv", "--vectors", "none", *arguments]) == code
    assert message in capsys.readouterr().err


def test_every_kind_that_can_be_dropped_gives_a_reason():
    assert all(KINDS[kind].reason for kind in DROPPABLE)
    assert "suspect-label" not in DROPPABLE


# --- several labels a text ------------------------------------------------------------------------------------------


def several(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"it broke and cost {n} euros,fault|price\nthe price of {n},price\nthanks {n} times,\n" for n in range(20)]
    path.write_text("text,labels\n" + "".join(lines) + "it broke and cost 3 euros,price|fault\nfault again,fault\n")
    return path


def test_rows_without_a_label_are_kept_where_texts_may_have_none(tmp_path, capsys):
    path = several(tmp_path)
    command = ["check", str(path), "--fix", str(tmp_path / "fixed.csv"), "--vectors", "none", "--json"]
    assert run([*command, "--multi-label"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 62
    assert found["labels"] == {"price": 41, "fault": 22}
    kinds = {each["kind"]: each["rows"] for each in found["findings"]}
    assert "unusable" not in kinds
    assert kinds["duplicate"] == [61], "the order of a row's labels says nothing"
    fixed = (tmp_path / "fixed.csv").read_text().splitlines()
    assert [line for line in path.read_text().splitlines() if not line.endswith("price|fault")] == fixed
    (tmp_path / "fixed.csv").unlink()
    assert run(command) == 0
    said = "labels such as 'fault|price' look like several: rows without a label are kept, as with --multi-label"
    assert said in capsys.readouterr().err
    assert (tmp_path / "fixed.csv").read_text().splitlines() == fixed


def test_suspects_go_with_one_label_a_text(tmp_path, capsys):
    assert run(["check", str(several(tmp_path)), "--multi-label", "--labels", str(tmp_path / "s.csv")]) == 2
    assert "--labels goes with one label a text" in capsys.readouterr().err


def test_labels_joined_by_another_sign_and_missing_ones_are_found_and_train_warns_of_them(tmp_path, capsys):
    path = tmp_path / "t.csv"
    rows = "".join(f"bad trip {n},neg|travel\nnice trip {n},travel\npoor food {n},neg\n" for n in range(10))
    path.write_text("text,label\n" + rows + 'both here,"neg,travel"\nnothing here,NaN\nsad food,nge\n')
    for options, label in ((["--multi-label"], "'neg,travel'"), ([], "'neg,travel'")):
        assert run(["check", str(path), "--vectors", "none", "--json", *options]) == 0
        found = {each["kind"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
        assert 31 in found["joined-labels"]["rows"]
        assert found["missing-label"]["details"] == [{"label": "NaN"}]
        command = ["train", str(path), "-o", str(tmp_path / "m"), "--vectors", "none", "--recipe", "fast", "-q"]
        assert run([*command, *options]) == 0
        said = capsys.readouterr().err
        assert f"labels such as {label} look like several, separated by ','" in said
        assert "the label 'NaN' (1 row) looks like a missing value" in said

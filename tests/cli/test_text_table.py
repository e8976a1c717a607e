"""What is printed fits a terminal, reads as English, and survives any encoding of the terminal."""

import json
import os
import subprocess
import sys

import pytest
from hostile import MODEL, accepted

from textclf.cli.text_table import WIDEST, columns_text, fit_width
from textclf.errors import say_count, spell

pytestmark = pytest.mark.usefixtures("small_starter")

LONG = "a label of very many words that no column can hold, such as people write"


def test_a_table_of_any_headings_fits_a_terminal_and_keeps_its_figures():
    rows = [["name", "accuracy", "95% interval", LONG, LONG], [LONG, "0.5000", "0.400 to 0.600", "0.1234", "12,345"]]
    lines = columns_text(rows)
    assert max(map(len, lines)) <= WIDEST
    assert lines[1].split()[-5:] == ["0.400", "to", "0.600", "0.1234", "12,345"]
    assert columns_text([["a", "b"], ["c", "0.5"]]) == ["a    b", "c  0.5"]


def test_what_is_cut_ends_in_an_ellipsis():
    assert (fit_width("abc", 3), fit_width("abcd", 3)) == ("abc", "ab…")


@pytest.mark.parametrize(("count", "text"), [(0, "0 texts"), (1, "1 text"), (2000, "2,000 texts")])
def test_one_is_not_counted_as_several(count, text):
    assert say_count(count, "text") == text
    assert say_count(2, "class") == "2 classes"


def test_spaces_beyond_ascii_are_shown_as_spaces():
    assert spell("a\xa0b\u3000c\u202fd") == "a\xa0b\u3000c\u202fd"
    assert spell("a\nb\x1b\u202e") == "a\\nb\\x1b\\u202e"
    assert "\\xa0" not in accepted("explain", MODEL, "a good\xa0film").out


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """Make a folder with two models of long names, and rows of labels that are long too."""
    folder = tmp_path_factory.mktemp("long")
    rows = "text,label\n" + "".join(
        f"good fine film {n},the first {LONG}\nbad poor film {n},the second {LONG}\n".replace("hold,", "hold")
        for n in range(85)
    )
    (folder / "t.csv").write_text(rows)
    for name in ("a model with a name of thirty characters and more", "another model with such a name"):
        options = ("--vectors", "none", "--recipe", "fast", "-q")
        accepted("train", folder / "t.csv", "-o", folder / f"{name}.safetensors", *options)
    return folder


def test_figures_comparisons_and_curves_fit_a_terminal(long_names):
    models = sorted(long_names.glob("*.safetensors"))
    table = long_names / "t.csv"
    for arguments in (
        ["evaluate", models[0], table],
        ["compare", *models, table, "-q"],
        ["curve", table, "--vectors", "none", "--folds", "2", "-q"],
    ):
        lines = accepted(*arguments).out.splitlines()
        tables = [line for line in lines if "  " in line.strip()]
        assert tables
        assert max(map(len, tables)) <= WIDEST, arguments[0]


def test_info_prints_numbers_of_six_digits_and_json_keeps_all():
    exact = json.loads(accepted("info", MODEL, "--json").out)["validation"]["macro_f1"]
    assert exact != round(exact, 6)
    assert f"macro_f1 {exact:.6g}" in accepted("info", MODEL).out


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8", "koi8-r"])
def test_a_terminal_of_any_encoding_gets_every_text(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "textclf", "predict", str(MODEL), "naïve 🙂 фильм"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    if encoding in ("latin-1", "cp1252"):
        assert "naïve \\U0001f642 ".encode(encoding) in done.stdout

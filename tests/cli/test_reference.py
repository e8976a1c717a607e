"""Options from a file, the page that lists all options, and the examples in the help texts."""

import functools
import gzip
import shlex
import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import click
import polars as pl
import pytest
from programs import ROOT, load_program

from textclf.cli import COMMANDS, LazyGroup, run
from textclf.training import search, trial_worker
from textclf.vectors import open_vectors

pytestmark = pytest.mark.usefixtures("small_starter")


@pytest.fixture(scope="module")
def make_cli():
    """Return the program docs/make_cli.py as a module."""
    return load_program("docs/make_cli.py")


def test_the_reference_is_what_the_program_says(make_cli):
    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == make_cli.page(), "run python docs/make_cli.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with every file that the examples read."""
    folder = tmp_path_factory.mktemp("examples")
    train = (ROOT / "data" / "reviews-train.csv").read_text("utf-8").splitlines(keepends=True)
    test = (ROOT / "data" / "reviews-test.csv").read_text("utf-8").splitlines(keepends=True)
    for name in ("reviews.csv", "train.csv"):
        (folder / name).write_text("".join(train[:121]), "utf-8")
    for name in ("test.csv", "new.csv", "valid.csv"):
        (folder / name).write_text("".join(test[:41]), "utf-8")
    (folder / "lines.txt").write_text("A film that stays with you.\nNever again.\n")
    (folder / "tweets.tsv").write_text("text\tlabel\n" + "what a day\tgood\nso late again\tbad\n" * 10)
    (folder / "tickets.csv").write_text("text,labels\n" + "it broke and cost a lot,fault|price\nthanks,\n" * 10)
    (folder / "costs.json").write_text('{"costs": {"positive": {"negative": 5}}}')
    (folder / "shards").mkdir()
    pl.DataFrame({"text": ["what a day", "so late again"]}).write_parquet(folder / "shards" / "a.parquet")
    (folder / "labelled").mkdir()
    shutil.copy(folder / "test.csv", folder / "labelled" / "a.csv")
    with gzip.open(folder / "glove.txt.gz", "wt") as stream:
        stream.write("what 1 2\nlate 2 1\nday 0 1\n")
    with gzip.open(folder / "corpus.txt.gz", "wt") as stream:
        stream.write("a film that stays with you\nso late again today\n" * 30)
    model = str(folder / "trained.safetensors")
    assert run(["train", str(folder / "reviews.csv"), "-o", model, "--recipe", "fast", "--quiet"]) == 0
    return folder


class Here:
    """Measures and trains in this process, as the process of a search does."""

    def __init__(self, work):
        self._given = work, open_vectors(work.vectors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def measure(self, settings, fold, _):
        return trial_worker._measure(*self._given, settings, fold)

    def train(self, settings, target, _):
        return trial_worker._train(*self._given, settings, target)


@pytest.fixture
def search_here(counted_seconds, monkeypatch):
    monkeypatch.setattr(search, "SearchTools", functools.partial(search.SearchTools, make_worker=Here))


EXAMPLES_THAT_STAY = {
    "label": "it runs until it is stopped",
    "serve": "it runs until it is stopped",
} | ({"vectors": "gensim trains them"} if find_spec("gensim") is None else {})


def test_every_example_of_the_help_texts_runs(make_cli, place, monkeypatch, capsys, workers_in_threads, search_here):
    monkeypatch.chdir(place)
    calls = [line for each in _commands() for line in make_cli.examples(each)]
    assert len(calls) >= 2 * len(COMMANDS)
    for call in calls:
        words = shlex.split(call)
        if words[0] == "cat":
            words = words[words.index("textclf") :]
        if words[1] in EXAMPLES_THAT_STAY:
            continue
        for name in ("model", "old", "new", "sentiment"):  # an example before may have written another one
            shutil.copy(place / "trained.safetensors", place / f"{name}.safetensors")
        with (place / "lines.txt").open("r") as lines, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", lines)
            code = run(words[1:])
        said = capsys.readouterr()
        assert code == 0, f"{call}\n{said.err}"


def _commands(group=None):
    group = group or LazyGroup("textclf")
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield from _commands(command) if isinstance(command, click.Group) else [command]


def test_every_command_shows_an_example(make_cli):
    assert [command.name for command in _commands() if not make_cli.examples(command)] == ["clear", "list"]


# --- options from a file -------------------------------------------------------------------------------------------


def test_a_printed_config_makes_the_same_model(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call = ["train", str(place / "tweets.tsv"), "-o", "a.bin", "--vectors", "none", "--hidden", "4,3", "--optimizer",
            "adam", "--epochs", "2", "--l2", "1e-3", "--no-calibrate", "--char-ngrams", "2-3", "--quiet"]  # fmt: skip
    assert run([*call, "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert not Path("a.bin").exists()
    values = tomllib.loads(printed)
    assert (values["hidden"], values["epochs"], values["l2"]) == ("4,3", 2, 0.001)
    assert (values["calibrate"], values["char-ngrams"]) == (False, "2-3")
    Path("train.toml").write_text(printed)
    assert run(call) == 0
    assert run(["train", "--config", "train.toml", "-o", "b.bin"]) == 0
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()


def test_what_the_call_says_wins_over_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('model = "m.bin"\nepochs = 3\nrecipe = "fast"\nmulti_label = true\n')
    assert run(["train", "t.csv", "--config", "c.toml", "--epochs", "5", "--print-config"]) == 0
    values = tomllib.loads(capsys.readouterr().out)
    assert values == {"table": "t.csv", "model": "m.bin", "epochs": 5, "recipe": "fast", "multi-label": True}


def test_sentences_and_awkward_names_come_back_from_a_config_as_they_were(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sentences = ['say "no"', "back\\slash", "tab\tand\x7f", "ünï"]
    assert run(["predict", "m.bin", *sentences, "--print-config"]) == 0
    assert tomllib.loads(capsys.readouterr().out) == {"model": "m.bin", "sentences": sentences}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch = 3", "expected options of textclf train, found 'epoch'. Did you mean 'epochs'?"),
        ("xyz = 3", "found 'xyz'. There are "),
        ("epochs = true", "expected text or a number for 'epochs', found True."),
        ("quiet = 1", "expected true or false for 'quiet', found 1."),
        ("epochs = {a = 1}", "for 'epochs', found another value."),
        ("epochs = ", "expected TOML such as"),
        ("hidden = [8, 4]", "expected text or a number for 'hidden', found [8, 4]."),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, capsys, content, message):
    path = tmp_path / "c.toml"
    path.write_text(content)
    assert run(["train", "t.csv", "-o", "m.bin", "--config", str(path)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs = 0", "0 is not in the range"),
        ("max-memory = 0", "expected a size such as 2MB, found '0'"),
        ("char-ngrams = 3", "expected SHORTEST-LONGEST of 1 to 10 such as 3-5, or none, found '3'"),
        ("hidden = -1", "expected sizes of 1 to 100000 such as 128,64, or none, found '-1'"),
        ("hidden = 1.5", "expected sizes of 1 to 100000 such as 128,64, or none, found '1.5'"),
    ],
)
def test_a_value_out_of_range_in_a_config_is_wrong_usage(tmp_path, capsys, content, message):
    path = tmp_path / "c.toml"
    path.write_text(content)
    assert run(["train", "t.csv", "-o", "m.bin", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_numbers_in_a_config_are_read_as_in_a_call(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("hidden = 8\nmax-memory = 4000000000\nl2 = 1e-3\nepochs = 2")
    call = ["train", str(place / "tweets.tsv"), "--vectors", "none", "--optimizer", "adam", "--quiet", "-o"]
    assert run([*call, "a", "--hidden", "8", "--max-memory", "4000000000", "--l2", "0.001", "--epochs", "2"]) == 0
    assert run([*call, "b", "--config", "c.toml"]) == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()


def test_one_sentence_or_several_and_numbers_among_them_come_from_a_config(place, tmp_path, capsys):
    path = tmp_path / "c.toml"
    for sentences, count in (('"so late again"', 1), ('["what a day", 3]', 2)):
        path.write_text(f"sentences = {sentences}")
        assert run(["predict", str(place / "trained.safetensors"), "--config", str(path)]) == 0
        assert len(capsys.readouterr().out.splitlines()) == count


def test_a_config_that_is_missing_is_named(capsys):
    assert run(["train", "t.csv", "-o", "m.bin", "--config", "none.toml"]) == 1
    assert "none.toml: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_the_shell_completes_commands_and_options(monkeypatch, capsys):
    from click.shell_completion import BashComplete

    from textclf.cli import cli

    complete = BashComplete(cli, {}, "textclf", "_TEXTCLF_COMPLETE")
    assert [item.value for item in complete.get_completions([], "ev")] == ["evaluate"]
    assert "--errors" in [item.value for item in complete.get_completions(["evaluate"], "--err")]

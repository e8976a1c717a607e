"""Each command has one typed object of its options, and an option that cannot act is refused."""

import ast
import gzip
import inspect
from collections import Counter
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import click
import pytest
from hostile import DATA, MODEL, accepted, refused, textclf

from textclf.cli import COMMANDS, LazyGroup
from textclf.cli.options import Command, sections

PACKAGE = Path(inspect.getfile(LazyGroup)).parent.parent
MOST_ARGUMENTS = 6


def every_command(group=None):
    group = group or LazyGroup("textclf")
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield from every_command(command) if isinstance(command, click.Group) else [command]


EVERY = list(every_command())


@pytest.mark.parametrize("command", EVERY, ids=[command.name for command in EVERY])
def test_every_command_takes_each_option_once_and_shows_options_under_headings(command):
    assert isinstance(command, Command)
    headings = dict(sections(command, click.Context(command)))
    assert {option.opts[0] for option in headings["Other options"]} <= {"-h", "--help", "--config", "--print-config"}


def test_the_options_of_every_command_with_more_than_six_are_one_dataclass():
    for name in COMMANDS:
        module = import_module(f"textclf.cli.commands.{name}")
        commands = [module.command] if name != "vectors" else [module.train_command]
        for command in commands:
            if len(command.params) > MOST_ARGUMENTS:
                found = [each for each in vars(module).values() if is_dataclass(each) and isinstance(each, type)]
                own = [each for each in found if each.__module__ == module.__name__]
                names = {field.name for each in own for field in fields(each)}
                known = {field.name for field in fields(import_module("textclf.settings").Settings)}
                params = {p.name for p in command.params} - {"config", "print_config"}
                assert params <= names | known, name


def functions():
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.name}:{node.name}", node.args


def test_no_function_of_the_command_line_has_more_than_six_arguments():
    many = [name for name, args in functions() if len(args.args) + len(args.kwonlyargs) > MOST_ARGUMENTS]
    assert many == []


def test_class_names_of_the_command_line_stand_for_nothing_else_in_the_package():
    names = Counter()
    own = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names[node.name] += 1
                if "cli" in path.relative_to(PACKAGE).parts:
                    own.add(node.name)
    assert [name for name in sorted(own) if names[name] > 1] == []


# --- options that cannot act --------------------------------------------------------------------------------------

IDLE = {
    "a learning rate of L-BFGS": ["train", "t.csv", "-o", "m", "--learning-rate", "0.1"],
    "a batch of L-BFGS": ["train", "t.csv", "-o", "m", "--batch-size", "8"],
    "dropout of L-BFGS": ["train", "t.csv", "-o", "m", "--hidden", "4", "--dropout", "0.1"],
    "patience of L-BFGS": ["train", "t.csv", "-o", "m", "--patience", "2"],
    "frozen vectors of L-BFGS": ["train", "t.csv", "-o", "m", "--freeze-vectors"],
    "an activation of no layer": ["train", "t.csv", "-o", "m", "--activation", "tanh"],
    "dropout of no layer": ["train", "t.csv", "-o", "m", "--optimizer", "adam", "--dropout", "0.1"],
    "a rate of frozen vectors": [
        "train", "t.csv", "-o", "m", "--optimizer", "adam", "--freeze-vectors", "--vector-rate", "0.1",
    ],
    "a dimension beside vectors": ["train", "t.csv", "-o", "m", "--dimension", "20"],
    "a share beside a table": ["train", "t.csv", "-o", "m", "--valid", "v.csv", "--valid-fraction", "0.2"],
    "calibration without rows": ["train", "t.csv", "-o", "m", "--valid-fraction", "0", "--calibrate"],
    "a promise without rows": ["train", "t.csv", "-o", "m", "--valid-fraction", "0", "--target-precision", "0.9"],
    "texts apart of one column": ["train", "t.csv", "-o", "m", "--columns", "apart"],
    "a cache of no vectors": ["train", "t.csv", "-o", "m", "--vectors", "none", "--no-cache"],
    "a cache of no vectors to check by": ["check", "t.csv", "--no-cache", "--vectors", "none"],
    "a column of sentences": ["predict", MODEL, "good", "--text-column", "body"],
    "an encoding of sentences": ["explain", MODEL, "good", "--encoding", "latin-1"],
    "a format of no table": ["explain", MODEL, "--global", "--format", "csv"],
    "a seed without --labels": ["check", "t.csv", "--seed", "2"],
    "a column without --validation": ["export", MODEL, "-o", "s", "--quantize", "int8", "--label-column", "y"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", IDLE.values(), ids=IDLE)
def test_an_option_without_effect_is_refused_before_anything_is_read(arguments):
    outcome = textclf(*arguments)
    assert outcome.code == 2
    assert "has no effect here: " in outcome.err


def test_an_option_without_effect_in_a_config_is_refused_too(tmp_path):
    (tmp_path / "c.toml").write_text("learning-rate = 0.1\n")
    outcome = textclf("train", "t.csv", "-o", "m", "--config", tmp_path / "c.toml")
    assert outcome.code == 2
    assert "--learning-rate has no effect here: the optimizer lbfgs takes all rows at once" in outcome.err


def test_an_option_that_acts_is_taken(tmp_path):
    options = ("--optimizer", "adam", "--learning-rate", "0.01", "--batch-size", "16", "--epochs", "1")
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "a good film,up\na bad film,down\n" * 6)
    accepted("train", path, "-o", tmp_path / "m", "--vectors", "none", "--dimension", "4", "-q", *options)


# --- names of files where sentences are expected --------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_sentence_that_is_the_name_of_a_table_is_refused_with_the_option_that_reads_it(
    command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("my texts").write_text("good\n")
    Path("two.csv").write_text("text\ngood\n")
    for sentences in (["-"], ["test.csv"], ["my texts"], ["two.csv", "my texts"], ["shards/*.PARQUET"], ["t.jsonl.gz"]):
        outcome = textclf(command, MODEL, *sentences)
        assert outcome.code == 2
        assert f"Use -i {sentences[0]!r} to read it" in outcome.err


def test_a_sentence_about_a_table_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for sentence in ("I love test.csv", "good", "a/b", "x" * 5000, "see https://example.org/t.csv"):
        accepted("predict", MODEL, sentence)
    assert "test.csv" in accepted("predict", MODEL, stdin=b"test.csv\n").out


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_url(tmp_path):
    """Return a function that puts a file on the network, where every word of the URL counts."""
    import fsspec

    def put(content, name="t.csv"):
        url = f"memory://{tmp_path.name}/{name}"
        with fsspec.open(url, "wb") as stream:
            stream.write(content)
        return url

    yield put
    fsspec.filesystem("memory").store.clear()


ROWS = (DATA / "reviews-test.csv").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", MODEL],
        ["compare", MODEL],
        ["check"],
        ["split", "--test-output", "b.csv", "--train-output", "a.csv"],
        ["predict", MODEL, "-o", "o.csv", "-i"],
        ["explain", MODEL, "--top", "1", "-i"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_table_at_a_url_is_read_and_called_by_its_url(arguments, at_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = at_url(ROWS)
    accepted(*arguments, url)
    refused(f"{url}: no column 'nothing'", *arguments, url, "--text-column", "nothing")


def test_training_reads_tables_and_models_at_urls_and_names_them(at_url, tmp_path):
    url = at_url(gzip.compress(ROWS), "reviews.csv.gz")
    train = ["train", url, "--valid", url, "-o", tmp_path / "m", "--recipe", "fast"]
    said = accepted(*train).err
    assert "200 of 200 validation rows have the text of a training row" in said
    model = at_url((tmp_path / "m").read_bytes(), "m.safetensors")
    assert accepted("predict", model, "A good film.").out
    for missing, said in ((url.replace("reviews", "no"), "cannot be fetched"), (f"{url}x", "cannot be listed")):
        refused(f"{missing}: {said}", "train", missing, "-o", tmp_path / "m")


def test_no_copy_of_what_was_fetched_is_left(at_url, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    accepted("check", at_url(ROWS))
    refused("no column", "check", at_url(ROWS), "--text-column", "nothing")
    assert list(tmp_path.iterdir()) == []


def test_parts_of_a_table_at_a_url_are_written_here(at_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    accepted("split", at_url(ROWS), "-q")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t-test.csv", "t-train.csv"]


def test_files_that_options_name_are_read_at_urls(at_url, tmp_path):
    names = at_url(b'{"positive": "good fine", "negative": "bad poor"}', "names.json")
    config = at_url(f'label-names = "{names}"\nrecipe = "fast"\nquiet = true\n'.encode(), "c.toml")
    accepted("train", at_url(ROWS), "-o", tmp_path / "m", "--config", config)
    assert accepted("info", tmp_path / "m", "--json").out.count("good fine") == 1
    accepted("check", at_url(ROWS).replace("memory", "MEMORY"))


def test_what_cannot_be_at_a_url_is_refused_with_the_whole_url(at_url, tmp_path):
    url = at_url(ROWS)
    table, model, written = DATA / "reviews-test.csv", tmp_path / "m", f"found a URL, '{url}'"
    for arguments in (
        ["train", table, "-o", url],
        ["split", table, "--test-output", url],
        ["check", table, "--fix", url],
        ["suggest", MODEL, table, "-o", url],
        ["predict", MODEL, "-i", table, "-o", url],
        ["evaluate", MODEL, table, "--report", url],
        ["info", MODEL, "--card", url],
    ):
        refused(f"expected a file on this machine, {written}", *arguments, code=2)
    refused(f"{url}: expected a file of word vectors or a name, found a URL", "vectors", "info", url)
    refused(f"{url}: expected a file of word vectors", "train", table, "-o", model, "--vectors", url)
    refused(f"{url}: expected a file, found a URL", "serve", url)


def test_a_dash_is_no_output_and_no_file_of_that_name_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = DATA / "reviews-test.csv"
    for arguments in (
        ["train", table, "-o", "-"],
        ["train", table, "-o", "m", "--report", "-"],
        ["split", table, "--test-output", "-"],
        ["check", table, "--fix", "-"],
        ["suggest", MODEL, table, "-o", "-"],
        ["export", MODEL, "-o", "-"],
        ["predict", MODEL, "-i", table, "-o", "-"],
        ["predict", MODEL, "-i", table, "--drift", "-"],
        ["evaluate", MODEL, table, "--errors", "-"],
        ["compare", MODEL, table, "--changed", "-"],
        ["explain", MODEL, "good", "--html", "-"],
        ["info", MODEL, "--card", "-"],
        ["vectors", "train", table, "-o", "-"],
    ):
        refused("expected a file, found -", *arguments, code=2)
    assert not list(tmp_path.iterdir())


def test_a_url_of_an_unknown_kind_is_named_whole(tmp_path):
    refused("nope://bucket/t.csv: .*Protocol not known", "train", "nope://bucket/t.csv", "-o", tmp_path / "m")


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("https://example.org/t.csv", r'"textclf-nn\[url\]"\.'),
        ("s3://bucket/t.csv", r'"textclf-nn\[url\]" "fsspec\[s3\]"\.'),
    ],
)
def test_a_url_whose_package_is_missing_is_answered_with_what_installs_it(url, extra, tmp_path, monkeypatch):
    def fail(_url):
        raise ImportError("Install something to access this")

    monkeypatch.setattr("fsspec.core.url_to_fs", fail)
    refused(rf"{url}: .*pip install {extra}", "train", url, "-o", tmp_path / "m")

"""The command line under odd names, settings, surroundings and streams, A01 to A12; nothing run, nothing reached."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hostile import DATA, MODEL, accepted, assert_clean, refused, textclf, within

ROOT = Path(__file__).parent.parent.parent
TABLE = "text,label\n" + "a good film,up\na bad film,down\nsplendid,up\ndreadful,down\n" * 3
QUICK = ("--vectors", "none", "--recipe", "fast", "--quiet")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def process(command, *, folder, code=0, **settings):
    """Run a shell command in which `$TEXTCLF` is the program; return standard output and standard error."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TEXTCLF": f"{sys.executable} -m textclf",
        "MODEL": str(MODEL),
    }
    environment |= settings
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)
    err = done.stderr.decode("utf-8", "replace")
    assert done.returncode == code, err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    return done.stdout, err


USAGE = {
    "A01 no command": [],
    "A01 an unknown command": ["trian"],
    "A01 no arguments": ["train"],
    "A01 an unknown option": ["predict", "m", "--nope"],
    "A01 a value that is missing": ["train", "t", "-o"],
    "A01 a choice that is none": ["train", "t", "-o", "m", "--optimizer", "magic"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage_is_exit_code_2_and_a_usage_line(arguments):
    outcome = textclf(*arguments)
    assert outcome.code == 2
    assert (outcome.out + outcome.err).startswith(("Usage: textclf", "Error: Option '-o' requires an argument."))
    assert_clean(outcome)


def test_what_no_one_thought_of_is_one_line_too(monkeypatch):
    monkeypatch.setattr("textclf.model.model.Model.predict", lambda *_, **__: {}["\x1b[31m"])
    outcome = textclf("predict", MODEL, "good")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: unexpected KeyError at test_hostile_commands.py:")
    assert outcome.err.endswith("This is a fault in textclf: report it.\n")
    assert "\x1b" not in outcome.err


TWICE = {
    "A01 a number": ["predict", MODEL, "--top-k", "2", "--top-k", "1", "good"],
    "A01 the same value": ["train", "t.csv", "-o", "m", "--label-column", "a", "--label-column", "a"],
    "A01 two spellings": ["train", "t.csv", "-o", "m", "--model", "n"],
    "A01 yes and no": ["train", "t.csv", "-o", "m", "--calibrate", "--no-calibrate"],
    "A01 rows to suggest": ["suggest", MODEL, "t.csv", "-n", "2", "--rows", "3", "-o", "o.csv"],
    "A01 labels to choose from": ["label", "t.csv", "-o", "o.csv", "--labels", "a,b", "--labels", "c,d"],
    "A01 two exports": ["export", MODEL, "-o", "m.js", "-o", "m.html"],
    "A01 a sheet": ["predict", MODEL, "-i", "t.xlsx", "--sheet", "a", "--sheet", "b"],
    "A01 in a group": ["vectors", "train", "c.txt", "-o", "v", "--epochs", "1", "--epochs", "2"],
}


@pytest.mark.parametrize("arguments", TWICE.values(), ids=TWICE)
def test_an_option_with_one_value_that_is_given_twice_is_refused(arguments):
    outcome = textclf(*arguments)
    assert outcome.code == 2
    assert "is given twice. Give it once." in outcome.err


OVER_INPUTS = {
    "A04 rows to label over the pool": ["suggest", MODEL, "t.csv", "-o", "t.csv"],
    "A04 rows to label over those labelled": ["suggest", MODEL, "t.csv", "--labelled", "u.csv", "-o", "u.csv"],
    "A04 a page over the rows it is measured on": [
        "export",
        MODEL,
        "--to",
        "html",
        "--validation",
        "t.csv",
        "-o",
        "t.csv",
    ],
    "A04 a module over its model": ["export", "m.st", "--to", "js", "-o", "m.st"],
    "A04 a part over the table": ["split", "t.csv", "--train-output", "t.csv", "--test-output", "new.csv"],
    "A04 a workbook over the workbook": ["predict", MODEL, "-i", "t.xlsx", "-o", "t.xlsx"],
    "A04 a table over the table of several columns": ["train", "t.csv", "--category-column", "n", "-o", "t.csv"],
}


@pytest.mark.parametrize("arguments", OVER_INPUTS.values(), ids=OVER_INPUTS)
def test_an_input_is_not_written_over(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = {name: TABLE.encode() for name in ("t.csv", "u.csv", "t.xlsx")} | {"m.st": MODEL.read_bytes()}
    for name, content in contents.items():
        Path(name).write_bytes(content)
    refused("other than the input, found the same file|the same file", *arguments)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_a01_flags_and_repeatable_options_may_stand_twice():
    assert accepted("predict", MODEL, "--json", "--json", "good").code == 0


NUMBERS = [
    *(f"--epochs {value}" for value in ("0", "-1", "1e9", "nan", "inf", "100001", "٣")),
    *(f"--learning-rate {value}" for value in ("nan", "-1", "inf", "0", "1e-400")),
    *(
        f"--{name} nan"
        for name in ("l2", "dropout", "word-dropout", "valid-fraction", "vector-rate", "target-precision")
    ),
    *(
        "--dimension 0",
        "--batch-size 0",
        "--threads 0",
        "--seed 18446744073709551616",
        "--seed -1",
        "--char-ngrams 5-3",
    ),
    *("--hidden 0", "--hidden 1e9", "--word-ngrams -1", "--patience 0", "--target-precision 1"),
]


@pytest.mark.parametrize("option", NUMBERS, ids=[f"A02 {option}" for option in NUMBERS])
def test_a_number_that_cannot_be_is_exit_code_2_before_anything_is_read(option):
    outcome = textclf("train", "no-such-file", "-o", "m", *option.split(" "))
    if option == "--epochs ٣":  # a digit all the same: the file is looked for
        assert outcome.code == 1
        return
    assert outcome.code == 2
    assert option.split(" ")[0] in outcome.err


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "check", "explain"])
@pytest.mark.parametrize("kind", ["A03 missing", "A03 a folder", "A03 unreadable"])
def test_an_input_that_cannot_be_read_is_named(kind, command, tmp_path, monkeypatch):
    path = tmp_path / "in.csv"
    if kind == "A03 a folder":
        path.mkdir()
    elif kind == "A03 unreadable":
        path.write_text(TABLE)
        whole = Path.open
        error = PermissionError(13, "Permission denied", str(path))
        guarded = lambda self, *a, **k: (_ for _ in ()).throw(error) if self == path else whole(self, *a, **k)  # noqa: E731
        monkeypatch.setattr(Path, "open", guarded)
    arguments = {
        "train": [path, "-o", tmp_path / "m"],
        "evaluate": [MODEL, path],
        "predict": [MODEL, "-i", path, "-o", tmp_path / "out"],
        "check": [path],
        "explain": [MODEL, "-i", path],
    }
    refused(r"in\.csv", command, *arguments[command])


def test_a03_a_model_that_cannot_be_read_is_named(tmp_path):
    for arguments in (
        ["predict", "m.st", "good"],
        ["evaluate", "m.st", "t"],
        ["info", "m.st"],
        ["explain", "m.st", "x"],
    ):
        refused(r"m\.st: expected a model file, found nothing", *arguments)
        refused("found a folder", *[tmp_path if part == "m.st" else part for part in arguments])


def test_a04_an_output_is_overwritten_only_by_a_whole_one(table, tmp_path):
    model = tmp_path / "m.safetensors"
    model.write_bytes(b"old")
    refused("no column 'nope'", "train", table, "-o", model, "--label-column", "nope", *QUICK)
    refused("found only 'up'", "train", one_class(tmp_path), "-o", model, *QUICK)
    assert model.read_bytes() == b"old"
    accepted("train", table, "-o", model, *QUICK)
    assert model.stat().st_size > 1000
    assert not list(tmp_path.glob(".*"))


def one_class(folder):
    path = folder / "one.csv"
    path.write_text("text,label\na,up\nb,up\n")
    return path


OUTPUTS = {
    "A05 no folder": ("none/m", "does not exist"),
    "A05 a folder": (".", "found a folder"),
    "A05 a name of 300 bytes": ("n" * 300, "File name too long"),
    "A05 a device": ("/dev/null", "found a device"),
    "A05 in the system's own folder": ("/proc/m", "Name a regular file"),
}


@pytest.mark.parametrize(("name", "said"), OUTPUTS.values(), ids=OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(name, said, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("textclf.training.train.train", lambda *_, **__: pytest.fail("training was started"))
    refused(said, "train", table, "-o", name, *QUICK)
    refused(said, "train", table, "-o", "m", "--refused", name, "--on-error", "skip", *QUICK)
    refused(said, "evaluate", MODEL, DATA / "reviews-test.csv", "--errors", name)
    refused(said, "predict", MODEL, "-i", table, "-o", name)


def test_a05_a_read_only_folder_is_refused_before_the_work(table, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # the system's own answer is always yes to root
    refused("cannot be written to", "train", table, "-o", tmp_path / "m", *QUICK)


def test_a05_a_disk_that_fills_up_leaves_the_old_file_whole_and_nothing_beside_it(table, tmp_path):
    (tmp_path / "m").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))  # Python ignores the signal: writing fails
    try:
        refused(
            "m: cannot be written .File too large.*The old file, if any, is as it was",
            "train",
            table,
            "-o",
            tmp_path / "m",
            *QUICK,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "m").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "table.csv"]


NAMES = ["-rf", "--help", "new\nline", "\x1b[2J", "caf\udce9", "a b", "%s{}", "-", "🙂"]


@pytest.mark.parametrize("name", NAMES, ids=[f"A06 {name!a}" for name in NAMES])
def test_a_file_of_any_name_is_read_and_written_and_named_on_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "-":  # which is standard input, unless its folder is named
        name = str(tmp_path / "-")
    Path(name).write_text(TABLE)
    accepted("train", "--format", "csv", *QUICK, "--json", "-o", f"{name}.model", "--", name)
    accepted("evaluate", "--format", "csv", "--errors", f"{name}.csv", "--", f"{name}.model", name)
    accepted("info", "--", f"{name}.model")
    accepted("predict", "--format", "csv", "-o", f"{name}.tsv", "-i", name, "--", f"{name}.model")
    assert Path(f"{name}.tsv").read_text().count("\n") == TABLE.count("\n")
    refused("label", "train", "--format", "csv", "--label-column", "nope", *QUICK, "-o", "m", "--", name)


LABELS = {
    "A07 one class": ("text,label\na,up\nb,up\n", "expected at least two classes, found only 'up'"),
    "A07 a label for each of 10^5 rows": (
        "text,label\n" + "".join(f"word {n},label{n}\n" for n in range(100_000)),
        "found 100,000 labels in 100,000 rows. Is this the right label column",
    ),
    "A07 the same text in every row": ("text,label\n" + "a,x\na,y\n" * 9, "found the same in every row"),
    "A07 empty texts": ("text,label\n,x\n,y\n,x\n", "found the same in every row"),
    "A07 texts without a word": ("text,label\n.,x\n ,y\n", "expected words, found none in any text"),
}


@pytest.mark.parametrize(("content", "said"), LABELS.values(), ids=LABELS)
def test_labels_and_texts_that_teach_nothing_are_refused(content, said, tmp_path):
    (tmp_path / "t.csv").write_text(content)
    with within(30):
        refused(said, "train", tmp_path / "t.csv", "-o", tmp_path / "m", *QUICK)
    assert not (tmp_path / "m").exists()


def test_a07_a_class_of_a_single_row_is_trained_on(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE + "unique,rare\n")
    accepted("train", tmp_path / "t.csv", "-o", tmp_path / "m", *QUICK)
    assert "rare" in accepted("info", tmp_path / "m").out


@pytest.mark.parametrize("command", [["predict", MODEL], ["train", "-", "-o", "m"], ["evaluate", MODEL, "-"]])
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no rows"), (os.urandom(2000), "UTF-8|NUL|expected|format")],
    ids=["A08 empty", "A08 binary"],
)
def test_a_standard_input_without_rows_is_refused(content, said, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(f"standard input.*({said})", *command, stdin=content)


def test_a08_standard_input_is_read_and_a_closed_one_refused(tmp_path):
    assert accepted("predict", MODEL, stdin=b"good\nbad\n").out.count("\n") == 2
    assert accepted("train", "-", "-o", tmp_path / "m", *QUICK, stdin=TABLE.encode()).code == 0
    _, err = process("$TEXTCLF predict $MODEL <&-", folder=tmp_path, code=1)
    assert err.startswith("Error: standard input: expected texts, found it closed")


def test_a09_a_missing_column_is_answered_with_those_there_are(table, tmp_path):
    said = "no column 'body'; it has 'text' and 'label'"
    refused(said, "train", table, "-o", tmp_path / "m", "--text-column", "body", *QUICK)
    refused(said, "predict", MODEL, "-i", table, "--text-column", "body")


SURROUNDINGS = {
    "A10 the C locale, no home, ASCII streams": {
        "LANG": "C",
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "PYTHONIOENCODING": "ascii",
        "TEXTCLF_CACHE_DIR": "",
    },
    "A10 an absent locale, another time, a safe path": {
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Pacific/Chatham",
        "PYTHONHASHSEED": "7",
        "PYTHONSAFEPATH": "1",
        "COLUMNS": "20",
        "TERM": "dumb",
    },
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_the_surroundings_change_no_byte_of_a_result(surroundings, table, tmp_path):
    accepted("train", table, "-o", tmp_path / "here", *QUICK)
    both = (
        "from textclf.cli import main, run;"
        "run('train table.csv -o there --vectors none --recipe fast -q'.split()) or main()"
    )
    command = f"{sys.executable} -c \"{both}\" predict $MODEL 'naïve café 🙂 I'"
    out, _ = process(command, folder=tmp_path, **surroundings)
    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()
    assert out.decode("utf-8") == accepted("predict", MODEL, "naïve café 🙂 I").out


def test_a11_modules_in_the_working_folder_are_not_imported_by_the_installed_script(table, tmp_path):
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "textclf"  # as pip writes it
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom textclf.cli import main\nif __name__ == '__main__':\n sys.exit(main())\n"
    )
    script.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for name in (
        "numpy",
        "csv",
        "json",
        "polars",
        "gensim",
        "click",
        "safetensors",
        "textclf",
        "sitecustomize",
        "resource",
    ):
        (work / f"{name}.py").write_text(f"open({str(work / 'ran')!r}, 'a').write({name!r})\nraise SystemExit(99)\n")
    pl.DataFrame({"text": ["good", "bad"], "label": ["positive", "negative"]}).write_parquet(work / "t.parquet")
    process(f"{script} evaluate $MODEL t.parquet && {script} train {table} -o m --vectors none -q", folder=work)
    assert not (work / "ran").exists()


STREAMS = {
    "A12 closed": "$TEXTCLF predict $MODEL good >&-",
    "A12 closed, a table": "$TEXTCLF predict $MODEL -i table.csv >&-",
    "A12 full": "$TEXTCLF predict $MODEL good >/dev/full",
    "A12 full, a table": "$TEXTCLF predict $MODEL -i table.csv >/dev/full",
    "A12 full, figures": "$TEXTCLF info $MODEL --json >/dev/full",
}


@pytest.mark.parametrize("command", STREAMS.values(), ids=STREAMS)
def test_a_result_that_cannot_be_written_is_exit_code_1(command, table):
    _, err = process(command, folder=table.parent, code=1)
    assert err.splitlines()[-1].startswith("Error: ")


def test_a12_a_closed_standard_output_or_error_is_no_matter_where_nothing_goes_there(table):
    process("$TEXTCLF train table.csv -o m --vectors none --recipe fast >&- 2>&-", folder=table.parent)
    assert (table.parent / "m").exists()


def test_a12_a_reader_that_leaves_is_no_error_and_a_file_is_written_to_its_end(tmp_path):
    rows = "text\n" + "a good film\n" * 30_000
    (tmp_path / "t.csv").write_text(rows)
    process("set -o pipefail; $TEXTCLF predict $MODEL -i t.csv | head -n 1", folder=tmp_path)
    process("$TEXTCLF predict $MODEL -i t.csv -o o.csv 2>&1 | true", folder=tmp_path)
    assert (tmp_path / "o.csv").read_text().count("\n") == 30_001


# Nothing run, nothing reached


AUDITED = (
    ["train", DATA / "reviews-test.csv", "-o", "m", "--vectors", "starter"],
    ["evaluate", MODEL, "t.parquet", "--errors", "wrong.csv"],
    ["predict", MODEL, "-i", "t.parquet", "-o", "o.parquet"],
    ["predict", MODEL, "good"],
    ["explain", MODEL, "good film", "--html", "e.html"],
    ["info", MODEL],
    ["check", DATA / "reviews-test.csv"],
    ["vectors", "info", "v.vec"],
    ["vectors", "train", DATA / "reviews-test.csv", "-o", "v.bin", "--epochs", "1", "--dimension", "5"],
)


def test_no_command_unpickles_runs_connects_or_writes_elsewhere(tmp_path):
    pl.DataFrame({"text": ["good", "bad"], "label": ["positive", "negative"]}).write_parquet(tmp_path / "t.parquet")
    (tmp_path / "v.vec").write_text("2 3\ngood 1 2 3\nbad 4 5 6\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TEXTCLF_CACHE_DIR": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path),
    }
    commands = json.dumps([[*map(str, arguments)] for arguments in AUDITED])
    program = [sys.executable, str(Path(__file__).with_name("audited.py")), str(tmp_path), commands]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "violations").read_text() == ""


FORBIDDEN = """
import os, pathlib, pickle, runpy, socket, subprocess, sys
sys.argv = ["audited", {inside!r}, '[["--version"]]']
runpy.run_path({program!r})
pickle.loads(pickle.dumps(pathlib.Path))
subprocess.run(["true"])
os.system("true")
socket.socket().connect_ex(("127.0.0.1", 9))
open({outside!r}, "w").close()
os.remove({outside!r})
exec(compile("1", {outside!r}, "exec"))
"""
SEEN = [
    "pickle.find_class",
    "subprocess.Popen",
    "os.system",
    "socket.connect",
    "open for writing",
    "os.remove",
    "exec of",
]


def test_the_audit_sees_what_must_not_be(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    program = str(Path(__file__).with_name("audited.py"))
    code = FORBIDDEN.format(inside=str(inside), outside=str(outside), program=program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    lines = (inside / "violations").read_text().splitlines()
    assert [seen for seen in SEEN if any(line.startswith(seen) for line in lines)] == SEEN

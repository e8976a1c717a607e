"""What a user does, from the command line: whole outputs, exit codes and error messages."""

import csv
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from calls import textclf

DATA = Path(__file__).parent.parent / "data"
TRAIN, TEST = DATA / "reviews-train.csv", DATA / "reviews-test.csv"


def in_a_process(*arguments, folder, stdin=None, code=0):
    """Run the command line as `textclf` does, but in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "textclf", *map(str, arguments)],
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a model in it, trained on the reviews of the demo."""
    folder = tmp_path_factory.mktemp("work")
    out, talk = textclf("train", TRAIN, "-o", "model.safetensors", folder=folder)
    assert out == ""
    columns = "texts: column 'text', in English; labels: 'label' (negative 400, positive 400)"
    assert talk.splitlines()[:2] == [columns, "800 examples, 2 classes"]
    assert any(line.startswith("model.safetensors: ") for line in talk.splitlines())
    assert talk.splitlines()[-1].startswith("  next: textclf evaluate model.safetensors TEST.csv")
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(place):
    model = (place / "model.safetensors").read_bytes()
    in_a_process("train", TRAIN, "-o", "again.safetensors", "--threads", 1, "--quiet", folder=place)
    assert (place / "again.safetensors").read_bytes() == model
    textclf("train", TRAIN, "-o", "other.safetensors", "--seed", 2, "--quiet", folder=place)
    assert (place / "other.safetensors").read_bytes() != model


def test_labels_of_a_table_are_the_same_with_any_number_of_threads(place):
    rows = [f'"Row {number}, a film that {"stays" if number % 3 else "bores"}"' for number in range(1200)]
    (place / "many.csv").write_text("\n".join(["text", *rows]) + "\n")
    written = []
    for threads in (1, 3):
        textclf("predict", "model.safetensors", "-i", "many.csv", "-o", "m.csv", "--threads", threads, folder=place)
        written.append((place / "m.csv").read_bytes())
    assert written[0] == written[1]
    assert [line.split(b",")[0] for line in written[0].splitlines()[1:]] == [b'"Row %d' % n for n in range(1200)]


def test_evaluation_says_the_same_to_people_and_to_programs(place):
    text, _ = textclf("evaluate", "model.safetensors", TEST, "--errors", "wrong.csv", folder=place)
    out, talk = textclf("evaluate", "model.safetensors", TEST, "--json", folder=place)
    figures = json.loads(out)
    assert talk == ""
    assert figures["n"] == 200
    assert figures["accuracy"] > 0.68
    assert text.startswith(f"accuracy {figures['accuracy']:.4f}   macro-F1 {figures['macro_f1']:.4f}   ")
    assert "majority baseline: always 'negative', accuracy 0.5000" in text
    assert list(figures["per_class"]) == ["negative", "positive"] == figures["confusion"]["labels"]
    scores = {"precision", "recall", "f1", "support", "roc_auc", "average_precision"}
    assert scores == set(figures["per_class"]["positive"])
    matrix = np.array(figures["confusion"]["matrix"])
    assert matrix.sum() == 200
    assert np.trace(matrix) / 200 == figures["accuracy"]
    with (place / "wrong.csv").open(encoding="utf-8", newline="") as stream:
        wrong = list(csv.DictReader(stream))
    assert len(wrong) == 200 - np.trace(matrix)
    confidences = [float(row["confidence"]) for row in wrong]
    assert confidences == sorted(confidences, reverse=True)
    with TEST.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(row["text"] in {r["text"] for r in rows} and row["label"] != row["predicted"] for row in wrong)


def test_sentences_are_labelled_from_arguments_lines_and_tables_alike(place):
    sentences = ["A film that stays with you.", "A waste of two hours.", "", "¿Qué?"]
    out, _ = textclf("predict", "model.safetensors", *sentences, folder=place)
    assert [line.split("  ")[0] for line in out.splitlines()[:2]] == ["positive", "negative"]
    assert [line.split("  ", 2)[2] for line in out.splitlines()] == sentences
    from_arguments, _ = textclf("predict", "model.safetensors", "--json", *sentences, folder=place)
    from_lines, _ = in_a_process(
        "predict", "model.safetensors", "--json", folder=place, stdin="\n".join(sentences) + "\n"
    )
    assert from_lines == from_arguments
    objects = [json.loads(line) for line in from_arguments.splitlines()]
    assert [list(thing) for thing in objects] == [["text", "label", "confidence", "probabilities", "known_words"]] * 4
    assert [thing["text"] for thing in objects] == sentences
    assert objects[2]["known_words"] == 0
    assert all(sum(thing["probabilities"].values()) == pytest.approx(1.0, abs=2e-6) for thing in objects)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([["text"], *[[sentence] for sentence in sentences]])
    (place / "sentences.csv").write_text(table.getvalue(), "utf-8")
    textclf("predict", "model.safetensors", "-i", "sentences.csv", "-o", "labelled.csv", folder=place)
    with (place / "labelled.csv").open(encoding="utf-8", newline="") as stream:
        labelled = list(csv.DictReader(stream))
    assert [row["label"] for row in labelled] == [thing["label"] for thing in objects]
    assert [float(row["confidence"]) for row in labelled] == [thing["confidence"] for thing in objects]


def awkward_rows():
    """Return 1,000 rows of texts with line breaks, quotes, commas, emoji and nothing, beside columns that must stay."""
    rng = np.random.default_rng(0)
    pieces = ["good", "bad", '"', ",", "\n", "\r\n", "🙂", "👩\u200d👧", " ", "é", "名", "'", "\t", "\u2028", "\x85"]
    texts = ["".join(rng.choice(pieces, rng.integers(0, 12))) for _ in range(1000)]
    others = ["".join(rng.choice(pieces, rng.integers(0, 5))) for _ in range(1000)]
    return [[str(i), text, other, "007"] for i, (text, other) in enumerate(zip(texts, others, strict=True))]


def test_a_thousand_awkward_rows_come_back_in_order_with_all_other_columns(place):
    rows = awkward_rows()
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([["id", "text", "label", "code"], *rows])
    (place / "awkward.csv").write_bytes(table.getvalue().encode())
    _, talk = textclf("predict", "model.safetensors", "-i", "awkward.csv", "-o", "out.csv", folder=place)
    assert "1,000 rows labelled, 0 skipped" in talk
    with (place / "out.csv").open(encoding="utf-8", newline="") as stream:
        header, *labelled = csv.reader(stream, strict=True)
    assert header == ["id", "text", "label", "code", "label_2", "confidence"]
    assert [row[:4] for row in labelled] == rows
    assert {row[4] for row in labelled} == {"positive", "negative"}
    # Byte for byte: what is added is the end of each record.
    stripped = (place / "out.csv").read_bytes()
    for row in [header, *labelled]:
        stripped = stripped.replace(f",{row[4]},{row[5]}\n".encode(), b"\n", 1)
    assert stripped == (place / "awkward.csv").read_bytes()


def test_top_k_and_proba_add_their_columns_and_their_words(place):
    out, _ = textclf("predict", "model.safetensors", "--top-k", 2, "Lovely.", folder=place)
    assert out.split("  ")[-1] == "Lovely.\n"
    assert {word.split(" ")[0] for word in out.split("  ")[:-1]} == {"positive", "negative"}
    csv_text = "text\nLovely.\n"
    options = ["--format", "csv", "--top-k", 2, "--proba"]
    out, _ = textclf("predict", "model.safetensors", "-i", "-", *options, folder=place, stdin=csv_text)
    header = "text,label,confidence,label_top2,confidence_top2,p_negative,p_positive"
    assert out.splitlines()[0] == header


def test_info_tells_what_the_model_is_made_of(place):
    facts = json.loads(textclf("info", "model.safetensors", "--json", folder=place)[0])
    assert facts["labels"] == ["negative", "positive"]
    assert facts["layers"] == [160, 2]
    assert facts["provenance"]["vectors"]["name"] == "starter"
    assert len(facts["provenance"]["vectors"]["sha256"]) == len(facts["data"]["sha256"]) == 64
    assert facts["settings"]["seed"] == 1
    text, _ = textclf("info", "model.safetensors", folder=place)
    assert "labels: negative, positive\n" in text


def test_training_tells_programs_what_it_did(place):
    out, talk = textclf(
        "train", TRAIN, "-o", "j.safetensors", "--json", "-q", "--hidden", "8", "--recipe", "fast", folder=place
    )
    told = json.loads(out)
    assert talk == ""
    assert told["bytes"] == (place / "j.safetensors").stat().st_size
    assert told["settings"]["hidden"] == [8]
    assert 0.5 < told["validation"]["accuracy"] <= 1.0


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "adam", "--hidden", "16", "--epochs", "6"],
        ["--optimizer", "momentum", "--hidden", "16,8", "--activation", "tanh", "--epochs", "8"],
        ["--optimizer", "sgd", "--loss", "squared-error", "--output", "sigmoid", "--freeze-vectors", "--epochs", "20"],
        ["--weighting", "tfidf", "--word-ngrams", "1", "--char-ngrams", "none"],
        ["--weighting", "sif", "--word-ngrams", "0", "--char-ngrams", "none"],
        ["--vectors", "none", "--optimizer", "adam", "--dimension", "20", "--epochs", "4"],
    ],
)
def test_every_way_to_train_beats_the_majority(options, place):
    textclf("train", TRAIN, "-o", "way.safetensors", "--quiet", *options, folder=place)
    out, _ = textclf("evaluate", "way.safetensors", TEST, "--json", folder=place)
    assert json.loads(out)["accuracy"] > 0.58


# --- what is wrong is said in one line --------------------------------------------------------------------------------


def word2vec(words, dimension=5):
    rng = np.random.default_rng(0)
    rows = [word.encode() + b" " + rng.normal(size=dimension).astype("<f4").tobytes() for word in words]
    return f"{len(words)} {dimension}\n".encode() + b"".join(rows)


def newer(path):
    """Write a model file of a format that is not known yet."""
    text = json.dumps({"format": 99, "sha256": "0" * 64})
    header = json.dumps({"__metadata__": {"textclf": text}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def test_a_process_ends_with_the_code_that_the_command_line_returns(place):
    out, talk = in_a_process("predict", "none.st", "x", folder=place, code=1)
    assert (out, talk.count("\n"), talk.startswith("Error: none.st: ")) == ("", 1, True)
    out, talk = in_a_process("predikt", folder=place, code=2)
    assert out == ""
    assert "Did you mean 'predict'?" in talk


MODEL = "model.safetensors"
ERRORS = {
    "a missing file": (["train", "none.csv", "-o", "m"], "none.csv: "),
    "a missing column": (["train", "odd.csv", "-o", "m"], "odd.csv: "),
    "a column that is not there": (["train", "good.csv", "-o", "m", "--text-column", "body"], "no column 'body'"),
    "an empty file": (["train", "empty.csv", "-o", "m"], "empty.csv: "),
    "one class only": (["train", "one.csv", "-o", "m"], "expected at least two classes, found only 'a'"),
    "vectors cut in half": (["train", "good.csv", "-o", "m", "--vectors", "half.bin"], "half.bin: "),
    "a text file as model": (["predict", "good.csv", "x"], "good.csv: expected a model made by `textclf train`"),
    "a model of a newer format": (["predict", "newer.st", "x"], "It was made by a newer textclf"),
    "a missing model": (["predict", "none.st", "x"], "none.st: expected a model file, found nothing"),
    "a label that training did not have": (["evaluate", "model.safetensors", "good.csv"], "label 'a' was not in the"),
    "an output in no folder": (["train", "good.csv", "-o", "none/m"], "/none' does not exist"),
    "an output that is the input": (["train", "good.csv", "-o", "good.csv"], "good.csv: "),
    "a model over the validation rows": (["train", "good.csv", "--valid", "odd.csv", "-o", "odd.csv"], "same file"),
    "a model over the vectors": (["train", "good.csv", "--vectors", "half.bin", "-o", "half.bin"], "same file"),
    "a report over the model": (["train", "good.csv", "-o", "m", "--report", "m"], "found it twice"),
    "wrong rows over the model": (["evaluate", MODEL, TEST, "--errors", MODEL], "same file"),
    "labels over the model": (["predict", MODEL, "-i", TEST, "-o", MODEL], "same file"),
    "vectors over the corpus": (["vectors", "train", "good.txt", "-o", "good.txt"], "same file"),
    "class weights nested too deep": (["train", "good.csv", "-o", "m", "--class-weight", "deep.json"], "JSON object"),
    "class weights beyond all numbers": (["train", "good.csv", "-o", "m", "--class-weight", "huge.json"], "found inf"),
    "a byte of another encoding": (["train", "latin.csv", "-o", "m"], "row 2"),
    "class weights that are no JSON": (["train", "good.csv", "-o", "m", "--class-weight", "good.csv"], "a JSON object"),
    "class weights that are no numbers": (["train", "good.csv", "-o", "m", "--class-weight", "w.json"], "other values"),
    "class weights that are not there": (
        ["train", "good.csv", "-o", "m", "--class-weight", "none.json"],
        "none.json: ",
    ),
    "no such vectors": (["train", "good.csv", "-o", "m", "--vectors", "half.txt"], "half.txt: "),
}
if find_spec("gensim") is None:  # which the command asks for first
    del ERRORS["vectors over the corpus"]


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(name, place):
    (place / "good.csv").write_text("text,label\ngood,a\nfine,a\nbad,b\nill,b\n")
    (place / "good.txt").write_text("good film\nbad film\n")
    (place / "odd.csv").write_text("when,what\ngood,a\nbad,b\n")
    (place / "empty.csv").write_bytes(b"")
    (place / "one.csv").write_text("text,label\ngood,a\nbad,a\n")
    (place / "latin.csv").write_bytes("text,label\ngood,a\ncafé,b\n".encode("latin-1"))
    whole = word2vec(["good", "bad", "fine", "ill"])
    (place / "half.bin").write_bytes(whole[: len(whole) // 2])
    (place / "w.json").write_text('{"a": true}')
    (place / "deep.json").write_text("[" * 100_000)
    (place / "huge.json").write_text('{"a": 1' + "0" * 400 + "}")
    newer(place / "newer.st")
    arguments, expected = ERRORS[name]
    kept = (place / "good.csv").read_bytes()
    out, talk = textclf(*arguments, folder=place, code=1)
    *_, last = talk.splitlines()
    assert last.startswith("Error: ")
    assert expected in last
    assert out == ""
    assert not (place / "m").exists()
    assert (place / "good.csv").read_bytes() == kept


def test_a_label_with_a_single_row_is_trained_on_and_not_validated_on(place):
    (place / "single.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 9 + "strange,c\n")
    textclf("train", "single.csv", "-o", "single.st", "--quiet", folder=place)
    out, _ = textclf("predict", "single.st", "strange", "--json", folder=place)
    assert json.loads(out)["label"] == "c"


def test_a_glove_file_without_a_header_is_read_as_it_is(place):
    rows = ["good 1 2 3", "bad -1 2 -3", "fine 1 1 3", "ill -1 -2 0.5"]
    (place / "glove.csv").write_text("\n".join(rows) + "\n")
    facts = json.loads(textclf("vectors", "info", "glove.csv", "--json", folder=place)[0])
    assert (facts["kind"], facts["words"], facts["dimension"]) == ("GloVe text", 4, 3)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "x.csv"], "Missing option '-o'"),
        (["train", "x.csv", "-o", "m", "--dropout", "2"], "0.0<=x<=0.95"),
        (["train", "x.csv", "-o", "m", "--epochs", "0"], "1<=x<=100000"),
        (["train", "x.csv", "-o", "m", "--hidden", "8,-1"], "8,-1"),
        (["train", "x.csv", "-o", "m", "--char-ngrams", "5-3"], "SHORTEST-LONGEST"),
        (["train", "x.csv", "-o", "m", "--activation", "step"], "'relu', 'tanh', 'sigmoid'"),
        (["predikt"], "Did you mean 'predict'?"),
        (["predict", "m", "a", "-i", "x.csv"], "not both"),
        (["predict", "m", "a", "-o", "x.csv"], "-o goes with -i"),
    ],
)
def test_wrong_usage_is_told_apart_and_says_the_range(arguments, expected, tmp_path):
    out, talk = textclf(*arguments, folder=tmp_path, code=2)
    assert expected in talk
    assert out == ""


# --- light starts, and ends -------------------------------------------------------------------------------------------

HEAVY = ("gensim", "sklearn", "scipy", "polars", "matplotlib", "dask", "safetensors", "jinja2")
NEEDLESS = (*HEAVY, "numpy.ma", "numpy.random", "concurrent.futures", "tempfile")  # unless NumPy itself brings them


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["predict", "model.safetensors", "Lovely."]])
def test_help_and_predict_import_nothing_heavy(arguments, place):
    program = (
        "import sys, numpy\nbefore = set(sys.modules)\nfrom textclf.cli import run\nassert run(sys.argv[1:]) == 0\n"
        f"sys.exit(','.join(name for name in {NEEDLESS} if name in sys.modules.keys() - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def test_help_does_not_import_numpy(place):
    program = "import sys\nfrom textclf.cli import run\nrun(['--help'])\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, check=True)


def test_a_reader_that_leaves_early_is_no_error(place):
    command = f"{sys.executable} -m textclf predict model.safetensors -i {TRAIN} | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout == "text,label,label_2,confidence\n"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def heed_ctrl_c():
    """Undo what a shell does to what it starts in the background: there all epochs would be gone through."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_with_one_line_and_leaves_the_old_model(place):
    (place / "kept.st").write_bytes(b"old")
    command = [sys.executable, "-m", "textclf", "train", str(TRAIN), "-o", "kept.st", "--optimizer", "sgd"]
    options = ["--epochs", "100000", "--patience", "100000"]
    with subprocess.Popen(
        [*command, *options],
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        said = next((line for line in process.stderr if line.startswith("800 examples")), "nothing of the examples")
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        talk = process.stderr.read()
    assert said == "800 examples, 2 classes\n"
    assert process.returncode == 130
    assert re.match(r"Error: stopped(\.$|; resume with: textclf train )", talk.splitlines()[-1])
    assert (place / "kept.st").read_bytes() == b"old"


@pytest.fixture(scope="module")
def clear_cut(tmp_path_factory):
    """Make a folder with a model of two classes that a few words tell apart, some rows wrongly labelled."""
    folder = tmp_path_factory.mktemp("clear")
    words = {"up": ["splendid", "lovely", "superb", "charming"], "down": ["dreadful", "boring", "awful", "clumsy"]}
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    for number in range(3000):
        label = ("up", "down")[number % 2]
        told = label if rng.random() < 0.97 else ("up", "down")[(number + 1) % 2]
        parts = [*rng.choice(words[label], 1 + number % 3), *rng.choice(["film", "story", "cast", "the", "a"], 4)]
        lines.append(f"{' '.join(parts)} {number % 7},{told}")
    (folder / "train.csv").write_text("\n".join([lines[0], *lines[1:2001]]) + "\n")
    (folder / "test.csv").write_text("\n".join([lines[0], *lines[2001:]]) + "\n")
    textclf("train", "train.csv", "-o", "m", "--valid-fraction", 0.3, "--quiet", folder=folder)
    return folder


def test_a_promised_precision_is_kept_on_rows_like_those_of_training(clear_cut):
    out, _ = textclf("evaluate", "m", "test.csv", "--target-precision", 0.9, "--json", folder=clear_cut)
    answered = json.loads(out)["answered"]
    assert answered["target"] == 0.9
    assert answered["precision"] >= 0.9
    assert answered["coverage"] > 0.8
    per_class = answered["per_class"].values()
    assert sum(each["predicted"] for each in per_class) == 1000
    assert sum(each["answered"] for each in per_class) == round(1000 * answered["coverage"])
    assert all(0 < each["threshold"] <= 1 for each in per_class)
    text, _ = textclf("evaluate", "m", "test.csv", "--target-precision", 0.9, folder=clear_cut)
    assert f"target precision 0.9: coverage {answered['coverage']:.1%}, precision {answered['precision']:.4f}" in text
    out, _ = textclf("evaluate", "m", "test.csv", "--target-precision", 0.999, "--json", folder=clear_cut)
    answered = json.loads(out)["answered"]
    assert (answered["coverage"], answered["precision"]) == (0.0, None)
    assert all(each["threshold"] is None and each["answered"] == 0 for each in answered["per_class"].values())


def test_texts_unlike_those_of_training_get_no_answer(clear_cut):
    (clear_cut / "odd.csv").write_text(
        'text\nsuperb film the cast\nqwzx vvrk jjhq\n""\nDer Hund bellt sehr laut heute\n'
    )
    arguments = ("predict", "m", "-i", "odd.csv", "--target-precision", 0.9)
    _, talk = textclf(*arguments, "-o", "odd-out.csv", folder=clear_cut)
    assert talk.splitlines()[-1] == "1 answered, 3 abstained."
    with (clear_cut / "odd-out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["abstained"] for row in rows] == ["false", "true", "true", "true"]
    assert list(rows[0]) == ["text", "label", "confidence", "abstained"]
    out, _ = textclf(*arguments, "--json", folder=clear_cut)
    assert [json.loads(line)["abstained"] for line in out.splitlines()] == [False, True, True, True]
    out, _ = textclf("predict", "m", "qwzx vvrk jjhq", "--target-precision", 0.9, folder=clear_cut)
    assert out.split("  ")[2:] == ["abstained", "qwzx vvrk jjhq\n"]
    out, _ = textclf("predict", "m", "-i", "odd.csv", "--json", folder=clear_cut)
    assert all("abstained" not in json.loads(line) for line in out.splitlines())


def test_a_model_without_validation_rows_can_promise_nothing(clear_cut):
    options = ("--valid-fraction", 0, "--recipe", "fast", "--quiet")
    textclf("train", "train.csv", "-o", "none", *options, folder=clear_cut)
    _, talk = textclf("evaluate", "none", "test.csv", "--target-precision", 0.9, folder=clear_cut, code=1)
    assert talk == "Error: target precision: expected a model with validation rows, found one without. Train again.\n"
    _, talk = textclf("evaluate", "m", "test.csv", "--target-precision", 1.5, folder=clear_cut, code=2)
    assert "0.5<=x<=0.999" in talk


def test_calibration_is_told_before_and_after(clear_cut):
    figures = json.loads(textclf("evaluate", "m", "test.csv", "--json", folder=clear_cut)[0])
    assert set(figures["uncalibrated"]) == {"log_loss", "brier", "ece"}
    assert figures["ece"] <= figures["uncalibrated"]["ece"] + 0.01
    assert sum(each["n"] for each in figures["reliability"]) == 1000
    textclf("train", "train.csv", "-o", "raw", "--no-calibrate", "--recipe", "fast", "--quiet", folder=clear_cut)
    raw = json.loads(textclf("evaluate", "raw", "test.csv", "--json", folder=clear_cut)[0])
    assert raw["ece"] == pytest.approx(raw["uncalibrated"]["ece"], abs=1e-9)

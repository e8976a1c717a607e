"""Rows to label next: in doubt, far from each other, no copies, and the same whatever the batches."""

import csv
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from serving import VECTORS, save_model

from textclf import TextClassifier
from textclf.analysis.suggestion import (
    batches_of,
    collect_candidates,
    spread,
    suggest_by_model,
    suggest_cold,
    usefulness,
)
from textclf.cli import cli
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.sklearn.validation import InputError
from textclf.tables import TableOptions, open_table
from textclf.training.train import LabelledTexts, train

pytestmark = pytest.mark.usefixtures("small_starter")

TEXTS = ["good film", "bad film", "good bad film", "fine ill the", "lovely", "dull", "the film", "good ill"]
POOL = [f"{text} {extra}" for extra in ("a b", "c d e", "of the day", "again and again") for text in TEXTS]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model.load(save_model(tmp_path_factory.mktemp("suggest") / "m.safetensors"))


def run(*arguments, code=0):
    done = CliRunner().invoke(cli, ["suggest", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stderr


def chosen(texts, model, n, labelled=()):
    predicted = ((batch, model.predict(batch.texts)) for batch in batches_of(texts))
    return suggest_by_model(model, VECTORS, predicted, n, labelled=labelled)


def test_the_first_row_is_the_one_with_the_smallest_margin(model):
    found = chosen(POOL, model, 5)
    P = np.sort(model.predict(POOL).P, axis=1)
    margins = P[:, -1] - P[:, -2]
    assert found.rows.rows[0] == margins.argmin() + 1
    assert found.margins == pytest.approx(margins[np.array(found.rows.rows) - 1], abs=1e-6)
    assert found.guesses == [model.labels[j] for j in model.predict(found.rows.texts).classes]
    assert "%) or " in found.reasons[0]


def test_no_row_is_chosen_beside_its_copy_or_near_copy():
    texts = ["a film that stays with you for many long years", "A film that stays  with you for many long years",
             "a film that stays with you for many long years!", "nothing like it", "", "?!"]  # fmt: skip
    found = suggest_cold(None, batches_of(texts), 6, np.random.default_rng(1))
    assert sorted(found.rows.rows) == [1, 4]


def test_rows_like_those_labelled_are_left_out(model):
    found = chosen([*POOL, "an entirely other text, with words of its own"], model, 100, labelled=POOL)
    assert found.rows.texts == ["an entirely other text, with words of its own"]
    near = chosen(["a film that stays with you for many long years."], model, 1,
                  labelled=["a film that stays with you for many long years"])  # fmt: skip
    assert len(near) == 0


def test_rows_that_are_chosen_are_far_from_each_other():
    texts = [f"{topic} {word}" for topic in ("cats", "dogs", "boats", "songs") for word in ("one", "two", "six")]
    words = [set(texts[i].split()) for i in spread(texts, np.ones(12), np.zeros((12, 0)), 3)]
    assert words[0] & words[1] == words[0] & words[2] == words[1] & words[2] == set()


def test_candidates_do_not_depend_on_how_rows_come_in_batches():
    rng = np.random.default_rng(3)
    texts = [f"text number {i % 700}" for i in range(2000)]
    scores = rng.random(2000)[np.arange(2000) % 700]
    found = []
    for size in (7, 64, 2000):
        (whole,) = batches_of(texts)
        parts = ((whole.part(i, i + size), scores[i : i + size]) for i in range(0, 2000, size))
        rows, best = collect_candidates(parts, 100)
        found.append((list(rows.rows), best.tolist()))
    assert found[0] == found[1] == found[2]
    assert sorted(found[0][1]) == np.sort(scores[:700])[-100:].tolist()


def test_candidates_hold_no_block_of_the_table(tmp_path):
    table = tmp_path / "t.csv"
    table.write_bytes(b"text,x\n" + b"".join(b"row %d,%d\n" % (i, i) for i in range(5000)) + b"last,1")
    with open_table(table, TableOptions(), labelled=False, batch_rows=100) as opened:
        scored = ((batch, np.asarray(batch.rows, float)) for batch in opened.batches())
        rows, _ = collect_candidates(scored, 10)
    assert rows.rows == list(range(4992, 5002))
    assert len(rows.records.block) < 200
    assert list(rows.records)[-1] == (b"last,1", b"\n")


def test_a_multi_label_row_is_useful_where_a_label_is_near_its_threshold():
    labels = ["good", "good", "bad", "", "good|bad", "bad"] * 4
    texts = ["good film", "good good", "bad film", "the film", "good bad film", "bad bad"] * 4
    settings = Settings(threads=1, multi_label=True, output="sigmoid")
    model = train(LabelledTexts(texts, labels), settings, VECTORS).model
    predictions = model.predict(POOL)
    useful = usefulness(model, predictions)
    assert (useful >= 0).all()
    assert (useful <= 1).all()
    nearest = np.abs(predictions.P - model.thresholds).min(axis=1)
    assert nearest[useful.argmax()] == pytest.approx(nearest.min(), abs=0.05)
    found = chosen(POOL, model, 3)
    assert "given from" in found.reasons[0]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text", "note"), *((i, text, 'a "b", c') for i, text in enumerate(POOL))])
    save_model(tmp_path / "m.safetensors")
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_suggest_writes_rows_with_all_columns_and_says_why(pool, tmp_path):
    said = run(tmp_path / "m.safetensors", pool, "-n", 5, "-o", tmp_path / "next.csv")
    assert said.endswith("next.csv: rows to label: 5 of 32 rows\n")
    found = rows_of(tmp_path / "next.csv")
    assert list(found[0]) == ["id", "text", "note", "guess", "margin", "why"]
    assert all(row["text"] == POOL[int(row["id"])] and row["note"] == 'a "b", c' for row in found)
    assert float(found[0]["margin"]) == min(float(row["margin"]) for row in found)


def test_cold_choices_are_the_same_bytes_for_the_same_seed(pool, tmp_path):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        run("--cold", pool, "-n", 6, "-o", tmp_path / f"{name}.csv", "--seed", seed, "--vectors", "none")
    one, two = ((tmp_path / f"{name}.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(rows_of(tmp_path / "other.csv")) == 6


def test_labelled_rows_are_left_out_of_the_next_batch(pool, tmp_path):
    run("--cold", pool, "-n", 6, "-o", tmp_path / "first.csv")
    run(tmp_path / "m.safetensors", pool, "-o", tmp_path / "next.csv", "--labelled", tmp_path / "first.csv")
    first, after = ({row["id"] for row in rows_of(tmp_path / f"{name}.csv")} for name in ("first", "next"))
    assert first & after == set()
    assert after


def test_other_formats_keep_their_rows_in_the_order_of_use(pool, tmp_path):
    table = pl.read_csv(pool)
    table.write_parquet(tmp_path / "pool.parquet")
    run(tmp_path / "m.safetensors", pool, "-n", 7, "-o", tmp_path / "next.jsonl")
    expected = [json.loads(line)["text"] for line in (tmp_path / "next.jsonl").read_text("utf-8").splitlines()]
    run(tmp_path / "m.safetensors", tmp_path / "pool.parquet", "-n", 7, "-o", tmp_path / "next.parquet")
    found = pl.read_parquet(tmp_path / "next.parquet")
    assert found["text"].to_list() == expected
    assert found["id"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pool.csv", "-o", "next.csv"], "expected MODEL and POOL, found one file"),
        (["--cold", "m.safetensors", "pool.csv", "-o", "next.csv"], "--cold goes without a model"),
        (["m.safetensors", "pool.csv", "-o", "next.csv", "--seed", "3"], "--seed has no effect here"),
    ],
)
def test_wrong_usage_is_said(pool, tmp_path, arguments, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in run(*arguments, code=2)


def test_memory_is_constant_however_many_rows_there_are(tmp_path):
    """A pool ten times as large takes no more memory, but for what the allocator keeps."""
    peaks, target = [], tmp_path / "next.csv"
    for rows in (10_000, 100_000):
        pool = tmp_path / f"{rows}.csv"
        with pool.open("w") as stream:
            stream.write("text\n")
            stream.writelines(f"row {i} of a table with words {i * 7919 % 1000}\n" for i in range(rows))
        program = (
            f"import resource\nfrom textclf.cli.app import run\npool, target = {str(pool)!r}, {str(target)!r}\n"
            "code = run(['suggest', '--cold', pool, '-o', target, '--vectors', 'none'])\n"
            "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        code, peak = map(int, done.stdout.split())
        assert code == 0
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 30


# --- from Python -----------------------------------------------------------------------------------------------------


def test_a_classifier_suggests_before_and_after_it_is_fitted():
    classifier = TextClassifier(threads=1)
    first = classifier.suggest(POOL, 6)
    assert len(set(first.tolist())) == 6
    assert classifier.suggest(POOL, 6).tolist() == first.tolist()
    classifier.fit(TEXTS * 3, ["up", "down"] * 12)
    after = classifier.suggest(POOL, 4, labelled=[POOL[i] for i in first])
    assert len(after)
    assert set(first.tolist()) & set(after.tolist()) == set()


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_number_of_rows_that_cannot_be_is_refused(n):
    with pytest.raises(InputError, match="n: expected a whole number"):
        TextClassifier().suggest(POOL, n)

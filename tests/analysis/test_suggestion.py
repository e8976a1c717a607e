"""Rows to label next: they stand for many in doubt, no copies, and the same whatever the batches."""

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
from textclf.analysis.suggestion import Guide, add_most, batches_of, cover, draw_rows, find_margins, suggest_rows
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


def choose(texts, n, model=None, labelled=(), vectors=VECTORS, seed=1):
    rng = np.random.default_rng(seed)
    return suggest_rows(batches_of(texts), n, rng, Guide(vectors, model, labelled))


def test_a_chosen_row_has_the_models_guess_its_margin_and_why(model):
    found = choose(POOL, 5, model)
    P = np.sort(model.predict(POOL).P, axis=1)
    margins = P[:, -1] - P[:, -2]
    assert found.margins == pytest.approx(margins[np.array(found.rows.rows) - 1], abs=1e-6)
    assert found.guesses == [model.labels[j] for j in model.predict(found.rows.texts).classes]
    assert "%) or " in found.reasons[0]


@pytest.mark.parametrize("has_model", [True, False])
def test_a_row_is_chosen_by_the_start_of_its_text_and_written_whole(has_model, model, monkeypatch):
    monkeypatch.setattr("textclf.analysis.suggestion.READ", 200)
    start = " ".join(f"word{i}" for i in range(60))[:200]
    texts = [f"{start} {' '.join(f'{end}{i}' for i in range(300))}" for end in ("one", "two", "six")]
    found = choose([*texts, "good film", "bad film"], 5, model if has_model else None, [f"{start} labelled"])
    assert sorted(found.rows.texts) == ["bad film", "good film"]  # the others begin like one that is labelled
    found = choose([*texts, "good film", "bad film"], 5, model if has_model else None)
    assert sum(text in texts for text in found.rows.texts) == 1
    assert len(found.rows.texts) == 3


def test_each_row_is_the_one_that_adds_most_to_what_is_stood_for():
    rng = np.random.default_rng(2)
    K, weights, covered = rng.random((40, 40)), rng.random(40), rng.random(40) / 2
    K = K + K.T
    free = rng.random(40) < 0.9
    given = list(add_most(K, weights, covered.copy(), free))
    assert sorted(given) == np.flatnonzero(free).tolist()
    for row in given[:15]:
        gains = np.where(free, weights @ np.maximum(K - covered[:, None], 0), -1)
        assert row == gains.argmax()
        covered, free[row] = np.maximum(covered, K[row]), False


def test_rows_stand_for_many_in_doubt_and_not_for_those_that_labelled_ones_stand_for():
    texts = [f"{topic} {word}" for topic in ("cats", "dogs", "boats") for word in ("one", "two", "six", "ten")]
    weights = np.repeat([1.0, 0.2, 0.6], 4)
    topics = [texts[i].split()[0] for i in cover(texts, weights, None, 2)]
    assert topics == ["cats", "boats"]
    labelled = ["cats seven", "cats eight"]
    assert texts[cover(texts, weights, None, 1, labelled)[0]].startswith("boats")


def test_many_rows_are_chosen_in_groups():
    texts = [f"word{i} word{i * 7919 % 1000} word{i % 31}" for i in range(1300)]
    found = cover(texts, np.ones(1300), None, 1200)
    assert len(found) == len(set(found)) == 1200
    assert cover(texts[:3], np.ones(3), None, 1200) == cover(texts[:3], np.ones(3), None, 3)


def test_no_row_is_chosen_beside_its_copy_or_near_copy():
    texts = ["a film that stays with you for many long years", "A film that stays  with you for many long years",
             "a film that stays with you for many long years!", "nothing like it", "", "?!"]  # fmt: skip
    found = choose(texts, 6, vectors=None)
    assert len(found) == 2
    assert 4 in found.rows.rows


def test_rows_like_those_labelled_are_left_out(model):
    found = choose([*POOL, "an entirely other text, with words of its own"], 100, model, POOL)
    assert found.rows.texts == ["an entirely other text, with words of its own"]
    near = choose(["a film that stays with you for many long years."], 1, model,
                  ["a film that stays with you for many long years"])  # fmt: skip
    assert len(near) == 0


@pytest.mark.parametrize("texts", [[], ["", "?!", "  "]])
def test_of_a_pool_without_words_no_row_is_chosen(model, texts):
    assert len(choose(texts, 5)) == len(choose(texts, 5, model)) == 0


def test_the_drawn_rows_do_not_depend_on_how_rows_come_in_batches():
    texts = [f"text number {i % 700}" for i in range(2000)]
    (whole,) = batches_of(texts)
    found = []
    for size in (7, 64, 2000):
        parts = (whole.part(i, i + size) for i in range(0, 2000, size))
        found.append(draw_rows(parts, 100, np.random.default_rng(3)).rows)
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 100
    assert max(found[0]) <= 700, "the first of copies is taken"
    other = draw_rows(batches_of(texts), 100, np.random.default_rng(4)).rows
    assert 0 < len(set(other) & set(found[0])) < 40, "another seed draws others"
    assert draw_rows(batches_of(texts), 5000, np.random.default_rng(3)).rows == list(range(1, 701))


def test_drawn_rows_hold_no_block_of_the_table(tmp_path):
    table = tmp_path / "t.csv"
    table.write_bytes(b"text,x\n" + b"".join(b"row %d,%d\n" % (i, i) for i in range(5000)) + b"last,1")
    with open_table(table, TableOptions(), labelled=False, batch_rows=100) as opened:
        rows = draw_rows(opened.batches(), 10, np.random.default_rng(1))
    assert len(rows.records.block) < 200
    assert [text.split(",")[0] for text in (record[0].decode() for record in rows.records)] == rows.texts


def test_a_multi_label_row_is_in_doubt_where_a_label_is_near_its_threshold():
    labels = ["good", "good", "bad", "", "good|bad", "bad"] * 4
    texts = ["good film", "good good", "bad film", "the film", "good bad film", "bad bad"] * 4
    settings = Settings(threads=1, multi_label=True, output="sigmoid")
    model = train(LabelledTexts(texts, labels), settings, VECTORS).model
    predictions = model.predict(POOL)
    margins = find_margins(model, predictions)
    assert (margins >= 0).all()
    assert (margins <= 1).all()
    nearest = np.abs(predictions.P - model.thresholds).min(axis=1)
    assert nearest[margins.argmin()] == pytest.approx(nearest.min(), abs=0.05)
    assert "given from" in choose(POOL, 3, model).reasons[0]


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
    assert all(0 <= float(row["margin"]) <= 1 for row in found)


@pytest.mark.parametrize("how", ["--cold", "m.safetensors"])
def test_choices_are_the_same_bytes_for_the_same_seed(pool, tmp_path, how, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        run(how, pool, "-n", 6, "-o", tmp_path / f"{name}.csv", "--seed", seed, "--vectors", "none")
    one, two = ((tmp_path / f"{name}.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(rows_of(tmp_path / "other.csv")) == 6


def test_labelled_rows_are_left_out_of_the_next_batch(pool, tmp_path):
    run("--cold", pool, "-n", 6, "-o", tmp_path / "first.csv")
    run(tmp_path / "m.safetensors", pool, "-o", tmp_path / "next.csv", "--labelled", tmp_path / "first.csv")
    first, after = ({row["id"] for row in rows_of(tmp_path / f"{name}.csv")} for name in ("first", "next"))
    assert first & after == set()
    assert after


def test_where_all_rows_are_labelled_the_table_is_empty_and_that_is_said(pool, tmp_path):
    said = run("--cold", pool, "-o", tmp_path / "next.csv", "--labelled", pool, "--vectors", "none")
    assert said.endswith("rows to label: 0 of 32 rows; the others are like these, or like labelled rows\n")
    assert (tmp_path / "next.csv").read_text() == "id,text,note,why\n"


def test_a_pool_that_cannot_be_read_leaves_no_table(tmp_path):
    for content, said in (("", "found no rows"), ("text\n", "found no rows"), ("a,b,c\n1,2,3\n", "text")):
        (tmp_path / "pool.csv").write_text(content)
        call = ["suggest", "--cold", str(tmp_path / "pool.csv"), "-o", str(tmp_path / "next.csv")]
        done = CliRunner().invoke(cli, call)
        assert done.exit_code == 1
        assert said in str(done.exception)
        assert not (tmp_path / "next.csv").exists()


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

"""The same data, settings and seed give the same answer, whatever the threads, hash seed, batches, order or place."""

import csv
import itertools
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from calls import textclf
from children import SOAK

from textclf.model.model import Model

DATA = Path(__file__).parent.parent / "data"
ROWS = 400
SETTINGS = ("--vectors", "none", "--dimension", "8", "--quiet")


def in_a_process(*arguments, folder, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "textclf", *map(str, arguments)],
        cwd=folder, capture_output=True, encoding="utf-8", env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a model, rows in two orders, and the label and printed scores of each text."""
    folder = tmp_path_factory.mktemp("same")
    with (DATA / "reviews-train.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:301]
    write(folder / "train.csv", ["text", "label"], rows)
    textclf("train", "train.csv", "-o", "model", *SETTINGS, folder=folder)
    texts = list(dict.fromkeys(row[0] for row in rows))
    texts = [f"{text} {number}" for number in range(2) for text in texts][:ROWS]
    random.Random(0).shuffle(texts)
    write(folder / "in order.csv", ["text"], [[text] for text in texts])
    write(folder / "backwards.csv", ["text"], [[text] for text in reversed(texts)])
    return folder


def write(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def answers(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["text"]: (row["label"], row["confidence"], row["p_negative"]) for row in csv.DictReader(stream)}


def in_batches(model, texts, size):
    """Return the answers that the library gives to batches of this size, printed as the program prints them."""
    found = {}
    for start in range(0, len(texts), size):
        P = model.predict(texts[start : start + size]).P.round(6)
        for text, row in zip(texts[start : start + size], P.tolist(), strict=True):
            found[text] = (model.labels[int(np.argmax(row))], str(max(row)), str(row[0]))
    return found


GRID = list(itertools.product((1, 2, 4), (0, 1, 2), (1, 7, 64, ROWS), ("in order", "backwards"), (1, 2)))
CHOSEN = GRID if SOAK else [GRID[-2], GRID[89]]


def test_the_grid_is_whole():
    assert len(GRID) == 144


@pytest.mark.parametrize(("threads", "hash_seed", "batch", "order", "processes"), CHOSEN)
def test_labels_and_printed_scores_are_the_same_everywhere(
    threads, hash_seed, batch, order, processes, place, tmp_path
):
    wanted = in_batches(Model.load(place / "model"), list(answers_of_texts(place)), ROWS)
    shards = tmp_path / "shards"
    shards.mkdir()
    texts = list(answers_of_texts(place))
    texts = texts if order == "in order" else texts[::-1]
    size = max(batch, 50)  # files of fewer rows would test the starting of tasks; smaller batches go in below
    for number, start in enumerate(range(0, ROWS, size)):
        write(shards / f"{number:03}.csv", ["text"], [[text] for text in texts[start : start + size]])
    workers = ("--workers", processes) if processes > 1 else ()
    in_a_process(
        "predict", place / "model", "-i", "shards", "-o", "out", "--proba", "--quiet", "--threads", threads, *workers,
        folder=tmp_path, PYTHONHASHSEED=str(hash_seed), OPENBLAS_NUM_THREADS=str(threads),
    )  # fmt: skip
    found = {}
    for path in sorted((tmp_path / "out").glob("*.csv")):
        found |= answers(path)
    assert list(found) == texts
    assert found == wanted
    assert in_batches(Model.load(place / "model"), texts, batch) == wanted


def answers_of_texts(place):
    with (place / "in order.csv").open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


COURSES = {
    "all rows": (),
    "mini-batches": ("--optimizer", "adam", "--epochs", "4", "--hidden", "8", "--dropout", "0.2"),
}


@pytest.mark.parametrize("course", COURSES)
def test_the_model_has_the_same_bytes_whatever_the_threads_hash_seed_zone_and_language(course, place, tmp_path):
    variants = [
        (threads, {"PYTHONHASHSEED": str(seed), "OPENBLAS_NUM_THREADS": str(threads)})
        for threads in (1, 2, 4)
        for seed in (0, 1, 2)
    ]
    variants += [
        (2, {"TZ": zone, "LANG": language, "LC_ALL": language})
        for zone, language in (("Asia/Kathmandu", "tr_TR.UTF-8"), ("UTC", "C"), ("Pacific/Apia", "de_DE.ISO-8859-1"))
    ]
    chosen = variants if SOAK else [variants[0], (4, variants[8][1] | variants[9][1])]
    models = set()
    for threads, environment in chosen:
        command = ("train", place / "train.csv", "-o", "m", *SETTINGS, *COURSES[course], "--threads", threads)
        in_a_process(*command, folder=tmp_path, **environment)
        models.add((tmp_path / "m").read_bytes())
    assert len(models) == 1


def test_sixteen_threads_of_four_thousand_predictions_each_say_what_one_says(place):
    model = Model.load(place / "model")
    texts = list(answers_of_texts(place))
    count = 4000 if SOAK else 20
    alone = [model.predict([text]).P for text in texts]

    def differences(seed):
        order = random.Random(seed)
        chosen = (order.randrange(len(texts)) for _ in range(count))
        return sum(not np.array_equal(model.predict([texts[number]]).P, alone[number]) for number in chosen)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(differences, range(16))) == [0] * 16


def test_a_model_that_is_replaced_while_it_is_read_is_the_old_one_or_the_new_one(place, tmp_path):
    contents = [(place / "model").read_bytes()]
    textclf("train", place / "train.csv", "-o", "m", *SETTINGS, "--seed", "2", folder=tmp_path)
    contents.append((tmp_path / "m").read_bytes())
    text = answers_of_texts(place)[:1]
    both = {Model.load(place / "model").predict(text).P.tobytes(), Model.load(tmp_path / "m").predict(text).P.tobytes()}
    assert len(both) == 2
    from textclf.storage.files import write_whole

    def replace(times):
        for number in range(times):
            with write_whole(tmp_path / "m") as stream:
                stream.write(contents[number % 2])

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(replace, 100)
        seen = set()
        while not done.done():
            seen.add(Model.load(tmp_path / "m").predict(text).P.tobytes())
    done.result()
    assert seen <= both

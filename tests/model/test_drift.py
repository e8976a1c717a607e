"""Texts unlike those of training are noticed, like ones are not, and counts of pieces are those of the whole."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from textclf.cli import run
from textclf.model.drift import CELLS, FEWEST_TEXTS, Difference, Profile, homogeneity, measure_drift, quantities
from textclf.model.model import Model
from textclf.storage.files import write_csv

pytestmark = pytest.mark.usefixtures("small_starter")

QUANTITIES = quantities(["words"])


def drawn(n, seed, *, unknown=0.1, length=12, sure=4.0):
    """Return a profile of texts with about these shares of unknown words, lengths and confidences."""
    rng = np.random.default_rng(seed)
    tokens = rng.poisson(length, n)
    profile = Profile(QUANTITIES)
    profile.add_texts(tokens, rng.binomial(tokens, 1 - unknown), rng.beta(8, 2, (n, 1)))
    profile.add_confidence(rng.beta(sure, 1.0, n))
    return profile


USUAL = drawn(5000, 0)


def test_tables_from_the_same_source_are_called_different_less_than_once_in_a_thousand():
    for n in (FEWEST_TEXTS, 1000, 20_000):
        assert not any(measure_drift(USUAL, drawn(n, seed)).differs for seed in range(1, 100))


@pytest.mark.parametrize(
    ("change", "name"),
    [({"unknown": 0.4}, "unknown words"), ({"length": 25}, "length in words"), ({"sure": 1.2}, "confidence")],
)
def test_a_change_in_one_quantity_is_found_and_named(change, name):
    drift = measure_drift(USUAL, drawn(200, 1, **change))
    assert drift.differs
    assert name in str(drift)
    largest = max(drift.differences, key=lambda each: each.distance)
    assert largest.quantity.name == name


def test_a_model_that_is_nearly_always_sure_may_be_so_in_another_way():
    rng = np.random.default_rng(3)
    profiles = []
    for surest in (0.9985, 0.9998, 0.9):
        profile = Profile(QUANTITIES)
        unsure = rng.beta(4.0, 1.0, 100)
        profile.add_confidence(np.concatenate([surest + rng.normal(0, 1e-5, 1900), unsure]))
        profile.add_texts(np.full(2000, 12), np.full(2000, 10), np.full((2000, 1), 0.5))
        profiles.append(profile)
    usual, surer, less_sure = profiles
    assert not measure_drift(usual, surer).differs
    assert not measure_drift(surer, usual).differs
    assert "confidence 0.89 at the median, 1.00 in training" in str(measure_drift(usual, less_sure))


def test_medians_that_read_alike_are_named_once():
    sure = Difference(quantities([])[2], 0.3, 0.0, 0.9996, 0.9999, True)
    assert str(sure) == "confidence of another spread (1.00 at the median of both)"
    assert str(replace(sure, found=0.5)) == "confidence 0.50 at the median, 1.00 in training"


def test_a_trifle_is_none_however_many_texts_show_it():
    drift = measure_drift(USUAL, drawn(200_000, 1, length=12.6))
    length = drift.differences[1]
    assert length.p < 1e-9
    assert length.distance < 0.1
    assert not drift.differs


def test_few_texts_are_not_judged():
    few = drawn(FEWEST_TEXTS - 1, 1, unknown=0.9)
    assert not measure_drift(USUAL, few).differs
    few.merge(drawn(1, 2, unknown=0.9))
    assert measure_drift(USUAL, few).differs


def test_copies_of_a_few_texts_are_no_more_than_these():
    copied = drawn(FEWEST_TEXTS - 1, 1, unknown=0.9)
    copied.counts *= 9
    assert measure_drift(USUAL, copied).differs
    assert not measure_drift(USUAL, copied, 1 / 9).differs
    many = drawn(400, 1, length=16)
    once = measure_drift(USUAL, many)
    many.counts *= 9
    assert measure_drift(USUAL, many, 1 / 9).differences == once.differences


def test_counts_of_pieces_add_up_to_those_of_the_whole():
    rng = np.random.default_rng(0)
    tokens, known_shares, confidence = rng.poisson(9, 500), rng.random((500, 1)), rng.random(500)
    known = rng.binomial(tokens, 0.9)
    whole, parts = Profile(QUANTITIES), Profile(QUANTITIES)
    whole.add_texts(tokens, known, known_shares)
    whole.add_confidence(confidence)
    for part in (slice(0, 1), slice(1, 300), slice(300, 500)):
        piece = Profile(QUANTITIES)
        piece.add_texts(tokens[part], known[part], known_shares[part])
        piece.add_confidence(confidence[part])
        parts.merge(piece)
    np.testing.assert_array_equal(parts.counts, whole.counts)
    assert whole.counts.sum(axis=1).tolist() == [500] * 4


def test_what_training_did_not_count_is_not_compare():
    usual = Profile(QUANTITIES)
    usual.add_texts(np.full(100, 5), np.full(100, 5), np.ones((100, 1)), words=False)
    assert [d.quantity.name for d in measure_drift(usual, drawn(100, 1)).differences] == [
        "length in words",
        "unknown word n-grams",
    ]


def test_each_kind_of_n_grams_has_a_name_that_people_know():
    names = [quantity.name for quantity in quantities(["words", "patterns", "chars"])]
    assert names[3:] == ["unknown word n-grams", "unknown patterns", "unknown sub-words"]


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_every_value_has_a_cell_whose_middle_is_near(quantity):
    values = np.array([0, 1, 2, 5, 80, 1e7]) if quantity.kind == "length" else np.array([0.0, 0.3, 0.5, 0.97, 1.0])
    cells = quantity.cells(values)
    assert cells.min() >= 0
    assert cells.max() < CELLS
    assert (np.diff(cells) >= 0).all()
    for value, cell in list(zip(values, cells.tolist(), strict=True))[:-1]:
        assert quantity.value(cell) == pytest.approx(value, rel=0.2, abs=0.6 if quantity.kind == "length" else 0.06)


def test_the_p_value_is_that_of_the_chi_square_test():
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = rng.multinomial(800, [0.1] * 10), rng.multinomial(300, rng.dirichlet(np.full(10, 40.0)))
        exact = chi2_contingency(np.stack([one, other]), correction=False).pvalue
        assert math.log(homogeneity(one, other)) == pytest.approx(math.log(exact), rel=0.05, abs=0.02)
    assert homogeneity(np.array([5, 0]), np.array([9, 0])) == 1.0


# --- the commands -------------------------------------------------------------------------------------------------

GOOD, BAD = ("fine", "lovely", "great", "superb", "warm"), ("awful", "dull", "poor", "dreary", "cold")


def reviews(count, seed):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = rng.choice(GOOD if number % 2 else BAD, rng.integers(2, 9))
        rows.append((f"a {' and '.join(words)} film", "good" if number % 2 else "bad"))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    write_csv(folder / "train.csv", ["text", "label"], reviews(400, 0))
    write_csv(folder / "same.csv", ["text", "label"], reviews(200, 1))
    write_csv(
        folder / "other.csv",
        ["text", "label"],
        [(f"zug {i} faehrt nach koeln ab gleis {i}", "good") for i in range(120)],
    )
    assert run(["train", str(folder / "train.csv"), "-o", str(folder / "m"), "-q"]) == 0
    return folder


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_table_of_other_texts_is_warned_of_in_one_line_and_a_like_one_is_not(command, folder, capsys):
    def talk(table, *options):
        source = ["-i", str(folder / table)] if command == "predict" else [str(folder / table)]
        assert run([command, str(folder / "m"), *source, *options]) == 0
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning: ")]

    assert talk("same.csv") == []
    (line,) = talk("other.csv")
    assert "texts unlike those of training: " in line
    assert line.endswith(" Figures and promises of validation need not hold.")
    assert talk("other.csv", "--quiet") == []


def test_the_comparison_is_written_as_json(folder, capsys):
    for table, differs in (("same.csv", False), ("other.csv", True)):
        target = folder / "drift.json"
        arguments = ["predict", str(folder / "m"), "-i", str(folder / table), "-q", "--drift", str(target)]
        assert run([*arguments, "-o", str(folder / "out.csv")]) == 0
        found = json.loads(target.read_text())
        assert found["differs"] is differs
        assert found["texts"] == (200 if table == "same.csv" else 120)
        assert {each["quantity"] for each in found["quantities"]} == {
            "unknown words", "length in words", "confidence", "unknown word n-grams", "unknown sub-words"
        }  # fmt: skip
    capsys.readouterr()


def test_an_older_model_says_nothing_of_drift_and_cannot_write_it(folder, capsys):
    from dataclasses import replace

    replace(Model.load(folder / "m"), reference=None).save(folder / "old")
    assert Model.load(folder / "old").reference is None
    assert run(["evaluate", str(folder / "old"), str(folder / "other.csv")]) == 0
    assert "Warning" not in capsys.readouterr().err
    assert run(["evaluate", str(folder / "old"), str(folder / "other.csv"), "--drift", str(folder / "d.json")]) == 1
    assert "expected a model that keeps what its texts are like" in capsys.readouterr().err


def test_texts_that_the_model_was_trained_on_are_told_as_such(folder, capsys):
    rng = np.random.default_rng(0)
    rows = [(" ".join(f"w{i}" for i in rng.integers(0, 3000, 9)), "ab"[n % 2]) for n in range(400)]
    write_csv(folder / "rare.csv", ["text", "label"], rows)
    assert run(["train", str(folder / "rare.csv"), "-o", str(folder / "rare"), "-q"]) == 0
    assert run(["evaluate", str(folder / "rare"), str(folder / "rare.csv")]) == 0
    assert "the model seems to have been trained on these texts: " in capsys.readouterr().err


def test_drift_goes_with_a_table(folder, capsys):
    assert run(["predict", str(folder / "m"), "a fine film", "--drift", "d.json"]) == 2
    assert "--drift goes with -i" in capsys.readouterr().err

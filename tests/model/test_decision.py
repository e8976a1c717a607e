"""Decisions follow their definitions: least cost, nearest to the expected rank, from a threshold on, or not at all."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binom

from textclf.errors import DataError, ModelError, TextclfError
from textclf.model.abstention import ConfidenceRecord
from textclf.model.decision import LIKELIEST, OWN_RULE, Costs, Decision, DecisionSettings

LABELS = ("a", "b", "c")


def drawn(n=300, k=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


def make(labels=LABELS, base=LIKELIEST, record=None, **asked):
    return DecisionSettings(**asked).make(labels, base, record)


def answered(rule, P):
    return rule.find_answered(P, np.ones(len(P), int), np.ones((len(P), 1)))


# --- costs --------------------------------------------------------------------------------------------------------


def test_the_label_of_least_expected_cost_is_given_and_abstaining_where_that_is_cheaper():
    rng, P = np.random.default_rng(1), drawn()
    C = rng.uniform(0, 5, (3, 3))
    pairs = tuple((LABELS[i], LABELS[j], float(C[i, j])) for i in range(3) for j in range(3))
    rule = make(costs=Costs(pairs, 1.5))
    for p, given, is_answered in zip(P, rule.choose(P), answered(rule, P), strict=True):
        expected = [sum(p[i] * C[i, j] for i in range(3)) for j in range(3)]
        assert expected[given] == pytest.approx(min(expected))
        assert is_answered == (min(expected) <= 1.5)
    assert 0.1 < answered(rule, P).mean() < 0.9
    assert rule.may_abstain
    assert not make(costs=Costs(pairs)).may_abstain


def test_equal_costs_give_the_likeliest_label_and_abstain_as_a_threshold_does():
    P = drawn()
    rule, plain = make(costs=Costs((), 0.3)), make(threshold=0.7)
    np.testing.assert_array_equal(rule.choose(P), P.argmax(axis=1))
    np.testing.assert_array_equal(answered(rule, P), answered(plain, P))
    np.testing.assert_array_equal(answered(plain, P), P.max(axis=1) >= 0.7)


def test_a_mistake_ten_times_dearer_needs_ten_times_the_odds():
    spam = np.array([0.5, 0.9, 0.92])
    rule = make(("ham", "spam"), costs=Costs((("ham", "spam", 10.0),)))
    assert rule.choose(np.column_stack([1 - spam, spam])).tolist() == [0, 0, 1]


def test_costs_of_a_text_do_not_depend_on_its_batch():
    rule = Decision(costs=np.random.default_rng(0).uniform(0, 5, (40, 40)))
    P = drawn(500, 40)
    alone = np.concatenate([rule.expected_costs(P[i : i + 1]) for i in range(len(P))])
    np.testing.assert_array_equal(rule.expected_costs(P), alone)


def test_a_file_of_costs_is_read_or_refused_in_words(tmp_path):
    path = tmp_path / "costs.json"
    path.write_text('{"costs": {"a": {"b": 10, "a": -1}}, "abstain": 0.5}')
    found = Costs.read(path)
    assert found == Costs((("a", "b", 10.0), ("a", "a", -1.0)), 0.5)
    np.testing.assert_array_equal(found.matrix(LABELS), [[-1, 10, 1], [1, 0, 1], [1, 1, 0]])
    for text, said in (
        ("[1]", "expected names with values"),
        ('{"a": {"b": 10}}', "expected costs and abstain, found 'a'"),
        ('{"costs": {"a": {"b": "x"}}}', r"costs\.a\.b: expected a number, found 'x'"),
        ('{"costs": {"a": 3}}', r"costs\.a: expected names with values, found 3"),
        ('{"costs": {"a": {"b": NaN}}}', r"costs\.a\.b: expected a finite number"),
        ("{", "Expecting property name"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            Costs.read(path)
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        Costs.read(tmp_path / "none.json")


def test_costs_of_labels_that_a_model_lacks_are_refused():
    with pytest.raises(ModelError, match=r"costs: label 'd' was not in the training data"):
        make(costs=Costs((("a", "d", 1.0),)))
    with pytest.raises(ModelError, match=r"expected a model of at most 1,000 labels, found 1,001"):
        make(tuple(map(str, range(1001))), costs=Costs())


# --- order --------------------------------------------------------------------------------------------------------


def test_the_label_nearest_to_the_expected_rank_has_the_least_expected_squared_distance():
    P, ranks = drawn(500, 5), np.array([3, 0, 4, 1, 2])
    squares = (ranks[:, None] - ranks) ** 2
    np.testing.assert_array_equal(Decision(ranks=ranks).choose(P), (P @ squares).argmin(axis=1))
    assert Decision(ranks=ranks).choose(np.array([[0.0, 0.5, 0.5, 0.0, 0.0]])).tolist() == [4]
    assert not Decision(ranks=ranks).gives_likeliest


# --- thresholds ---------------------------------------------------------------------------------------------------


def test_thresholds_of_single_labels_stand_beside_the_common_one():
    P = np.array([[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])
    assert answered(make(threshold=0.5, label_thresholds=(("b", 0.7),)), P).tolist() == [True, False, True]
    assert answered(make(label_thresholds=(("c", 0.9),)), P).tolist() == [True, True, False]
    with pytest.raises(ModelError, match="threshold: label 'x' was not"):
        make(label_thresholds=(("x", 0.9),))


def test_a_multi_label_model_gives_each_label_from_its_threshold_on():
    base = Decision(each_from=np.array([0.5, 0.4, 0.3]))
    P = np.array([[0.45, 0.45, 0.45]])
    assert make(base=base).give(P).tolist() == [[False, True, True]]
    assert make(base=base, threshold=0.2).give(P).tolist() == [[True, True, True]]
    assert make(base=base, label_thresholds=(("c", 0.9),)).give(P).tolist() == [[False, True, False]]
    assert base.each_from.tolist() == [0.5, 0.4, 0.3]


def test_of_two_labels_the_one_that_is_looked_for_is_given_from_its_threshold_on():
    P = np.array([[0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    assert make(("a", "b"), positive="b", threshold=0.3).choose(P).tolist() == [0, 1, 1]
    assert make(("a", "b"), positive="a", threshold=0.75).choose(P).tolist() == [0, 1, 1]
    assert make(("a", "b"), positive="b") is LIKELIEST
    for labels, positive, said in ((LABELS, "a", "model of two labels, found 3"), (("a", "b"), "x", "label 'x'")):
        with pytest.raises(ModelError, match=said):
            make(labels, positive=positive, threshold=0.5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"threshold": 0.8, "target_precision": 0.9}, "found threshold and target precision"),
        ({"costs": Costs(), "target_recall": 0.9, "positive": "a"}, "found costs and target recall"),
        ({"target_recall": 0.9}, "target recall: expected a positive label"),
        ({"positive": "a", "costs": Costs()}, "positive: expected a threshold"),
        ({"positive": "a", "label_thresholds": (("a", 0.5),)}, "positive: expected a threshold"),
    ],
)
def test_rules_that_do_not_go_together_are_refused(asked, said):
    with pytest.raises(TextclfError, match=said):
        DecisionSettings(**asked)
    assert OWN_RULE.make(LABELS, LIKELIEST, None) is LIKELIEST


# --- promises -----------------------------------------------------------------------------------------------------


def record_of(n, seed, separation=2.0):
    """Return the record of n rows of two classes, and for each the probability of the second and whether it is so."""
    rng = np.random.default_rng(seed)
    is_second = rng.random(n) < 0.3
    p = 1 / (1 + np.exp(-(rng.normal(0, 1.5, n) + separation * (is_second - 0.5))))
    classes = (p >= 0.5).astype(int)
    record = ConfidenceRecord(np.where(classes == 1, p, 1 - p), classes, classes == is_second, np.zeros(1))
    return record, p, is_second


def test_a_wanted_recall_is_kept_in_95_of_100_draws_and_is_not_far_exceeded():
    _, p, is_second = record_of(100_000, 10_000)
    recalls = []
    for seed in range(200):
        threshold = record_of(1000, seed)[0].recall_threshold(0.9, 1, "b")
        recalls.append((p[is_second] >= threshold).mean())
    assert (np.array(recalls) >= 0.9).mean() >= 0.94
    assert np.median(recalls) < 0.95


def test_the_rank_of_the_threshold_is_the_exact_one():
    record, p, is_second = record_of(400, 3)
    ordered = np.sort(p[is_second])
    n, place = len(ordered), int(np.searchsorted(np.sort(p[is_second]), record.recall_threshold(0.8, 1, "b")))
    # Fewer than place + 1 of n rows lie below the 20% quantile with a chance of 5% at most, and one more breaks that.
    assert binom.cdf(place, n, 0.2) <= 0.05 < binom.cdf(place + 1, n, 0.2)


def test_a_recall_that_few_rows_cannot_promise_is_refused_with_what_they_can():
    confidence, right = np.full(50, 0.9), np.ones(50, bool)
    record = ConfidenceRecord(confidence, np.ones(50, int), right, np.zeros(0))
    said = r"target recall 0\.95: expected 59 held-out texts of 'b' to promise it, found 50\. At most 0\.941 can be"
    with pytest.raises(ModelError, match=said):
        record.recall_threshold(0.95, 1, "b")
    assert record.recall_threshold(0.941, 1, "b") == 0.9
    with pytest.raises(ModelError, match=r"found 0\. Train on more rows"):
        record.recall_threshold(0.95, 0, "a")
    for purpose, asked in (("target precision", {"target_precision": 0.9}), ("target recall", {"target_recall": 0.9})):
        with pytest.raises(ModelError, match=f"{purpose}: expected a model with validation rows"):
            make(("a", "b"), positive="b" if "target_recall" in asked else None, **asked)


def test_where_nothing_is_answered_the_highest_promise_that_can_be_kept_is_named():
    record, _, _ = record_of(1500, 5)
    lower = record.alternatives(0.999, 2)
    thresholds = [record.thresholds(target, 2) for target in (np.nanmax(lower), np.nanmax(lower) + 0.01)]
    assert np.isfinite(thresholds[0]).any()
    assert not np.isfinite(thresholds[1]).any()
    said = record.explain_silence(0.999, 2)
    assert f"1,500 held-out rows cannot promise it: nothing is answered. They can promise {np.nanmax(lower):g}," in said
    assert record.explain_silence(float(np.nanmax(lower)), 2) is None
    few = ConfidenceRecord(np.full(3, 0.9), np.zeros(3, int), np.zeros(3, bool), np.zeros(0))
    assert few.explain_silence(0.9, 2).endswith("They can promise no precision from 0.5 on. Train on more rows.")
    assert math.isnan(few.alternatives(0.9, 2)[0])


def test_settings_travel_as_json_does():
    asked = DecisionSettings(costs=Costs.of(json.loads('{"costs": {"a": {"b": 2}}}')))
    assert hash(asked) == hash(DecisionSettings(costs=Costs((("a", "b", 2.0),))))

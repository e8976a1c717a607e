"""A session of labelling: every fifth row by chance, a model meanwhile, a forecast, a second look."""

import numpy as np
import pytest
from serving import VECTORS

from textclf.errors import DataError
from textclf.labelling.label_journal import GivenLabels, LabelJournal, Verdict
from textclf.labelling.label_session import (
    BY_CHANCE,
    AccuracyPoint,
    LabelPool,
    LabelSession,
    LabelSettings,
    UnknownRow,
    choose_labels,
    forecast,
)
from textclf.settings import Settings

UP, DOWN = ("good", "fine", "lovely"), ("bad", "ill", "dull")
rng = np.random.default_rng(4)
TEXTS = [
    f"{a} {b} film number {i}, {c}"
    for i in range(120)
    for a, b, c in [rng.choice(UP if i % 2 else DOWN, 3)]
]  # fmt: skip
ROWS = [[str(i), text] for i, text in enumerate(TEXTS)]


def truth(text):
    return "up" if text.split()[0] in UP else "down"


@pytest.fixture
def session(tmp_path):
    made = []

    def make(multi_label=False, rows=ROWS, **more):
        for one in made:
            one.journal.close()
        journal = LabelJournal(tmp_path / "labelled.csv", ("id", "text"), "text", multi_label=multi_label)
        training = Settings(threads=1, multi_label=multi_label, output="sigmoid" if multi_label else "softmax")
        settings = LabelSettings(("up", "down"), multi_label, training=training, **more)
        pool = LabelPool.of([row[1] for row in rows], rows, journal.texts)
        one = LabelSession(pool, journal, settings, VECTORS)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.close()
        one.journal.close()


def label(session, count, choose=lambda text: [truth(text)], **more):
    for _ in range(count):
        row = session.state()["row"]
        session.give(row["number"], choose(row["text"]), **{"unsure": False, "note": "", "seconds": 2.0, **more})
        session.wait()


def test_rows_are_labelled_one_by_one_and_every_fifth_is_drawn_by_chance(session):
    one = session(every=1000)
    label(one, 20)
    reasons = [verdict.why for verdict in one.journal.verdicts]
    assert [i for i, why in enumerate(reasons) if why == BY_CHANCE] == [4, 9, 14, 19]
    assert len(set(one.journal.texts)) == 20
    state = one.state()
    assert (state["labelled"], state["rows"], state["seconds"]) == (20, 120, 2.0)
    assert sum(state["counts"].values()) == 20


def test_a_model_is_trained_meanwhile_guesses_and_puts_the_rows_in_order(session):
    one = session(every=10)
    assert one.state()["row"]["guess"] is None
    label(one, 12)
    state = one.state()
    assert state["row"]["guess"]["labels"] == [truth(state["row"]["text"])]
    assert state["row"]["explanation"]["tokens"]
    assert state["row"]["why"].startswith("in doubt:")
    label(one, 10)
    assert one.state()["agreement"]["rows"] >= 10
    assert {verdict.guess for verdict in one.journal.verdicts[12:]} <= {"up", "down"}


def test_only_the_start_of_a_long_text_is_shown_and_learned_and_all_of_it_is_kept(session):
    start = ("good fine " * 2000)[:20_000]
    long = [f"{start} {end} zither" for end in ("one", "two")]
    one = session(every=6, rows=[*ROWS[:10], *(["long", text] for text in long)])
    shown = []
    while (row := one.state()["row"]) is not None:
        shown.append(row)
        label(one, 1)
    assert [row["unread"] for row in shown if row["text"] == start] == [11, 11]
    assert sorted(one.journal.texts) == sorted([*TEXTS[:10], *long])
    assert one.model.predict(["fine zither"]).known.tolist() == [1]


def test_of_copies_one_is_shown_and_none_once_it_is_labelled(session):
    copies = [[f"copy of {i}", f"  {text.upper()}"] for i, text in ROWS[:20]]
    one = session(every=1000, rows=[*ROWS[:30], *copies, ["blank", "  "]])
    assert one.state()["rows"] == 30
    label(one, 30)
    assert one.state()["row"] is None
    assert sorted(one.journal.texts) == sorted(TEXTS[:30])
    two = session(every=1000, rows=[*copies, *ROWS[:31]])
    assert (two.state()["rows"], two.state()["labelled"]) == (31, 30)
    label(two, 1)
    assert two.journal.texts[-1] == TEXTS[30]
    assert two.state()["row"] is None
    two.undo()
    assert two.state()["row"]["text"] == TEXTS[30]
    three = session(every=1000, rows=[*copies, *ROWS[30:40]])
    assert three.state()["rows"] == 10
    assert three.state()["row"]["text"] in TEXTS[30:40]


def test_a_session_goes_on_where_the_last_one_ended(session):
    one = session(every=50)
    label(one, 110)
    seen = set(one.journal.texts)
    two = session(every=50)
    two.wait()
    assert two.state()["labelled"] == 110
    assert [point.labels for point in two.points][-1] == 110
    assert two.points[-1].judged == 22
    label(two, 10)
    assert two.state()["row"] is None
    assert set(two.journal.texts) == set(TEXTS) > seen


def test_the_last_label_is_taken_back_and_skipped_rows_come_at_the_end(session):
    one = session(rows=ROWS[:6], every=1000)
    first = one.state()["row"]["number"]
    one.skip(first)
    label(one, 2)
    last = one.journal.texts[-1]
    after = one.state()["row"]["number"]
    one.undo()
    assert one.state()["row"]["text"] == last
    assert one.state()["labelled"] == 1
    label(one, 1)
    assert one.state()["row"]["number"] == after
    label(one, 3)
    assert one.state()["row"]["number"] == first
    label(one, 1)
    assert one.state()["row"] is None
    assert sorted(one.journal.texts) == sorted(TEXTS[:6])


def test_the_same_label_once_more_is_nothing_new_and_another_is_refused(session):
    one = session(every=1000)
    row = one.state()["row"]
    for _ in range(2):
        one.give(row["number"], ["up"], unsure=False, note="", seconds=1.0)
    assert one.state()["labelled"] == 1
    with pytest.raises(UnknownRow, match="expected the row that is shown"):
        one.give(row["number"], ["down"], unsure=False, note="", seconds=1.0)
    with pytest.raises(UnknownRow, match="expected labels of this session, found 'sideways'"):
        one.give(one.state()["row"]["number"], ["sideways"], unsure=False, note="", seconds=1.0)
    with pytest.raises(UnknownRow, match="expected one label, found 0"):
        one.give(one.state()["row"]["number"], [], unsure=False, note="", seconds=1.0)


def test_doubtful_and_unsure_rows_come_back_for_a_second_look(session):
    one = session(every=1000)
    label(one, 60)
    label(one, 1, choose=lambda text: ["down" if truth(text) == "up" else "up"])
    wrong = one.journal.texts[-1]
    label(one, 1, unsure=True)
    unsure = one.journal.texts[-1]
    shown = one.state()["row"]["number"]
    one.look_again()
    one.wait()
    seen = {}
    while one.state()["review"]:
        row = one.state()["row"]
        seen[row["text"]] = row["given"]["labels"]
        label(one, 1)
    assert unsure in seen
    assert wrong in seen
    assert len(seen) < 20
    state = one.state()
    assert (state["labelled"], state["unsure"], state["row"]["number"]) == (62, 0, shown)
    assert [verdict.labels[0] for verdict in one.journal.verdicts] == [truth(text) for text in one.journal.texts]


def test_a_second_look_without_doubt_says_so(session):
    one = session(multi_label=True, every=1000)
    label(one, 3)
    one.look_again()
    one.wait()
    assert one.state()["trouble"] == "second look: no row is in doubt."
    assert one.state()["review"] is None


def test_several_labels_or_none_are_given_and_learned(session):
    one = session(multi_label=True, every=20)
    label(one, 40, choose=lambda text: {"good": ["up", "down"], "bad": []}.get(text.split()[0], [truth(text)]))
    state = one.state()
    assert isinstance(state["row"]["guess"]["labels"], list)
    assert "explanation" not in state["row"]
    assert {verdict.labels for verdict in one.journal.verdicts} == {("up", "down"), (), ("up",), ("down",)}


def test_what_stops_a_training_is_said_and_labels_go_on(session):
    one = session(every=10)
    label(one, 12, choose=lambda _: ["up"])
    assert one.model is None
    label(one, 8)
    assert one.model is not None


def test_labels_of_rows_labelled_already_can_be_given_though_they_are_not_named():
    rows = GivenLabels(("text",), "text")
    rows.add(["good"], Verdict(("sideways",)))
    assert choose_labels(("up", "down"), rows, multi_label=False) == ("up", "down", "sideways")
    assert choose_labels(("up", "up"), rows, multi_label=False) == ("up", "sideways")
    with pytest.raises(DataError, match="expected two or more, found 1"):
        choose_labels((), rows, multi_label=False)


def test_a_forecast_follows_the_power_law_of_the_points():
    points = [AccuracyPoint(n, 50, 1 - 2 * n**-0.5) for n in (50, 100, 200, 400)]
    found = forecast(points, None)
    assert found["accuracy"] == 0.95
    assert found["more"] == pytest.approx(1600 - 400, rel=0.1)
    assert forecast(points, 0.92)["more"] == pytest.approx(625 - 400, rel=0.1)


def test_nothing_is_forecast_from_few_points_or_beyond_what_the_curve_reaches():
    flat = [AccuracyPoint(n, 50, 0.7) for n in (50, 100, 200, 400)]
    assert forecast(flat, 0.9) is None
    assert forecast(flat[:2], None) is None
    assert forecast(flat, 0.6) is None

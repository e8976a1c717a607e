"""Reports are one file that loads nothing, runs nothing and shows texts as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from textclf.errors import TextclfError
from textclf.evaluation import Tally
from textclf.measuring import Measurement, WrongRow
from textclf.recipe import LabelledTexts, train
from textclf.report import check_available, wilson_interval, write_report, write_training_report
from textclf.settings import Settings

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\x1b[31m\x00\ud800'


class Page(HTMLParser):
    """What a page is made of: tags, addresses, and its text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.addresses, self.words = [], [], []
        self.feed(source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action")]

    def handle_data(self, data):
        self.words.append(data)


def read(path):
    source = path.read_text("utf-8")
    page = Page(source)
    assert "script" not in page.tags
    assert "<h1" in source
    for address in page.addresses:
        assert address.startswith(("#", "data:image/"))
    assert not re.search(r"url\((?!['\"]?(#|data:))|@import", source)
    return page


def model_of(labels):
    texts = [f"{word} film" for word in ("good", "bad", "fine", "ill")] * (3 * len(labels))
    named = [labels[number % len(labels)] for number in range(len(texts))]
    return train(LabelledTexts(texts, named), Settings(valid_fraction=0.2), None)


@pytest.mark.parametrize(
    "labels", [["up", "down"], [EVIL.replace("\ud800", ""), "b"], [f"class {i}" for i in range(40)]]
)
def test_a_report_shows_the_figures_and_texts_as_text(labels, tmp_path):
    trained = model_of(labels)
    model = trained.model
    tally = Tally(model.labels)
    k = len(model.labels)
    y = np.arange(3 * k) % k
    P = np.full((3 * k, k), 0.1 / k)
    P[np.arange(3 * k), (y + (np.arange(3 * k) < k)) % k] += 0.9
    ones = np.ones(3 * k, np.int64)
    tally.add(y, P, words=ones, known=ones)
    wrong = [WrongRow(7, model.labels[0], model.labels[1], 0.9, 2.3, EVIL)] * 60
    write_report(tmp_path / "r.html", model, Measurement(tally.evaluation(), wrong, None, None), EVIL)
    page = read(tmp_path / "r.html")
    assert "0.6667" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in page.text
    assert "\\x1b[31m" in page.text
    write_training_report(tmp_path / "t.html", trained, "reviews.csv")
    training = read(tmp_path / "t.html")
    assert "Training on reviews.csv" in training.text
    assert "On the validation rows" in training.text


def test_reports_are_the_same_each_time(tmp_path):
    trained = model_of(["up", "down"])
    for name in ("a", "b"):
        write_training_report(tmp_path / name, trained, "reviews.csv")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("share", "n", "low", "high"), [(0.5, 100, 0.4038, 0.5962), (1.0, 10, 0.7225, 1.0), (0.0, 1, 0, 0.7935)]
)
def test_wilsons_interval_is_that_of_the_tables(share, n, low, high):
    assert wilson_interval(share, n) == pytest.approx((low, high), abs=5e-5)


def test_what_a_report_needs_and_is_not_there_is_said_before_any_work(monkeypatch):
    check_available()
    monkeypatch.setattr("textclf.pages.find_spec", lambda name: None if name == "jinja2" else name)
    with pytest.raises(
        TextclfError, match=r"--report: .*jinja2 not found. Install them with: pip install 'textclf\[rep"
    ):
        check_available()

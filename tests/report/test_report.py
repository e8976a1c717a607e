"""Reports are one file that loads nothing, runs nothing, shows texts as text, and says what was measured."""

import functools
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from textclf.analysis.compare import add_baselines, answer, compare
from textclf.analysis.evaluate import Counting, Measurement, measure
from textclf.cli import run
from textclf.cli.console import ReportedRun
from textclf.errors import TextclfError
from textclf.metrics.bootstrap import wilson_interval
from textclf.metrics.calibration_error import Reliability
from textclf.metrics.single_label import Tally
from textclf.model.card import EpochFigures
from textclf.model.decision import DecisionSettings
from textclf.report import (
    Gathered,
    RunDetails,
    check_report_available,
    write_comparison_report,
    write_evaluation_report,
    write_training_report,
)
from textclf.report.figures import of_classes, write_verdict
from textclf.report.page import Fact
from textclf.report.plots import (
    CoverageCurve,
    Mark,
    coverage_precision,
    learning_curves,
    ranking_curves,
    reliability,
)
from textclf.settings import Settings
from textclf.tables import LoadedTable, TableOptions, open_table
from textclf.training.train import LabelledTexts, Trained, train

pytestmark = pytest.mark.usefixtures("small_starter")

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{7*7}} {% raw %} $x^2$ </style>\x1b[31m\x00'
MADE = RunDetails("textclf evaluate '<script>'", (Fact("date", "today"), Fact("data", EVIL)))


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
    assert not {"script", "iframe", "img", "object"} & set(page.tags)
    assert source.count("<style>") == 1
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in source
    for address in page.addresses:
        assert address.startswith(("#", "data:"))
    assert not re.search(r"url\((?!['\"]?(#|data:))|@import", source)
    assert re.findall(r"#0\d0\d0\w", source) == []  # a stand-in for a colour that the page has no variable for
    assert "\x1b" not in source
    assert "49" not in re.findall(r">([^<]*)<", source)
    identifiers = re.findall(r' id="([^"]*)"', source)
    assert len(identifiers) == len(set(identifiers))
    return page


def rows_of(labels, copies, words=("good", "bad", "fine", "ill")):
    texts = [f"{word} film {label}" for label in labels for word in words] * copies
    return texts, [label for label in labels for _ in words] * copies


@dataclass
class Case:
    """A model, what a measurement of it on rows with some wrong labels gathers, and the pages that show both."""

    folder: Path
    trained: Trained
    examples: LoadedTable
    gathered: Gathered
    found: Measurement

    @property
    def rows(self):
        return self.folder / "rows.jsonl"

    @functools.cached_property
    def evaluation(self):
        path = self.folder / "e.html"
        write_evaluation_report(path, self.gathered, self.found, EVIL, 7, MADE)
        return path

    @functools.cached_property
    def training(self):
        path = self.folder / "t.html"
        write_training_report(path, self.trained, self.examples, MADE)
        return path


def make_case(folder, rows, *, multi_label=False, mistakes=3, **settings):
    texts, named = rows
    output = "sigmoid" if multi_label else "softmax"
    chosen = Settings(**{"valid_fraction": 0.25, "multi_label": multi_label, "output": output, **settings})
    trained = train(LabelledTexts(texts, named), chosen, None)
    path = folder / "rows.jsonl"
    wrong = [*named[mistakes:], *named[:mistakes]]
    lines = [{"text": f"{text} {EVIL}", "label": label} for text, label in zip(texts, wrong, strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    gathered = Gathered(trained.model)
    asked = DecisionSettings(target_precision=None if multi_label or not trained.validation else 0.8)
    with open_table(path, TableOptions(multi_label=multi_label), labelled=True) as table:
        found = measure(
            trained.model, table, asked, Counting(keep_errors=True, watch=gathered.watch)
        )  # fmt: skip
    examples = LoadedTable("reviews.csv", texts, named, None, list(range(1, len(texts) + 1)))
    return Case(folder, trained, examples, gathered, found)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Return the case of some labels, which is made and drawn once for all tests of the file."""
    return functools.cache(lambda *labels: make_case(tmp_path_factory.mktemp("case"), rows_of(labels, 4)))


TWO, THREE = ("up", "down"), (EVIL, "b", "$a$")
MANY = (*(f"a_rather_long_name_of_a_class_{i}" for i in range(30)), EVIL)


@pytest.mark.parametrize("labels", [TWO, THREE, MANY], ids=len)
def test_a_report_shows_figures_and_texts_as_text(labels, case):
    made = case(*labels)
    page, found = read(made.evaluation), made.found
    assert f"{found.evaluation.accuracy:.4f}" in page.text
    assert f"{found.uncalibrated.reliability.ece:.4f}" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}} {% raw %} $x^2$ </style>\\x1b[31m" in page.text
    assert "rows refused 7" in page.text
    assert write_verdict(found.evaluation) in page.text
    assert ("ROC and precision–recall" in page.text) == (len(labels) == 2)
    assert "promised: 0.8" in page.text
    assert ("Most frequent confusions" in page.text) == (len(labels) > 8)
    training = read(made.training)
    assert "Training on reviews.csv" in training.text
    assert "each judged by a model that was not fitted to it" in training.text
    assert "Learning curves" in training.text


def test_errors_are_grouped_by_confusion_with_their_words_coloured_and_cells_link_to_them(case):
    made = case(*TWO)
    source, found = made.evaluation.read_text("utf-8"), made.found
    errors = source[source.index('id="errors"') : source.index('id="data"')]
    assert errors.count("<article>") == len(found.errors)
    assert re.search(r'<mark class="f\d" title="\+[\d.]+">', errors)
    pairs = {(row.label, row.predicted) for row in found.errors}
    matrix = source[source.index('id="confusion"') : source.index('id="confidence"')]
    links = dict(re.findall(r'<a href="#(e\d)" title="true (\w+)', matrix))
    assert set(links.values()) == {truth for truth, _ in pairs}
    for anchor, truth in links.items():
        heading = errors[errors.index(f'id="{anchor}"') :]
        assert heading.index(truth) < heading.index("</h3>")


def test_a_long_text_is_folded(tmp_path, no_pictures):
    texts, labels = rows_of(["up", "down"], 3)
    trained = train(LabelledTexts(texts, labels), Settings(valid_fraction=0.0), None)
    path = tmp_path / "rows.jsonl"
    lines = [{"text": "good " * times, "label": label} for times in (50, 200) for label in ("up", "down")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    gathered = Gathered(trained.model)
    with open_table(path, TableOptions(), labelled=True) as table:
        found = measure(trained.model, table, counting=Counting(keep_errors=True, watch=gathered.watch))
    write_evaluation_report(tmp_path / "r.html", gathered, found, "rows", 0, MADE)
    source = (tmp_path / "r.html").read_text("utf-8")
    assert source.count("<article>") == 2
    assert source.count('<details class="fold">') == 1


def test_a_report_of_several_labels_has_thresholds_and_no_confusion_matrix(tmp_path):
    made = make_case(tmp_path, rows_of(["a|b", "b", EVIL.replace("|", "")], 4), multi_label=True)
    page = read(made.evaluation)
    assert f"{made.found.evaluation.exact_match:.4f}" in page.text
    assert "wrongly given" in page.text
    assert f"{made.trained.model.thresholds[0]:.3f}" in page.text
    assert "Confusion matrix" not in page.text
    assert "Hamming loss" in read(made.training).text


def test_a_model_without_validation_rows_has_a_report_without_figures(tmp_path):
    texts, labels = rows_of(["up", "down"], 3)
    trained = train(LabelledTexts(texts, labels), Settings(valid_fraction=0.0), None)
    examples = LoadedTable("reviews.csv", texts, labels, None, list(range(1, 25)))
    write_training_report(tmp_path / "t.html", trained, examples, MADE)
    assert "There were no validation rows" in read(tmp_path / "t.html").text


def test_a_comparison_shows_tests_and_rows_that_differ(case, tmp_path):
    made = case(*TWO)
    texts, labels = rows_of(["up", "down"], 2)
    other = train(LabelledTexts(texts, labels[4:] + labels[:4]), Settings(valid_fraction=0.0, recipe="fast"), None)
    models = {"<b>one</b>": made.trained.model, "{{7*7}}": other.model}
    with open_table(made.rows, TableOptions(), labelled=True) as table:
        answers = add_baselines(answer(models, table, slice_by="label", threads=1, progress=lambda _: None), None)
    answers = replace(answers, texts=[f"{text} {n}" for n, text in enumerate(answers.texts)])  # no copies
    found = compare(answers, np.random.default_rng(1))
    write_comparison_report(tmp_path / "c.html", found, answers, models, "label", MADE)
    page = read(tmp_path / "c.html")
    for shown in ("<b>one</b>", "{{7*7}}", "McNemar", "majority baseline", f"of {found.disagreeing}", "By label"):
        assert shown in page.text
    for duel in found.duels:
        assert duel.verdict("<b>one</b>", duel.other) in page.text
    assert {"1 <b>one</b>", "2 {{7*7}}"} <= {word.strip() for word in page.words}  # in the legends
    source = (tmp_path / "c.html").read_text("utf-8")
    significant = [duel for duel in found.duels if duel.is_significant]
    assert source.count('<tr class="gain">') == sum(d.only_first_right > d.only_other_right for d in significant)
    assert source.count('<tr class="loss">') == len(significant) - source.count('<tr class="gain">')
    assert significant


def test_reports_are_the_same_each_time(case, tmp_path):
    made = case(*TWO)
    again = replace(made, folder=tmp_path)
    assert again.training.read_bytes() == made.training.read_bytes()
    assert again.evaluation.read_bytes() == made.evaluation.read_bytes()


def test_the_commands_say_how_their_report_was_made(tmp_path, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    texts, labels = rows_of(["up", "down"], 4)
    table = "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=True))
    (tmp_path / "rows.csv").write_text("text,label\n" + table)
    (tmp_path / "few.csv").write_text("text,label\n" + table[:200].rpartition("\n")[0] + "\n")
    trained = ["train", "rows.csv", "-o", "m.safetensors", "--vectors", "none", "-q", "--report", "t.html"]
    assert run([*trained, "--valid", "few.csv"]) == 0
    assert run(["evaluate", "m.safetensors", "rows.csv", "--report", "e.html"]) == 0
    assert run(["compare", "m.safetensors", "rows.csv", "--report", "c.html", "-q"]) == 0
    for name, first in (("t", "textclf train rows.csv"), ("e", "textclf evaluate m"), ("c", "textclf compare m")):
        page = read(tmp_path / f"{name}.html")
        assert first in page.text
        assert "SHA-256 of data" in page.text
    assert "validation rows of few.csv" in read(tmp_path / "t.html").text
    assert run(["compare", "m.safetensors", "rows.csv", "--report", "rows.csv"]) == 1


def test_a_report_names_the_files_that_were_read_and_not_those_that_took_their_names_meanwhile(
    tmp_path, monkeypatch, no_pictures
):
    monkeypatch.chdir(tmp_path)
    texts, labels = rows_of(["up", "down"], 4)
    table, model, page = tmp_path / "rows.csv", tmp_path / "m.safetensors", tmp_path / "r.html"
    rows = "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=True))
    table.write_text("text,label\n" + rows)
    assert run(["train", "rows.csv", "-o", "m.safetensors", "-q"]) == 0
    end, kept = ReportedRun.end, {path: path.read_bytes() for path in (table, model)}

    def overwrite(self, *written):
        for path in (table, model):
            path.write_bytes(b"another")
        return end(self, *written)

    monkeypatch.setattr(ReportedRun, "end", overwrite)
    more = ["--init-from", "m.safetensors", "-o", "more.safetensors"]
    for command in (["train", "rows.csv", *more], ["evaluate", model, table], ["compare", model, table]):
        for path, content in kept.items():
            path.write_bytes(content)
        assert run([*map(str, command), "--report", "r.html", "-q"]) == 0
        assert all(hashlib.sha256(content).hexdigest() in read(page).text for content in kept.values()), command


def test_a_thousand_classes_make_a_page_of_less_than_a_megabyte(tmp_path):
    rows = rows_of([f"class {i}" for i in range(1000)], 1, words=["good"])
    quick = {"optimizer": "adam", "epochs": 1, "word_ngrams": 1, "char_ngrams": (0, 0), "valid_fraction": 0.0}
    made = make_case(tmp_path, rows, mistakes=1, vectors="none", dimension=8, **quick)
    assert made.evaluation.stat().st_size < 1_000_000
    assert "200 of 1,000, the lowest F1 first." in read(made.evaluation).text


# --- pictures -----------------------------------------------------------------------------------------------------


def test_a_coverage_curve_is_the_precision_of_the_surest_rows():
    confidence = np.array([0.9] * 10 + [0.8] * 10 + [0.7] * 20)
    right = np.array([True] * 10 + [True] * 5 + [False] * 5 + [False] * 20)
    curve = CoverageCurve.of(confidence, right)
    assert curve.coverage.tolist() == [0.25, 0.5, 1.0]
    assert curve.precision.tolist() == [1.0, 0.75, 15 / 40]


def test_a_long_curve_is_drawn_with_few_points_and_ends_at_all_rows():
    confidence = np.random.default_rng(1).random(5000)
    curve = CoverageCurve.of(confidence, confidence > 0.3)
    assert len(curve.coverage) <= 160
    assert curve.coverage[-1] == 1.0
    assert curve.precision[-1] == pytest.approx((confidence > 0.3).mean())


def test_pictures_have_words_for_who_cannot_see_them_and_take_the_pages_colours():
    counted = Reliability()
    counted.add(np.array([0.6, 0.9, 0.9]), np.array([True, True, False]))
    history = [EpochFigures(1, 2.0, 1.0, 0.5, 0.4), EpochFigures(2, 1.0, fit=1), EpochFigures(3, 1.0, 0.9, fit=2)]
    curve = CoverageCurve.of(np.array([0.9, 0.8]), np.array([True, False]))
    for svg in (
        reliability({"after": counted}),
        coverage_precision({"all": curve}, [Mark(0.9, "never", 0.0, None), Mark(0.8, "0.7", 0.5, 1.0)]),
        *learning_curves(history),
    ):
        assert svg.startswith("<svg viewBox=")
        assert 'role="img" aria-label="' in svg
        assert re.search("<title>.+</title><desc>.+</desc>", svg)
        assert re.search(r"var\(--c[1-6]\)", svg)
        assert "#0" not in re.sub(r'href="#\w+"', "", svg)
    assert "threshold 0.804<" in coverage_precision({"all": curve}, [Mark(0.8, "0.804", 0.5, 1.0)])


@pytest.mark.parametrize(
    ("share", "n", "low", "high"), [(0.5, 100, 0.4038, 0.5962), (1.0, 10, 0.7225, 1.0), (0.0, 1, 0, 0.7935)]
)
def test_wilsons_interval_is_that_of_the_tables(share, n, low, high):
    assert wilson_interval(share, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ([0] * 50 + [1] * 50, "Accuracy 1.000 is better than the majority-class baseline (0.500); the weakest"),
        ([0] * 100, "Accuracy 0.500 is no better than the majority-class baseline (0.500); the weakest class is “b”"),
        ([0] * 46 + [1] * 8 + [0] * 46, "Accuracy 0.500 is no better than"),
        ([0] * 50 + [1] * 5 + [0] * 45, "Accuracy 0.550 is not significantly better than the majority-class baseline"),
    ],
)  # fmt: skip
def test_the_verdict_is_told_beside_the_baseline_and_names_what_is_weakest(given, verdict):
    tally = Tally(["a", "b"])
    ones = np.ones(100, int)
    tally.add(np.repeat([0, 1], 50), np.eye(2)[given], words=ones, known=ones)
    assert write_verdict(tally.evaluation()).startswith(verdict)


def test_the_curves_of_two_classes_are_drawn_whatever_the_ties():
    rng = np.random.default_rng(0)
    has = rng.random(500) < 0.3
    for score in (rng.random(500) + has, np.round(rng.random(500), 1), np.full(500, 0.5)):
        roc, precision_recall = ranking_curves(score, has, 0.75, 0.6)
        assert "ROC, area 0.750" in roc
        assert "average precision 0.600" in precision_recall


def test_many_classes_are_said_to_be_sorted():
    assert of_classes(2, 2) == ""
    assert of_classes(77, 77) == "All 77, the lowest F1 first."


def test_what_a_report_needs_and_is_not_there_is_said_before_any_work(monkeypatch):
    check_report_available()
    monkeypatch.setattr("textclf.errors.find_spec", lambda name: None if name == "jinja2" else name)
    with pytest.raises(
        TextclfError, match=r'--report: .*jinja2 not found. Install them with: pip install "textclf-nn\[rep'
    ):
        check_report_available()


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    from browsers import fresh_tab

    return fresh_tab(chromium, tmp_path_factory.mktemp("saved"))


def requests_of(browser):
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith(("data:", "chrome"))]


@pytest.mark.parametrize("labels", [THREE, MANY], ids=len)
def test_a_browser_finds_no_error_no_request_no_sideways_scrolling_and_no_faint_text(browser, labels, case, tmp_path):
    made = case(*labels)
    pages = {"e": made.evaluation, "t": made.training, "c": tmp_path / "c.html", "x": tmp_path / "x.html"}
    with open_table(made.rows, TableOptions(), labelled=True) as table:
        models = {"a" * 200: made.trained.model}
        answers = add_baselines(answer(models, table, slice_by="text", threads=1, progress=lambda _: None), None)
    write_comparison_report(pages["c"], compare(answers, np.random.default_rng(1)), answers, models, "text", MADE)
    made.trained.model.save(tmp_path / "m.safetensors")
    assert run(["explain", str(tmp_path / "m.safetensors"), EVIL, "--html", str(pages["x"])]) == 0
    from browsers import find_faint_text

    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    for page, dark in itertools.product(pages, (False, True)):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        address = pages[page].as_uri()
        browser.get(address)
        assert browser.get_log("browser") == []
        assert requests_of(browser) == [address]
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
        assert browser.execute_script("return document.querySelectorAll('script, img').length") == 0
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") != dark
        assert find_faint_text(browser) == []
        if page != "x":
            ink = browser.execute_script("return getComputedStyle(document.querySelector('figure svg text')).fill")
            assert (max(map(int, re.findall(r"\d+", ink))) > 128) == dark


def test_the_keyboard_reaches_a_confusion_and_goes_to_its_examples(browser, case):
    from browsers import press

    browser.get(case(*TWO).evaluation.as_uri())
    reached = []
    while not reached or not re.fullmatch(r"\d+ [\d.]+%", reached[-1]):
        assert len(reached) < 20
        reached += press(browser, "TAB", 1)
    assert {"Classes", "Confusion matrix"} <= set(reached)
    link = browser.execute_script("return document.activeElement.hash")
    press(browser, "ENTER", 1)
    assert browser.execute_script("return location.hash") == link
    assert link.startswith("#e")
    place = "return document.querySelector(':target').getBoundingClientRect().top"
    assert 0 <= browser.execute_script(place) < 800

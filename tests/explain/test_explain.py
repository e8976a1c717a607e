"""Explanations add up to what they explain, stand where the words stand, and name the words that matter."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from textclf.cli import cli
from textclf.cli import run as run_textclf
from textclf.cli.commands.explain import explanation_text
from textclf.errors import ModelError
from textclf.explain import ExplainSettings, explain, strongest_in_texts, strongest_words
from textclf.explain.attribution import SUM_TOLERANCE, AttributedTexts, mean_gradient, scores
from textclf.model.model import Model
from textclf.nn.network import ACTIVATIONS, Network, parameter_count
from textclf.report.explanations import shade, write_explanations
from textclf.settings import Settings
from textclf.text.features import CutRows
from textclf.text.subwords import Spelling, piece_keys
from textclf.text.tokenizer import normal_form, origins, tokenize
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors

WORDS = ["good", "fine", "bad", "ill", "film", "the", "lovely", "dull", "Us", "us"]
VECTORS = WordVectors(
    WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32), "few", "0" * 64, "word2vec"
)
TEXTS = ["good film", "the fine film", "bad film", "ill", "good good", "the bad bad film", "fine!", "so ill"] * 3
LABELS = ["up", "up", "down", "down"] * 6
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\x1b[31m\x00\ud800 good\nbad'
ODD = [
    "",
    " \t ",
    "a",
    "...",
    "Good, GOOD  film",
    "🙂❤️ good",
    "the film " * 50,
    "\ud800 bad",
    "é e\u0301 ill",
    "İt’s bad",
]
KINDS = {
    "vectors alone": {"word_ngrams": 0, "char_ngrams": (0, 0)},
    "words": {"word_ngrams": 3, "char_ngrams": (0, 0)},
    "chars": {"word_ngrams": 0, "char_ngrams": (1, 4)},
    "patterns": {"word_ngrams": 0, "pattern_ngrams": 2, "char_ngrams": (0, 0)},
    "all": {"word_ngrams": 2, "pattern_ngrams": 3, "char_ngrams": (2, 5)},
}


def trained(labels=LABELS, **settings):
    return train(LabelledTexts(TEXTS, labels), Settings(**{"threads": 1, **settings}), VECTORS).model


@pytest.fixture(scope="module")
def model():
    return trained(**KINDS["all"])


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m"
    model.save(path)
    return path


def added_up(explanation):
    return explanation.base + explanation.contributions.sum() + explanation.between.sum()


def logit_differences(model, texts, classes):
    """Return each label's logit minus the mean of the others', in loops, from the probabilities' logarithms."""
    log_p = np.log(model.predict(texts).P)
    return [row[c] - np.mean(np.delete(row, c)) for row, c in zip(log_p, classes, strict=True)]


@pytest.mark.parametrize(
    "labels", [LABELS, ["up", "up", "down", "down", "so-so", "down", "so-so", "down"] * 3], ids=["two", "three"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_without_hidden_layers_contributions_and_base_are_the_logit_difference(kind, labels):
    model = trained(labels, **KINDS[kind])
    texts = ODD + TEXTS
    for label in (None, model.labels[1]):
        explanations = explain(model, texts, ExplainSettings(label))
        classes = [model.labels.index(one.label) for one in explanations]
        expected = logit_differences(model, texts, classes)
        np.testing.assert_allclose([one.score for one in explanations], expected, atol=1e-9)
        np.testing.assert_allclose([added_up(one) for one in explanations], expected, atol=1e-9)
        assert any(abs(one.contributions).sum() > 0.1 for one in explanations)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(6,), (6, 4)])
def test_with_hidden_layers_they_add_up_to_a_thousandth(activation, hidden):
    model = trained(hidden=hidden, activation=activation, optimizer="adam")
    explanations = explain(model, ODD + TEXTS)
    np.testing.assert_allclose([added_up(e) for e in explanations], [e.score for e in explanations], atol=1e-3)
    labels = [model.labels[number] for number in model.predict(ODD + TEXTS).classes]
    assert [one.label for one in explanations] == labels


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_mean_gradient_is_that_of_many_small_steps(activation):
    rng = np.random.default_rng(3)
    sizes = (4, 7, 5, 3)
    network = Network(sizes, ACTIVATIONS[activation], rng.normal(size=parameter_count(sizes)))
    S, classes = rng.normal(size=(6, 4)) * 2, np.array([0, 1, 2, 0, 1, 2])
    slow, small = np.zeros_like(S), 1e-5
    for t in (np.arange(200) + 0.5) / 200:  # the gradient by differences, at 200 places of the path
        for column in np.eye(4):
            ahead, behind = (network.forward(S * t + sign * small * column).Z[-1] for sign in (1, -1))
            slow += np.outer((scores(ahead, classes) - scores(behind, classes)) / (2 * small), column) / 200
    G = mean_gradient(network, S, classes)
    np.testing.assert_allclose(G, slow, atol=0.05)
    rise = scores(network.forward(S).Z[-1], classes) - scores(network.forward(0 * S).Z[-1], classes)
    np.testing.assert_allclose((S * G).sum(axis=1), rise, atol=2 * SUM_TOLERANCE)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("size", [1e3, 1e10, 1e20])
def test_a_score_that_is_large_is_explained_to_a_millionth_and_in_bounded_time(activation, size, monkeypatch):
    rng = np.random.default_rng(3)
    sizes, looked_at = (4, 7, 5, 3), []
    network = Network(sizes, ACTIVATIONS[activation], size * rng.normal(size=parameter_count(sizes)))
    S, classes = rng.normal(size=(6, 4)) * size, np.array([0, 1, 2, 0, 1, 2])
    forward = Network.forward
    monkeypatch.setattr(
        Network, "forward", lambda self, S, **more: looked_at.append(len(S)) or forward(self, S, **more)
    )
    G = mean_gradient(network, S, classes)
    monkeypatch.undo()
    assert sum(looked_at) < 6 * 3 * 12 * 60  # texts, looks at a piece, units that may jump, pieces for a jump
    assert np.isfinite(G).all()
    rise = scores(network.forward(S).Z[-1], classes) - scores(network.forward(0 * S).Z[-1], classes)
    if activation == "relu":  # the others jump from 0 to 1 within the last digits of t
        np.testing.assert_allclose((S * G).sum(axis=1), rise, rtol=1e-4, atol=1e-4 * np.abs(rise).max())


def test_a_word_gets_its_vectors_part_and_its_share_of_each_ngram():
    model = trained(**KINDS["words"])
    one = explain(model, ["good bad film"], ExplainSettings("up", ngrams=99))[0]
    by_words = {word: set() for word in ("good", "bad", "film")}
    shares = dict.fromkeys(by_words, 0.0)
    for entry in one.ngrams:
        covered = entry.string.removeprefix("(start) ").split(" ")  # the start of a text takes no share
        for word in covered:
            shares[word] += entry.contribution / len(covered)
            by_words[word].add((entry.kind, entry.string))
    assert ("vector", "bad") in by_words["bad"]
    assert ("words", "bad film") in by_words["bad"]
    assert [part.string for part in one.tokens] == list(shares)
    np.testing.assert_allclose(one.contributions, list(shares.values()), atol=1e-12)


@pytest.mark.parametrize("text", ["good, ill...good", "fine!", "好看的 film", "!? good !?", "🙂❤️ éx"])
def test_what_a_words_subwords_add_is_the_words_and_that_of_other_characters_is_shared_among_them(text):
    model = trained(word_ngrams=0, char_ngrams=(2, 4), valid_fraction=0.0)
    block = AttributedTexts(model, CutRows([text], [text], tokenize([text])), 1)
    pieces, tokens = block.sources[-1], block.tokens
    wide = block.matrix.ngrams
    R = wide.G.double().times(model.U.astype(np.float64))
    R = block.scale * (R[:, 1] - R[:, 0])  # of two classes, the mean of the others is the other
    of_pieces = dict(zip(wide.pieces.columns.tolist(), wide.pieces.data * R[wide.pieces.columns], strict=True))
    expected = np.zeros(block.segments.count)
    _, keys = piece_keys(tokens)
    distinct, columns, counts = np.unique(keys, return_inverse=True, return_counts=True)
    bounds = [(start, end) for word, start, end in zip(tokens.is_word, tokens.starts, tokens.ends, strict=True) if word]
    bounds += zip(tokens.runs.starts, tokens.runs.ends, strict=True)
    for (start, end), column in zip(bounds, columns.tolist(), strict=True):
        for place in range(start, end):
            expected[segment_of(tokens, place)] += of_pieces[column] / counts[column] / (end - start)
    assert len(distinct) == len(of_pieces)
    np.testing.assert_allclose(pieces.shares(block.segments.count), expected, atol=1e-9)
    assert pieces.strings(tokens, np.arange(len(distinct))) == Spelling.of_tokens(tokens).strings(distinct)


def test_a_pattern_shares_what_it_adds_among_its_pieces_and_is_shown_by_shapes(monkeypatch):
    monkeypatch.setattr("textclf.text.patterns.MOST_COMMON", 1)
    asked = train(
        LabelledTexts(["What is Rome?", "it is fine"] * 20, ["a", "b"] * 20),
        Settings(word_ngrams=0, pattern_ngrams=2, char_ngrams=(0, 0), vectors="none", dimension=2, threads=1),
        None,
    ).model
    (explanation,) = explain(asked, ["What is Rome?"], ExplainSettings())
    patterns = {one.string: one.contribution for one in explanation.ngrams if one.kind == "patterns"}
    assert set(patterns) == {"(start) Aa", "Aa is", "is Aa", "Aa ."}
    assert abs(added_up(explanation) - explanation.score) < SUM_TOLERANCE


def segment_of(tokens, place):
    """Return the segment, of a single text, that a code point is in."""
    for number, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
        if start <= place < end:
            return 2 * number + 1
    return 2 * int((tokens.starts <= place).sum())


@given(st.text("aÀİ’'ßé\u0301\u200d❤️!. Σ\ud800", max_size=12))
def test_parts_are_the_whole_text_and_tokens_stand_where_they_are_said_to(text):
    model = test_parts_are_the_whole_text_and_tokens_stand_where_they_are_said_to.model
    one = explain(model, [text])[0]
    assert "".join(part.string for part in one.parts) == one.shown
    assert all(one.shown[part.start : part.end] == part.string for part in one.parts)
    assert one.shown == text or origins(text, tokenize([text]).codes[:-1]) is None
    for part, word in zip(one.tokens, one.words_of_tokens, strict=True):
        # Of a final Σ alone another letter is made than of one in a word.
        assert normal_form(part.string).replace("ς", "σ") == word.replace("ς", "σ")


test_parts_are_the_whole_text_and_tokens_stand_where_they_are_said_to.model = trained(**KINDS["all"])


def test_places_are_those_of_the_text_itself_where_letters_are_only_lower_cased(model):
    one = explain(model, ["Don’t — İll 🙂❤️ BAD!"])[0]
    assert one.shown == one.text
    assert [part.string for part in one.tokens] == ["Don’t", "İll", "🙂", "❤", "BAD", "!"]
    composed = explain(model, ["Cafe\u0301 BAD"])[0]
    assert composed.shown == "café bad"
    assert composed.as_dict()["normal_form"] == "café bad"


def test_cased_vectors_are_explained_by_the_row_that_was_used():
    model = trained(word_ngrams=0, char_ngrams=(0, 0))
    model = replace(model, features=replace(model.features, words=replace(model.features.words, cased=True)))
    explanations = explain(model, ["Us good", "us good"])
    np.testing.assert_allclose([added_up(one) for one in explanations], [one.score for one in explanations], atol=1e-9)


def test_the_same_text_gets_the_same_explanation_alone_and_in_any_batch():
    model = trained(hidden=(6,), optimizer="adam")
    together = explain(model, ODD + TEXTS)
    for number, text in enumerate(ODD):
        alone = explain(model, [text])[0]
        np.testing.assert_allclose(alone.contributions, together[number].contributions, atol=1e-9)
        assert [one.string for one in alone.ngrams] == [one.string for one in together[number].ngrams]
    again = explain(model, ODD + TEXTS)
    assert [json.dumps(one.as_dict()) for one in again] == [json.dumps(one.as_dict()) for one in together]
    assert explain(model, []) == []


def test_leave_one_out_is_the_fall_of_the_score_without_the_word(model):
    text = "good bad film"
    one = explain(model, [text, ""], ExplainSettings("up", "leave-one-out"))[0]
    without = explain(model, ["bad film", "good film", "good bad"], ExplainSettings("up"))
    np.testing.assert_allclose(one.contributions, [one.score - other.score for other in without], atol=1e-9)
    assert added_up(one) == pytest.approx(one.score)


def test_the_words_that_speak_for_a_class_are_named_first(model):
    one = explain(model, ["the good film, good and ill"], ExplainSettings("up"))[0]
    speaking_for, against = one.strongest(1)
    assert (speaking_for[0].string, speaking_for[0].occurrences) == ("good", 2)
    assert against[0].string == "ill"
    down, up = strongest_words(model, 3)
    assert (down.label, up.label) == ("down", "up")
    assert {one.string for one in down.sums} & {"bad", "ill"}
    assert {one.string for one in up.sums} & {"good", "fine"}
    assert all(one.contribution > 0 for one in down.sums + up.sums)


def test_over_texts_contributions_are_summed_for_the_class_that_they_get(model):
    explanations = explain(model, TEXTS, ExplainSettings(ngrams=1000))
    for summary in strongest_in_texts(model, [TEXTS[:5], TEXTS[5:]], 8):
        own = [one for one in explanations if one.label == summary.label]
        assert summary.texts == len(own)
        for total in summary.sums:
            same = [n for one in own for n in one.ngrams if (n.kind, n.string) == (total.kind, total.string)]
            assert total.contribution == pytest.approx(sum(n.contribution for n in same))
            assert total.occurrences == sum(n.occurrences for n in same)


def test_a_terminal_gets_colours_and_everyone_else_figures(model):
    one = explain(model, ["good \x1b bad film"], ExplainSettings("up"))[0]
    plain = explanation_text(one, 3, colours=False)
    assert "\x1b" not in plain
    assert re.search(r"good\[\+\d\.\d\d\] \\x1b bad\[[+-]\d\.\d\d\] film", plain)
    coloured = explanation_text(one, 3, colours=True)
    assert re.search(r"\x1b\[32m[^g]*good\x1b\[0m \\x1b .*bad", coloured)
    against = explain(model, ["bad"], ExplainSettings("up"))[0]
    assert re.search(r"\x1b\[31m[^b]*\x1b\[4mbad\x1b\[0m", explanation_text(against, 3, colours=True))


def test_the_page_shows_texts_as_text_and_asks_for_nothing(model, tmp_path):
    write_explanations(tmp_path / "p.html", explain(model, [EVIL, *ODD]), total=99, name=EVIL, top=3)
    source = (tmp_path / "p.html").read_text("utf-8")
    source = source.replace('<link rel="icon" href="data:,">', "")  # so that a browser asks for no icon
    assert "11 of 99 texts" in source
    assert not re.search(r"<(script|img|link|a)\b|<[^>]*\s(src|href|on\w+)=|url\(|@import|\x1b|\x00", source)
    assert "&lt;<mark" in source or "&lt;script" in source
    assert re.search(r'<mark class="[fa]\d" title="[+-]\d\.\d{3}">good</mark>', source)
    assert "default-src 'none'" in source


def test_a_long_text_is_cut_in_a_page_of_many_and_figures_stay_those_of_all_of_it(model):
    one = explain(model, ["good film and bad film"], ExplainSettings("up"))[0]
    cut = shade(one, 3, longest=7)
    assert "".join(stretch.string for stretch in cut.stretches) == "good fi…"
    assert cut[2:] == shade(one, 3)[2:]


def test_the_page_of_classes_names_what_speaks_for_each(saved, tmp_path, capsys):
    html = tmp_path / "all.html"
    assert run_textclf(["explain", str(saved), "--global", "--html", str(html)]) == 0
    source = html.read_text("utf-8")
    assert "What speaks for each class of" in source
    for summary in strongest_words(Model.load(saved), 5):
        assert f">{summary.sums[0].string}<" in source
    assert "default-src 'none'" in source


def test_the_command_writes_text_json_and_a_page(saved, tmp_path, capsys):
    out = CliRunner().invoke(cli, ["explain", str(saved), "good film", "bad", "--top", "2"]).stdout
    assert [line.split("  ")[0] for line in out.split("\n") if " score " in line] == ["up", "down"]
    (tmp_path / "t.csv").write_text("id,text\n1,good film\n2,bad\n", "utf-8")
    lines = (
        CliRunner().invoke(cli, ["explain", str(saved), "-i", str(tmp_path / "t.csv"), "--json"]).stdout.splitlines()
    )
    first, second = (json.loads(line) for line in lines)
    assert [one["token"] for one in first["tokens"]] == ["good", "film"]
    assert (second["label"], second["method"]) == ("down", "gradients")
    total = first["base"] + sum(one["contribution"] for one in first["tokens"] + first["between"])
    assert total == pytest.approx(first["score"], abs=1e-7)
    html = tmp_path / "why.html"
    assert run_textclf(["explain", str(saved), "-i", str(tmp_path / "t.csv"), "--html", str(html)]) == 0
    assert capsys.readouterr().out == ""
    assert "2 of 2 texts" in html.read_text("utf-8")
    overall = json.loads(CliRunner().invoke(cli, ["explain", str(saved), "--global", "--json"]).stdout)
    assert [one["label"] for one in overall["classes"]] == ["down", "up"]
    text = CliRunner().invoke(cli, ["explain", str(saved), "-i", str(tmp_path / "t.csv"), "--global"]).stdout
    assert "up  (1 text)" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give sentences, a table with -i, or --global"),
        (["good", "-i", "t.csv"], 2, "not both"),
        (["good", "--global", "--label", "up"], 2, "without --label and --method"),
        (["good", "--label", "uup"], 1, "Did you mean 'up'?"),
        (["good", "--html", "no/such/folder/x.html"], 1, "does not exist"),
        (["-i", "none.csv"], 1, "none.csv"),
    ],
)
def test_what_cannot_be_explained_is_said_in_a_line(saved, arguments, code, message, capsys):
    assert run_textclf(["explain", str(saved), *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_model_of_several_labels_is_refused():
    settings = Settings(multi_label=True, output="sigmoid")
    several = train(LabelledTexts(["good film", "bad film", "so so"], ["a", "b", "a|b"]), settings, VECTORS).model
    for call in (lambda: explain(several, ["good"]), lambda: strongest_words(several, 3)):
        with pytest.raises(ModelError, match="explain: expected a model of one label a text"):
            call()

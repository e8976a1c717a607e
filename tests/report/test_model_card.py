"""A model card is valid front matter, whatever labels and names hold, and says what the model file knows."""

import hashlib
from dataclasses import replace

import pytest
import yaml

from textclf.cli import run
from textclf.metrics.bootstrap import wilson_interval
from textclf.model.model import Model
from textclf.report.model_card import CardFacts, write_model_card

pytestmark = pytest.mark.usefixtures("small_starter")

LITTLE = ["--vectors", "none", "--dimension", "5", "--recipe", "fast", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a model of two labels, one of them odd."""
    folder = tmp_path_factory.mktemp("card")
    rows = "".join(f'good film {n},up\nbad film {n},"do`w|n: <b>"\n' for n in range(30))
    (folder / "t.csv").write_text("text,label\n" + rows)
    assert run(["train", str(folder / "t.csv"), "-o", str(folder / "m"), *LITTLE]) == 0
    return folder


def front_matter(card):
    before, head, body = card.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(head), body


def test_the_front_matter_has_what_hubs_read(place):
    assert run(["info", str(place / "m"), "--card", str(place / "card.md"), "--license", "apache-2.0"]) == 0
    head, body = front_matter((place / "card.md").read_text("utf-8"))
    found = Model.load(place / "m").card.validation
    assert head["license"] == "apache-2.0"
    assert head["pipeline_tag"] == "text-classification"
    (index,) = head["model-index"]
    (result,) = index["results"]
    assert result["task"] == {"type": "text-classification"}
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values == {"accuracy": round(found.accuracy, 6), "macro-F1": round(found.macro_f1, 6)}
    low, high = wilson_interval(found.accuracy, found.texts)
    assert f"| accuracy | {found.accuracy:.4f} | {low:.4f} to {high:.4f} |" in body
    low, high = found.macro_f1_interval
    assert f"| macro-F1 | {found.macro_f1:.4f} | {low:.4f} to {high:.4f} |" in body
    assert f"| majority baseline | {found.majority:.4f} | |" in body
    assert f"SHA-256 {hashlib.sha256((place / 'm').read_bytes()).hexdigest()}" in body
    for heading in ("Training data", "Figures", "Limits", "How to use", "How to cite"):
        assert f"\n## {heading}\n" in body


def test_no_label_or_name_breaks_the_card(place):
    model = Model.load(place / "m")
    name = 'a "model": {x}\n---\n# <script>|'
    head, body = front_matter(write_model_card(model, CardFacts(name, "0" * 64, "unknown")))
    assert head["model-index"][0]["name"] == name
    assert "`do'w\\|n: &lt;b>`" in body
    assert "<script>" not in body.split("```")[0]
    assert "\n---\n" not in body


def test_a_model_without_held_out_rows_says_so_and_has_no_index(place):
    model = Model.load(place / "m")
    head, body = front_matter(
        write_model_card(replace(model, card=replace(model.card, validation=None, data=None)), CardFacts("m", "0", "x"))
    )
    assert "model-index" not in head
    assert "There were no held-out rows." in body
    assert "\n## Training data\n\nNot known.\n" in body


def test_a_licence_without_a_card_is_wrong_usage_and_a_card_does_not_replace_the_model(place, capsys):
    assert run(["info", str(place / "m"), "--license", "mit"]) == 2
    assert "there is no --card to write it to" in capsys.readouterr().err
    assert run(["info", str(place / "m"), "--card", str(place / "m")]) == 1
    assert "same file" in capsys.readouterr().err


def test_a_multi_label_model_has_a_card_of_its_own_figures(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"x {n},a\ny {n},b\nx y {n},a|b\n" for n in range(20)))
    assert run(["train", str(tmp_path / "t.csv"), "-o", str(tmp_path / "m"), "--multi-label", *LITTLE]) == 0
    assert run(["info", str(tmp_path / "m"), "--card", str(tmp_path / "card.md")]) == 0
    head, body = front_matter((tmp_path / "card.md").read_text("utf-8"))
    assert [metric["name"] for metric in head["model-index"][0]["results"][0]["metrics"]] == [
        "micro-F1", "macro-F1", "exact match",
    ]  # fmt: skip
    assert "any number of 2 labels" in body

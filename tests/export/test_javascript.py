"""A model in JavaScript says what the model says: in Node, and as a page in a browser, where these are there."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs import load_program
from small_models import KINDS, LABELS, TEXTS

from textclf.cli import run
from textclf.export import html_page, javascript, shrink, types_path, write_javascript
from textclf.export.javascript import classifier_source, model_content, spell_classes
from textclf.model.kept_examples import KeptExamples
from textclf.model.model import Model
from textclf.storage.packed_strings import PackedStrings
from textclf.text.char_classes import SEPARATOR, class_table
from textclf.text.features import WordTable
from textclf.text.tokenizer import decode, tokenize

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node here")


AGREEMENT = load_program("benchmarks/javascript.py")
"""The program that compares both, and says what texts are hostile."""
HOSTILE = [
    *AGREEMENT.hostile_texts(["good", "Film", "ill", "the", "so", "middling"], 90, np.random.default_rng(3)),
    *TEXTS[:6], "THE film 7 x2 good.", "a Play, 42 fine!", "It’s 300 :) bad!!", "Film 1984 ... it is 12345",
    "E\u0301T X\u0301 ٣٤ ３４ ½2 🙂", "İ THE FILM", "STRASSE ẞ ß ΣΑΣ ΑΣ. 𐐀𐐨 𐐀 𝟙2",
]  # fmt: skip


def cased(model):
    """Return the model with words that are looked up as they stand first."""
    words = model.features.words
    table = WordTable(words.index, words.weights, cased=True)
    return replace(model, features=replace(model.features, words=table))


def ordered(model):
    """Return the model whose labels have an order, in which another than the likeliest may be the nearest."""
    settings = replace(model.card.settings, ordinal=("down", "even", "up"))
    return replace(model, card=replace(model.card, settings=settings), temperature=9.0)


def say(path, texts=HOSTILE):
    return AGREEMENT.in_node("say", path, texts)


@needs_node
@pytest.mark.parametrize(
    ("name", "is_small"),
    [*((name, False) for name in [*KINDS, "cased", "ordered"]), ("plain", True), ("relu", True), ("patterns", True)],
)
def test_node_agrees_with_python_on_hostile_texts(name, is_small, models, tmp_path):
    model = {"cased": cased, "ordered": ordered}.get(name, lambda model: model)(models.get(name, models["plain"]))
    model = replace(model, temperature=model.temperature if name == "ordered" else 0.7)
    model = shrink(model, "0" * 64).model if is_small else model
    precision = None if model.record is None else 0.5
    write_javascript(model, tmp_path / "m.mjs", None if precision is None else model.answer_from(precision))
    found = AGREEMENT.differences(model, HOSTILE, say(tmp_path / "m.mjs"), precision)
    assert found["others"] == 0
    assert max(found["probability"], found["confidence"], found["contribution"]) < 1e-6


@needs_node
def test_node_cuts_every_code_point_as_python_does(model, tmp_path):
    write_javascript(model, tmp_path / "m.mjs")
    digests = AGREEMENT.in_node("digest", tmp_path / "m.mjs", [])
    assert len(digests) == 0x110
    for block, digest in enumerate(digests):
        codes = range(block << 12, (block + 1) << 12)
        text = "".join(f"{chr(code)}'B b{chr(code)} " for code in codes)
        tokens = tokenize([text])
        lengths = tokens.ends - tokens.starts
        codes = tokens.codes[np.repeat(tokens.starts - lengths.cumsum() + lengths, lengths) + np.arange(lengths.sum())]
        lines = decode(np.insert(codes, lengths.cumsum()[:-1], ord("\n")))
        assert hashlib.sha256(lines.encode()).hexdigest() == digest, f"U+{block << 12:04X} and on"


def test_the_classes_of_code_points_are_those_of_the_tokenizer():
    classes = "".join(letter * int(length, 36) for length, letter in re.findall("([0-9a-z]+)([A-Z])", spell_classes()))
    assert len(classes) == 0x110000
    found = np.frombuffer(classes.encode(), np.uint8)
    for letter, kind in zip("SWLMAIB", range(7), strict=True):
        is_kind = found == ord(letter)
        if kind == SEPARATOR:
            is_kind |= found == ord("U")
        np.testing.assert_array_equal(is_kind, class_table() == kind)


@needs_node
def test_labels_of_any_spelling_come_back_as_they_are(model, tmp_path):
    labels = ("__proto__", "</script>", "\ufeffnaïve 好\n")
    write_javascript(replace(model, labels=labels), tmp_path / "m.mjs")
    assert [one["labels"][0] for one in say(tmp_path / "m.mjs", TEXTS)] == [
        labels[model.labels.index(label)] for label in LABELS
    ]


def evaluate(tmp_path, model, script):
    """Return what a script prints that has `model` and `Classifier`."""
    write_javascript(model, tmp_path / "m.mjs")
    head = 'import model, { Classifier } from "./m.mjs"; import { readFileSync } from "node:fs";\n'
    (tmp_path / "s.mjs").write_text(head + f"console.log(JSON.stringify((() => {{ {script} }})()));", "utf-8")
    done = subprocess.run(["node", "s.mjs"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


@needs_node
def test_a_model_file_can_be_read_as_it_is(models, tmp_path):
    models["relu"].save(tmp_path / "other.safetensors")
    script = """
      const other = new Classifier(readFileSync("other.safetensors"));
      return [...other.probabilities("a bad film")];
    """
    P = evaluate(tmp_path, models["plain"], script)
    np.testing.assert_allclose(P, models["relu"].predict(["a bad film"]).P[0], atol=1e-6)


@needs_node
def test_the_likeliest_labels_come_first_and_a_label_can_be_explained(model, tmp_path):
    script = """
      const { probabilities } = model.classify("a good film", { topK: 2 });
      const none = model.classify("x", { topK: 0 }).probabilities;
      return [probabilities, model.explain("a good film", { label: "down" }), none];
    """
    best, explanation, none = evaluate(tmp_path, model, script)
    P = model.predict(["a good film"]).P[0]
    assert [one["label"] for one in best] == [model.labels[i] for i in np.argsort(-P)[:2]]
    assert explanation["label"] == "down"
    assert explanation["score"] == pytest.approx(
        explanation["base"] + sum(p["contribution"] for p in explanation["parts"])
    )
    assert none == []


@needs_node
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("model.classify(3)", "text: expected a string, found number"),
        ("model.classify(null)", "text: expected a string, found null"),
        ("model.explain('x', { label: 'sideways' })", 'label: expected one of the model\'s, found "sideways"'),
        ("new Classifier(new Uint8Array(4))", "model: expected a model file of textclf, found another"),
        ("new Classifier(new Uint8Array(400))", "model: expected a model file of textclf, found another"),
        (
            "new Classifier(new TextEncoder().encode('\\x02\\0\\0\\0\\0\\0\\0\\0{}'))",
            "expected a model file of textclf",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_an_error(script, message, model, tmp_path):
    assert message in evaluate(tmp_path, model, f"try {{ {script}; }} catch (error) {{ return error.message; }}")


@needs_node
def test_a_multi_label_model_is_not_explained(models, tmp_path):
    script = "try { model.explain('x'); } catch (error) { return error.message; }"
    assert "expected a model of one label a text" in evaluate(tmp_path, models["several labels"], script)


@needs_node
def test_what_is_kept_of_words_is_bounded_and_changes_no_answer(model, tmp_path):
    script = """
      const before = [...model.probabilities("a good film")];
      for (let i = 0; i < 120; i++) model.classify(`${i}`.repeat(20000));
      return [before, [...model.probabilities("a good film")]];
    """
    before, after = evaluate(tmp_path, model, script)
    assert before == after


def test_a_module_has_only_what_labels_texts(model):
    kept = replace(model, examples=KeptExamples(PackedStrings.of(["a secret text"]), np.array([0], np.int32)))
    assert b"a secret text" in kept.content()[0]["examples"].tobytes()
    content = model_content(kept)
    for word in (b"lovely", b"settings", b"secret"):
        assert word not in content
    assert model_content(model) == content


def test_the_source_is_plain_and_reaches_for_nothing():
    source = classifier_source()
    for word in ("import ", "fetch", "XMLHttp", "eval", "Function(", "localStorage", "document", "require", "process."):
        assert word not in source
    assert "__CLASSES__" not in source


def test_types_say_what_the_module_has():
    types = types_path(Path("m.js")), types_path(Path("m.mjs"))
    assert [str(path) for path in types] == ["m.d.ts", "m.d.mts"]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_a_page_loads_nothing_and_shows_names_as_text(model):
    page = html_page(model, "<b>good & bad</b>").decode()
    assert "<title>&lt;b&gt;good &amp; bad&lt;/b&gt;</title>" in page
    assert "default-src 'none'" in page
    assert re.findall(r"""(?:src|href)=|url\(|https?://|@import|\bimport\(""", page) == []
    assert page.count("</script>") == 1


def test_a_page_from_the_disk_labels_what_is_written_and_hands_it_out(chromium, model, tmp_path):
    from browsers import By, fresh_tab, wait

    labels = ("<i>down</i>", "even", "up")
    (tmp_path / "page.html").write_bytes(html_page(replace(model, labels=labels), "films"))
    browser = fresh_tab(chromium, tmp_path)
    browser.get((tmp_path / "page.html").as_uri())
    browser.find_element(By.ID, "texts").click()
    browser.execute_cdp_cmd("Input.insertText", {"text": 'the film bad\n\nit is "good", <b>fine</b>'})
    wait(browser).until(lambda _: browser.find_element(By.ID, "status").text == "2 texts labelled")
    cards = browser.find_elements(By.TAG_NAME, "article")
    assert [card.find_element(By.TAG_NAME, "bdi").text for card in cards] == ["<i>down</i>", "up"]
    texts = ["the film bad", 'it is "good", <b>fine</b>']
    assert [card.find_element(By.CLASS_NAME, "passage").text for card in cards] == texts
    confidence = [f"{100 * share:.1f} %" for share in model.predict(texts).confidence]
    assert [card.find_element(By.CSS_SELECTOR, "h2 .hint").text for card in cards] == confidence
    assert cards[0].find_elements(By.TAG_NAME, "mark")
    browser.find_element(By.ID, "download").click()
    wait(browser).until(lambda _: (tmp_path / "labels.csv").exists())
    lines = (tmp_path / "labels.csv").read_text("utf-8").splitlines()
    assert lines[0] == "text,label,confidence"
    assert lines[2].startswith('"it is ""good"", <b>fine</b>",up,')
    said = [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]  # such as on autofocus
    assert said == []


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_module_and_its_types(folder, capsys):
    assert run(["export", "m.safetensors", "-o", "m.js"]) == 0
    assert "m.js: 0.0" in capsys.readouterr().out
    small = shrink(Model.load(folder / "m.safetensors"), "0" * 64).model
    assert (folder / "m.js").stat().st_size == len(javascript(small))
    assert "declare const model: Classifier" in (folder / "m.d.ts").read_text("utf-8")
    assert run(["export", "m.safetensors", "-o", "m.txt", "--to", "js", "--quantize", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    whole = Model.load(folder / "m.safetensors")
    assert found["bytes"] == (folder / "m.txt").stat().st_size == len(javascript(whole))
    assert found["types"] == "m.d.ts"


def test_the_command_writes_a_page(folder, capsys):
    assert run(["export", "m.safetensors", "-o", "m.html"]) == 0
    small = shrink(Model.load(folder / "m.safetensors"), "0" * 64).model
    assert (folder / "m.html").read_bytes() == html_page(small, "m")
    assert not (folder / "m.d.ts").exists()


def test_the_command_makes_a_module_that_fits_and_says_what_that_costs(folder, capsys):
    options = ["--max-size", "40kB", "--validation", "valid.csv", "--target-precision", "0.6"]
    assert run(["export", "m.safetensors", "-o", "m.js", *options]) == 0
    assert (folder / "m.js").stat().st_size <= 40_000
    assert "accuracy 1.0000 → " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "m.js", "--quantize", "none", "--max-size", "1MB"], 2, "leave out --quantize none"),
        (["-o", "s.safetensors", "--quantize", "int8", "--target-precision", "0.9"], 2, "is for NAME.js and NAME.html"),
        (["-o", "m.js", "--target-precision", "0.9", "--max-size", "36kB"], 2, "give labelled rows to --validation"),
        (["-o", "m.js", "--max-size", "10kB"], 1, "--max-size: expected at least 3"),
        (["-o", "no/m.js"], 1, "does not exist. Create it first"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line_and_nothing_is_there(arguments, code, message, folder, capsys):
    assert run(["export", "m.safetensors", *arguments]) == code
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["m.safetensors", "valid.csv"]


def test_a_model_that_reads_several_columns_is_refused(folder, capsys):
    rows = [f"{text.replace(',', '')},{label},{len(text) % 2}" for text, label in zip(TEXTS, LABELS, strict=True)]
    (folder / "t.csv").write_text("\n".join(["text,label,kind", *rows]) + "\n", "utf-8")
    columns = ["--category-column", "kind", "--vectors", "none", "--recipe", "fast", "--quiet"]
    assert run(["train", "t.csv", "-o", "c.safetensors", *columns]) == 0
    for name in ("c.js", "c.html"):
        assert run(["export", "c.safetensors", "-o", name]) == 1
        assert "JavaScript: expected a model that reads one text" in capsys.readouterr().err
        assert not (folder / name).exists()


def test_a_promise_that_a_model_cannot_make_is_refused(models, tmp_path, capsys):
    replace(models["plain"], record=None).save(tmp_path / "m.safetensors")
    assert (
        run(["export", str(tmp_path / "m.safetensors"), "-o", str(tmp_path / "m.js"), "--target-precision", "0.9"]) == 1
    )
    assert "expected a model with validation rows" in capsys.readouterr().err

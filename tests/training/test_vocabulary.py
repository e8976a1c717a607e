"""Nothing of fewer than --min-texts texts is in a model, wherever and however it was trained."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from textclf.cli import run
from textclf.errors import TrainingError
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.storage.array_store import ArrayStore
from textclf.text.ngrams import ngrams
from textclf.text.subwords import piece_keys, subword_strings
from textclf.text.tokenizer import keys_of, tokenize
from textclf.training.train import LabelledTexts, train
from textclf.training.vocabulary import Sources, learn_vocabulary
from textclf.vectors import WordVectors

pytestmark = pytest.mark.usefixtures("small_starter")

TEXTS = [
    "the secretword secretly 5551234567 5551234568 film was good",  # two pieces of one text share sub-words
    "The film was rare rare rare rare and bad",
    "the Film was good, uncommonplace!",
    *["the film was good"] * 3,
    *["a play that is bad"] * 3,
]
LABELS = ["up", "down", "up", *["up"] * 3, *["down"] * 3]
VECTORS = WordVectors(
    ["the", "film", "Film", "good", "bad", "rare", "play", "ordinary", "place", "uncommon"],
    np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32), "few", "0" * 64, "word2vec",
)  # fmt: skip


def texts_of(strings_of, texts):
    """Return in how many texts each string stands."""
    return Counter(string for text in texts for string in set(strings_of(text)))


def keys_in(texts, at_least, shortest, longest):
    """Return the keys of the sub-words, and those of word n-grams, of so many texts, by the letter."""

    def of_text(text):
        tokens = tokenize([text])
        runs = [tokens.codes[a:b] for a, b in zip(tokens.runs.starts, tokens.runs.ends, strict=True)]
        pieces = [
            w for w, is_word in zip(tokens.strings(range(len(tokens.keys))), tokens.is_word, strict=True) if is_word
        ]
        pieces += ["".join(map(chr, run)) for run in runs]
        return [s.replace("_", " ") for piece in pieces for s in subword_strings(piece, shortest, longest)]

    subwords = [s for s, count in texts_of(of_text, texts).items() if count >= at_least]
    by_words = texts_of(lambda text: ngrams(tokenize([text]), 1, 2)[1].tolist(), texts)
    return set(keys_of(subwords).tolist()), {key for key, count in by_words.items() if count >= at_least}


@pytest.mark.parametrize("min_texts", [2, 3, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("vectors", [None, VECTORS], ids=["random", "given"])
def test_a_model_has_what_stands_in_so_many_texts_and_nothing_of_fewer(min_texts, weighted, vectors):
    settings = Settings(
        vectors="none", recipe="fast", char_ngrams=(2, 5), pattern_ngrams=2, min_texts=min_texts, threads=1, dimension=3
    )
    weights = np.where(np.arange(len(TEXTS)) == 0, 9.0, 1.0) if weighted else None
    model = train(LabelledTexts(TEXTS, LABELS, weights), settings, vectors).model
    subwords, by_words = keys_in(TEXTS, min_texts, 2, 5)
    assert set(model.features.table("words").index.keys.tolist()) == by_words
    assert set(model.features.table("chars").index.keys.tolist()) == subwords
    patterns = model.features.table("patterns")
    pieces = lambda text: set(piece_keys(tokenize([text]))[1].tolist())  # noqa: E731
    assert set(patterns.common.keys.tolist()) == {
        key for key, count in texts_of(pieces, TEXTS).items() if count >= min_texts
    }
    forms = lambda text: {*text.replace(",", " ").replace("!", " ").split(), *text.lower().split()}  # noqa: E731
    common = {word for word, count in texts_of(forms, TEXTS).items() if count >= min_texts}
    if vectors is None:
        assert set(model.words) == {word for word in common if word.islower()}
    else:
        assert "uncommonplace" not in model.words
        # Words that the vectors know are there whatever the texts hold, and weigh as if none of few texts were there.
        others = [text.replace("rare", "qwx") for text in TEXTS]
        without = train(LabelledTexts(others, LABELS, weights), settings, vectors).model
        assert (
            list(model.words) == list(without.words) == sorted(VECTORS.words, key=lambda word: int(keys_of([word])[0]))
        )
        assert model.features.words.weights.tolist() == without.features.words.weights.tolist()


def test_many_files_leave_out_what_one_machine_leaves_out(tmp_path):
    (tmp_path / "parts").mkdir()
    for number in range(3):
        rows = [f'"{text}",{label}' for text, label in zip(TEXTS[number::3], LABELS[number::3], strict=True)]
        (tmp_path / "parts" / f"p{number}.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    lines = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "all.csv").write_text("\n".join(["text,label", *lines]) + "\n", "utf-8")
    models = []
    for source in ("parts", "all.csv"):
        options = ["--min-texts", "3", "--valid-fraction", "0", "--l2", "0.1", "--char-ngrams", "2-5", "--quiet"]
        assert run(["train", str(tmp_path / source), "-o", str(tmp_path / "m.safetensors"), *options]) == 0
        models.append(Model.load(tmp_path / "m.safetensors"))
    many, one = models
    for ours, theirs in zip(many.features.ngrams, one.features.ngrams, strict=True):
        assert ours.index.keys.tolist() == theirs.index.keys.tolist()
        np.testing.assert_allclose(ours.idf, theirs.idf)
    assert set(many.features.table("chars").index.keys.tolist()) == keys_in(TEXTS, 3, 2, 5)[0]
    np.testing.assert_allclose(many.features.words.weights[:50], one.features.words.weights[:50])


def test_a_model_that_continues_adds_nothing_of_fewer_texts_than_it_did_before(tmp_path, capsys):
    rows = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    (tmp_path / "more.csv").write_text(
        "text,label\n" + '"a brandnewword 7778889999",up\n' * 2 + "so so,down\n", "utf-8"
    )
    model, again = str(tmp_path / "m.safetensors"), str(tmp_path / "n.safetensors")
    assert run(["train", str(tmp_path / "t.csv"), "-o", model, "--min-texts", "3", "--quiet"]) == 0
    more = ["train", str(tmp_path / "more.csv"), "-o", again, "--init-from", model, "--quiet"]
    assert run([*more, "--min-texts", "2"]) == 0
    before, after = Model.load(Path(model)), Model.load(Path(again))
    assert after.card.settings.min_texts == 3
    assert len(after.U) == len(before.U)
    capsys.readouterr()
    assert run(["info", again]) == 0
    assert "min texts 3" in capsys.readouterr().out.replace("_", " ")
    assert run(["info", again, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["min_texts"] == 3


def test_texts_that_share_no_word_are_refused_in_one_line():
    settings = Settings(vectors="none", min_texts=20, recipe="fast")
    with pytest.raises(TrainingError, match="min_texts: expected words that stand in 20 texts, found none"):
        train(LabelledTexts(TEXTS, LABELS), settings, None)


def test_tokens_and_counts_end_before_the_vectors_are_made(monkeypatch):
    held = []
    store = ArrayStore()
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        "textclf.training.vocabulary._random_vectors",
        lambda _, shape: held.append(store._used) or np.zeros(shape, np.float32),  # type: ignore[func-returns-value]
    )
    matrix = learn_vocabulary(TEXTS, Sources(Settings(), None, rng, store)).matrix
    of_matrix = (
        each for C in (matrix.words, matrix.ngrams.ngrams, matrix.ngrams.pieces) for each in (C.columns, C.data)
    )
    assert held == [sum(array.nbytes for array in of_matrix)]

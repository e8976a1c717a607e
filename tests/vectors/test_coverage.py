"""Where a file of vectors lacks the words of texts, it is said what to do, and parts stand in for some of them."""

import re

import numpy as np
import pytest

from textclf.cli import run
from textclf.settings import Settings
from textclf.training.vocabulary import Sources, learn_vocabulary
from textclf.vectors import WordVectors
from textclf.vectors.coverage import advise_on_coverage, find_parts

PLAIN = ["the", "good", "film", "ça", "好", "don't", "x1"]


def vectors_of(words):
    return WordVectors(words, np.ones((len(words), 2), np.float32), "v", "", "GloVe text")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([f"/c/en/{word}" for word in PLAIN], "writes its words like '/c/en/the', which no word of a text is"),
        ([f"{word}_NOUN" for word in PLAIN], "writes its words like 'the_NOUN'"),
        ([f"{word}_{word}" for word in PLAIN], "writes its words like 'the_the'.* is not used"),
        ([f"en:{word}" for word in PLAIN], "writes its words like 'en:the'"),
        ([f"#{word}" for word in PLAIN], "writes its words like '#the'"),
        ([word.upper() for word in PLAIN], "nearly all words of the file have capitals. Write them in lower case"),
        ([word.capitalize() for word in PLAIN], "nearly all words of the file have capitals"),
        (["电影", "不错", "很", "喜欢"], "texts in this script are split into characters"),
        (PLAIN, "use vectors for the language and the kind of these texts, or `--vectors none`"),
    ],
)
def test_low_coverage_is_explained_by_how_the_file_writes_its_words(words, said):
    assert advise_on_coverage(vectors_of(words), 0.5) == ""
    advice = advise_on_coverage(vectors_of(words), 0.49)
    assert advice.startswith(". That is low: ")
    assert re.search(said, advice)


def wanted(*texts):
    return lambda words: np.array([word in texts for word in words])


def test_words_with_an_apostrophe_are_put_together_from_the_parts_that_the_file_holds():
    vectors = vectors_of(["do", "n't", "it", "'s", "film", "l'", "homme", "!"])
    found = find_parts(vectors, wanted("don't", "it's", "film's", "we're", "film'll", "l'homme", "do", "d'homme"))
    assert dict(zip(*found, strict=True)) == {
        "don't": [0, 1],
        "it's": [2, 3],
        "film's": [4, 3],
        "film'll": [4],
        "l'homme": [5, 6],
    }


def test_a_model_takes_such_words_as_known_with_the_mean_of_the_parts():
    matrix = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    vectors = WordVectors(["do", "n't", "it", "'s", "film"], matrix, "v", "", "GloVe text")
    sources = Sources(Settings(), vectors, np.random.default_rng(0))
    learned = learn_vocabulary(["don't", "the film's", "it's"], sources)
    assert learned.matrix.known.tolist() == [1, 1, 1]
    for word, parts in {"don't": [0, 1], "film's": [4, 3], "it's": [2, 3]}.items():
        expected = matrix[parts].mean(axis=0) - matrix.mean(axis=0)
        row = learned.E[list(learned.words).index(word)]
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), rtol=1e-5)


def test_training_says_the_coverage_and_what_to_do_when_it_is_low(tmp_path, capsys):
    rows = "".join(f"/c/en/{word} 1 {number} 3\n" for number, word in enumerate(PLAIN))
    (tmp_path / "v.txt").write_text(rows)
    (tmp_path / "t.csv").write_text("text,label\n" + "the good film,a\nthe film,b\n" * 5)
    command = ["train", str(tmp_path / "t.csv"), "-o", str(tmp_path / "m"), "--vectors", str(tmp_path / "v.txt")]
    assert run([*command, "--recipe", "fast"]) == 0
    assert re.search(
        r"v\.txt: 0% of tokens have a vector\. That is low: .* '/c/en/the', which no word", capsys.readouterr().err
    )


@pytest.mark.parametrize("whole", ["it's", "don't"])
def test_a_file_that_writes_such_words_whole_gets_none(whole):
    assert find_parts(vectors_of(["it", "'s", "film", whole]), wanted("film's")) == ([], [])


def test_a_file_without_words_of_letters_gets_none():
    assert find_parts(vectors_of(["!", "1"]), wanted("1's")) == ([], [])

"""Baselines: the majority class, and TF-IDF with logistic regression."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from textclf.errors import DataError
from textclf.text.tokenizer import tokenize

TFIDF = "TF-IDF + logistic"
MAJORITY = "majority"
_C, _ITERATIONS = 10.0, 300  # scikit-learn's C = 1 costs up to 4 points on tables of some thousand rows


def commonest(labels: Sequence[str]) -> str:
    """Return the commonest label; of several, the first in the alphabet."""
    return min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]


def tfidf_logistic(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Train scikit-learn's TF-IDF of words and bigrams with logistic regression; return the labels of `wanted`.

    Words are cut as everywhere in textclf. Raises DataError when the rows have one class only, or no word.
    """
    from warnings import catch_warnings, simplefilter

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:
        raise DataError(
            f"training rows: expected at least two classes, found only {labels[0]!r}. Add rows of another class."
        )
    cut = _words(texts)
    if not any(cut):
        raise DataError(
            "training rows: expected words, found none in any text. Give the column of texts: --text-column."
        )
    tfidf = TfidfVectorizer(tokenizer=list, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True)
    regression = LogisticRegression(C=_C, max_iter=_ITERATIONS)
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter to a baseline
        regression.fit(tfidf.fit_transform(cut), list(labels))
    return [str(label) for label in regression.predict(tfidf.transform(_words(wanted)))]


def _words(texts: Sequence[str]) -> list[list[str]]:
    tokens = tokenize(texts)
    words, offsets = tokens.strings(range(len(tokens.keys))), tokens.offsets.tolist()
    return [words[start:end] for start, end in pairwise(offsets)]

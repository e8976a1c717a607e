"""Sentence features alone, S = C E, as a scikit-learn transformer: for those who bring a classifier of their own."""

from pathlib import Path
from typing import Any, Self, cast, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from textclf.settings import Weighting
from textclf.sklearn.parameters import read_source, read_string, refuse
from textclf.sklearn.validation import texts_of
from textclf.types import Array
from textclf.vectors import open_vectors
from textclf.vectors.coverage import averaging_features


class SentenceEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Texts to averages of their words' vectors, S = C E, shape (n, d): the input layer of `TextClassifier`'s network.

    `vectors`: a file, ``starter``, or a name of gensim's downloader; they are taken as they stand in it.
    `weighting`: ``mean``, ``tfidf`` or ``sif``; the last two learn in `fit` how common words are, `mean` nothing.
    A text without a known word gets zeros.
    """

    def __init__(self, *, vectors: str | Path = "starter", weighting: Weighting = "mean") -> None:
        self.vectors = vectors
        self.weighting = weighting

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ANN401 - columns of any kind
        """Open the vectors, and learn the words' weights from texts X."""
        texts = texts_of(X)
        weighting = read_string("weighting", self.weighting)
        if weighting not in get_args(Weighting):
            refuse("weighting", f"one of {', '.join(get_args(Weighting))}", weighting)
        vectors = open_vectors(read_source("vectors", self.vectors))
        self.features_, self.E_ = averaging_features(vectors, texts, cast(Weighting, weighting))
        self.vectors_name_ = vectors.name
        return self

    def transform(self, X: Any) -> Array:  # noqa: ANN401
        """Return S = C E, shape (n, d), float32."""
        check_is_fitted(self, "E_")
        texts = texts_of(X)
        if not texts:
            return np.zeros((0, self.E_.shape[1]), np.float32)
        return self.features_.extract(texts).words.times(self.E_).astype(np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:  # noqa: ANN401
        """Return vector0, vector1 and so on: a name for each of the d numbers, shape (d,)."""
        check_is_fitted(self, "E_")
        return np.array([f"vector{number}" for number in range(self.E_.shape[1])], object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = tags.input_tags.sparse = False
        return tags

"""A model file as an estimator."""

from pathlib import Path
from typing import BinaryIO

from textclf.sklearn.classifier import TextClassifier


def load(path: str | Path | BinaryIO) -> TextClassifier:
    """Return the classifier in a model file, named or open to be read, fitted, however it was trained.

    Raises ModelError when the file is no model, is damaged, or was made by a newer version.
    """
    return TextClassifier.from_model_file(path)

"""Classify texts with word embeddings and a neural network written by hand in NumPy."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textclf.sklearn import SentenceEmbedder, TextClassifier, load

__version__ = "0.1.0"

__all__ = ["SentenceEmbedder", "TextClassifier", "__version__", "load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - classes and a function
    """Return a name of `textclf.sklearn`, which brings scikit-learn along: it is imported when it is asked for."""
    if name in __all__:
        from textclf.errors import TextclfError, require_packages

        try:
            require_packages(f"textclf.{name}", "sklearn", extra="sklearn")
        except TextclfError as error:
            raise ImportError(str(error)) from None
        from textclf import sklearn

        return getattr(sklearn, name)
    raise AttributeError(f"module 'textclf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

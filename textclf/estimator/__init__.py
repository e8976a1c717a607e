"""textclf from Python, for scikit-learn's tools: a classifier of texts, and a transformer to sentence features."""

from textclf.estimator.classifier import TextClassifier
from textclf.estimator.embedder import SentenceEmbedder
from textclf.estimator.loading import load

__all__ = ["SentenceEmbedder", "TextClassifier", "load"]

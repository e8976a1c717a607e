"""textclf from Python, for scikit-learn's tools: a classifier of texts, and a transformer to sentence features."""

from textclf.sklearn.classifier import TextClassifier, load
from textclf.sklearn.embedder import SentenceEmbedder

__all__ = ["SentenceEmbedder", "TextClassifier", "load"]

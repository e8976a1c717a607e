"""Classify texts with word embeddings and a neural network written by hand in NumPy."""

__version__ = "0.1.0"

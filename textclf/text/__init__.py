"""Turn texts into numbers: tokens, n-grams, their keys, and the sparse matrix C of their weights.

The vocabulary decides which words and n-grams have a row. Learning those rows is the work of `nn` and `training`.
This package reads no files.
"""

"""Questions that people ask about a trained model and their data.

Evaluation, cross-validation, comparison of models and baselines, learning curves, label errors and suggestions of rows
to label each have one module. The results are plain values, which `cli` prints and `report` draws.
"""

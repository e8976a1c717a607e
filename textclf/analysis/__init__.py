"""Questions that people ask about a trained model and their data.

Evaluation, comparison of models, learning curves, baselines and label errors each have one module. The results are
plain values, which `cli` prints and `report` draws.
"""

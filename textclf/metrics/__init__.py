"""Figures of predictions against the truth, as sums that can be merged over files.

Everything works on arrays of classes and probabilities. Tables, models and printing are left to the callers.
"""

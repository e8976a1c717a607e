"""Train a model on labelled texts: split, fit, validate, calibrate, refit.

`train` holds the order of things, the other modules one step each. Reading tables and printing progress are the work of
the callers.
"""

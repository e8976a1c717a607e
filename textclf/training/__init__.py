"""Train a model on labelled texts: split, fit, validate, calibrate, refit; and search for settings.

`train` holds the order of things, the other modules one step each. Reading tables and printing progress are the work of
the callers.
"""

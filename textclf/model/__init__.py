"""A trained model: its parameters, its file, its predictions, and what it promises about them.

Loading a model and labelling a text need NumPy only. Nothing in this package trains.
"""

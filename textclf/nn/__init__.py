"""The neural network by hand: forward propagation, back-propagation and the optimizers.

The code follows the lecture and the textbook, equation by equation. It knows matrices only: no texts, no files, no
memory management.
"""

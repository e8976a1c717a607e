"""Results as text for a terminal: figures, findings, comparisons, curves and explanations.

Each function takes a result and returns lines that fit a terminal of 80 columns.
Nothing here reads, writes or calculates.
"""

"""Why a text gets its label: what each word and n-gram adds, for one text, for many, and for a class as a whole."""

from textclf.explain.attribution import ClassSummary, ExplainSettings, explain, strongest_in_texts, strongest_words
from textclf.explain.explanation import Explanation, Method, Sum, TextPart
from textclf.explain.neighbours import Neighbour, find_nearest

__all__ = [
    "ClassSummary",
    "ExplainSettings",
    "Explanation",
    "Method",
    "Neighbour",
    "Sum",
    "TextPart",
    "explain",
    "find_nearest",
    "strongest_in_texts",
    "strongest_words",
]

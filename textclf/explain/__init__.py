"""Why a text gets its label: what each word and n-gram adds, for one text, for many, and for a class as a whole."""

from textclf.explain.attribution import ExplainSettings, explain
from textclf.explain.explanation import Explanation, Method, Part, Sum
from textclf.explain.overall import ClassSummary, strongest_in_texts, strongest_words
from textclf.explain.page import MOST_TEXTS, Shaded, shaded, write_explanations, write_summaries

__all__ = [
    "MOST_TEXTS",
    "ClassSummary",
    "ExplainSettings",
    "Explanation",
    "Method",
    "Part",
    "Shaded",
    "Sum",
    "explain",
    "shaded",
    "strongest_in_texts",
    "strongest_words",
    "write_explanations",
    "write_summaries",
]

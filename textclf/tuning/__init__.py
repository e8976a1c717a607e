"""Settings found by trying: a search in the time that is given (the extra ``tune``)."""

from textclf.tuning.search import METRICS, Metric, SearchTools, Trial, Tuned, Tuning, tune

__all__ = ["METRICS", "Metric", "SearchTools", "Trial", "Tuned", "Tuning", "tune"]

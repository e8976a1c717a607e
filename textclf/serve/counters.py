"""What the service counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1000)


class Counters:
    """The figures of one service; `waiting` and `connections` are set by whoever knows them."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("textclf_requests", "Requests by path and status.", ["path", "status"],
                                 registry=registry)  # fmt: skip
        self._seconds = Histogram("textclf_request_seconds", "Seconds from a request's head to its answer.", ["path"],
                                  buckets=_SECONDS, registry=registry)  # fmt: skip
        self._texts = Counter("textclf_texts", "Texts labelled, by model.", ["model"], registry=registry)
        self._batches = Histogram("textclf_batch_texts", "Texts predicted in one go.", buckets=_TEXTS,
                                  registry=registry)  # fmt: skip
        self._reloads = Counter("textclf_reloads", "Changed model files, by outcome.", ["model", "outcome"],
                                registry=registry)  # fmt: skip
        self.waiting = Gauge("textclf_waiting_characters", "Characters of texts that wait.", registry=registry)
        self.connections = Gauge("textclf_connections", "Open connections.", registry=registry)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request; `path` is one of the service's own."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_texts(self, model: str, texts: int) -> None:
        """Count texts that a model has labelled."""
        self._texts.labels(model).inc(texts)

    def count_batch(self, texts: int) -> None:
        """Count a batch."""
        self._batches.observe(texts)

    def count_reload(self, model: str, *, is_used: bool) -> None:
        """Count a model file that changed: used, or not usable."""
        self._reloads.labels(model, "used" if is_used else "refused").inc()

    def write_text(self) -> bytes:
        """Return all figures in the text format of Prometheus."""
        return generate_latest(self._registry)

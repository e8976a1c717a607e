"""Models by name, held in memory; a model whose file changes is replaced while the old one still answers."""

import asyncio
import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from textclf.errors import TextclfError
from textclf.explain.attribution import strongest_words
from textclf.model.decision import Decision, DecisionSettings
from textclf.model.model import Model
from textclf.serve.counters import Counters

SECONDS_BETWEEN_LOOKS = 0.5
_MOST_DECISIONS = 32  # rules kept of a model
_EXAMPLES = 6  # words for each label
_MOST_WORDS = 200_000  # of a model that examples are looked for in: each is predicted

FileSignature = tuple[int, int, int]

log = logging.getLogger("textclf.serve")


@dataclass(frozen=True)
class ServedModel:
    """A model as it is at one moment: `version` counts, from 1, how often its file has been loaded."""

    name: str
    model: Model
    version: int
    loaded: str

    def as_dict(self) -> dict[str, object]:
        """Return what a client may want to know of it, as plain values."""
        model, settings = self.model, self.model.card.settings
        return {
            "name": self.name,
            "version": self.version,
            "loaded": self.loaded,
            "labels": list(model.labels),
            "multi_label": model.is_multi_label,
            "words": len(model.words),
            "columns": list(model.features.columns.names),
            "can_promise": model.record is not None and not model.is_multi_label,
            "target_precision": settings.target_precision if settings is not None else None,
            "validation": None if model.card.validation is None else vars(model.card.validation),
        }

    def decide(self, asked: DecisionSettings) -> Decision:
        """Return the rule that is asked for; a promise takes a moment when first asked for.

        Raises ModelError where the model cannot follow it.
        """
        found = self._decisions.get(asked)
        if found is None:
            found = self.model.decide(asked)
            if len(self._decisions) < _MOST_DECISIONS:
                self._decisions[asked] = found
        return found

    @cached_property
    def _decisions(self) -> dict[DecisionSettings, Decision]:
        return {}

    @cached_property
    def examples(self) -> list[dict[str, object]]:
        """The words that speak most for each label, found when first asked for, and the texts that the model keeps.

        A multi-label model, and one of very many words, has no such words.
        """
        model = self.model
        words: list[list[str]] = [[] for _ in model.labels]
        if not model.is_multi_label and len(model.words) <= _MOST_WORDS:
            words = [[word.string for word in one.sums] for one in strongest_words(model, _EXAMPLES)]
        texts = [[] if model.examples is None else model.examples.of_class(j) for j in range(len(model.labels))]
        return [{"label": label, "words": words[j], "texts": texts[j]} for j, label in enumerate(model.labels)]


class ModelRegistry:
    """The models of a service. A request keeps the one that it was given until it is answered.

    Raises ModelError when a model cannot be read at the start; later a file that cannot be read leaves the old model
    where it is, and a line in the log.
    """

    def __init__(self, paths: Mapping[str, Path], counters: Counters) -> None:
        self._paths = dict(paths)
        self._counters = counters
        self._seen = {name: _read_signature(path) for name, path in self._paths.items()}
        self._served = {name: self._load(name, 1) for name in self._paths}

    @property
    def names(self) -> list[str]:
        """The names of the models, in the order given."""
        return list(self._paths)

    def take(self, name: str | None) -> ServedModel | None:
        """Return the model of this name, or the first; None when there is none of that name."""
        return self._served.get(self.names[0] if name is None else name)

    async def watch(self) -> None:
        """Look at the files twice a second, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await self.refresh()

    async def refresh(self) -> None:
        """Load again, in the background, each model whose file has changed since it was last looked at."""
        for name, path in self._paths.items():
            signature = _read_signature(path)
            if signature is None or signature == self._seen[name]:
                continue  # a file that is away for a moment is being replaced
            self._seen[name] = signature
            try:
                # The new model is whole, and has answered once, before it takes the old one's place.
                served = await asyncio.to_thread(self._load, name, self._served[name].version + 1)
            except (TextclfError, OSError, MemoryError, ValueError) as error:
                self._counters.count_reload(name, is_used=False)
                log.warning("%s: the changed file is invalid, the old model stays: %s", name, error)
                continue
            self._served[name] = served
            self._counters.count_reload(name, is_used=True)
            log.info("%s: loaded again, version %d", name, served.version)

    def _load(self, name: str, version: int) -> ServedModel:
        model = Model.load(self._paths[name])
        model.predict(model.features.columns.fill(["a first text, which shows that the model answers"]))
        return ServedModel(name, model, version, datetime.now(UTC).isoformat(timespec="seconds"))


def _read_signature(path: Path) -> FileSignature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

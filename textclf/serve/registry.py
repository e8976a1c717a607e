"""Models by name, held in memory; a model whose file changes is replaced while the old one still answers."""

import asyncio
import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from textclf.errors import TextclfError
from textclf.model.model import Model
from textclf.serve.metrics import Metrics

SECONDS_BETWEEN_LOOKS = 0.5

_WARM_UP = ("a first text, so that the first request finds everything made",) * 256  # many: the wider arrays too

Signature = tuple[int, int, int]

log = logging.getLogger("textclf.serve")


@dataclass(frozen=True)
class Shelved:
    """A model as it is at one moment: `version` counts, from 1, how often its file has been loaded."""

    name: str
    model: Model
    version: int
    loaded: str

    def as_dict(self) -> dict[str, object]:
        """Return what a client may want to know of it, as plain values."""
        model = self.model
        return {
            "name": self.name,
            "version": self.version,
            "loaded": self.loaded,
            "labels": list(model.labels),
            "multi_label": model.is_multi_label,
            "words": len(model.words),
        }


class Shelf:
    """The models of a service. A request takes one off the shelf and keeps it until it is answered.

    Raises ModelError when a model cannot be read at the start; later a file that cannot be read leaves the old model
    where it is, and a line in the log.
    """

    def __init__(self, paths: Mapping[str, Path], metrics: Metrics) -> None:
        self._paths = dict(paths)
        self._metrics = metrics
        self._seen = {name: _signature(path) for name, path in self._paths.items()}
        self._shelved = {name: self._load(name, 1) for name in self._paths}

    @property
    def names(self) -> list[str]:
        """The names of the models, in the order given."""
        return list(self._paths)

    def take(self, name: str | None) -> Shelved | None:
        """Return the model of this name, or the first; None when there is none of that name."""
        return self._shelved.get(self.names[0] if name is None else name)

    async def watch(self) -> None:
        """Look at the files twice a second, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await self.refresh()

    async def refresh(self) -> None:
        """Load again, in the background, each model whose file has changed since it was last looked at."""
        for name, path in self._paths.items():
            signature = _signature(path)
            if signature is None or signature == self._seen[name]:
                continue  # a file that is away for a moment is being replaced
            self._seen[name] = signature
            try:
                # The new model is whole, and has answered once, before it takes the old one's place.
                shelved = await asyncio.to_thread(self._load, name, self._shelved[name].version + 1)
            except (TextclfError, OSError, MemoryError, ValueError) as error:
                self._metrics.reloaded(name, ok=False)
                log.warning("%s: the changed file cannot be used, the old model stays: %s", name, error)
                continue
            self._shelved[name] = shelved
            self._metrics.reloaded(name, ok=True)
            log.info("%s: loaded again, version %d", name, shelved.version)

    def _load(self, name: str, version: int) -> Shelved:
        # In memory, not mapped: what is written over a mapped file would change the model under a request.
        model = Model.load(self._paths[name], mapped=False)
        model.predict(_WARM_UP)
        return Shelved(name, model, version, datetime.now(UTC).isoformat(timespec="seconds"))


def _signature(path: Path) -> Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

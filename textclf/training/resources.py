"""What a training has at hand beside its rows and settings, none of which changes the model."""

from collections.abc import Callable
from dataclasses import dataclass, field

from textclf.storage.array_store import IN_MEMORY, ArrayStore
from textclf.training.checkpoint import NO_CHECKPOINT, Checkpoint


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed; the last three are None when there are no validation rows."""

    number: int
    loss: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None


@dataclass(frozen=True)
class Listener:
    """Who is told how training goes: `say` of each step in a sentence, `epoch` of each epoch, out of so many."""

    say: Callable[[str], None] = lambda _: None
    epoch: Callable[[Epoch, int], None] = lambda _epoch, _of: None


NOBODY = Listener()


@dataclass(frozen=True)
class Resources:
    """Who is told how training goes, where large arrays lie, and where the training is saved to be resumed."""

    listener: Listener = NOBODY
    store: ArrayStore = IN_MEMORY
    checkpoint: Checkpoint = field(default=NO_CHECKPOINT)


PLAIN_RESOURCES = Resources()
"""Nobody is told, all arrays lie in memory, and nothing is saved."""

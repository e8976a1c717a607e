"""Texts of training that a model keeps on request, to show what its labels mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.storage.packed_strings import PackedStrings
from textclf.types import Integers


@dataclass(frozen=True)
class KeptExamples:
    """n texts, each with the number of a label that it has: `classes`, shape (n,)."""

    texts: PackedStrings
    classes: Integers

    def of_class(self, number: int) -> list[str]:
        """Return the texts of one label, the most typical first."""
        return [self.texts[i] for i in np.flatnonzero(self.classes == number).tolist()]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that store the texts in a model file."""
        return {**self.texts.arrays("examples"), "examples.classes": self.classes.astype(np.int32)}

"""Many strings as two arrays, which a file can hold and a process can map without making an object of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Strings(Sequence[str]):
    """A list of strings kept as one run of UTF-8 bytes and where each begins; one is decoded when it is asked for."""

    blob: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    @staticmethod
    def of(strings: Sequence[str]) -> "Strings":
        """Pack strings; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
        encoded = [string.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() for string in strings]
        offsets = np.cumsum([0, *(len(string) for string in encoded)], dtype=np.int64)
        return Strings(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def arrays(self, name: str, offsets: npt.DTypeLike = np.int64) -> dict[str, npt.NDArray[Any]]:
        """Return the two arrays that store these strings under a name, the offsets as numbers of this type."""
        return {name: self.blob, f"{name}.offsets": self.offsets.astype(offsets, copy=False)}

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return self.blob[self.offsets[place] : self.offsets[place + 1]].tobytes().decode(errors="replace")

"""Many strings as two arrays, which a file can hold and a process can map without making an object of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

_MANY = 1 << 14  # strings decoded at a time where all are gone through
_FIRST_BYTES = -64  # as numbers with a sign, the bytes of UTF-8 that follow the first of a character are below this


@dataclass(frozen=True)
class PackedStrings(Sequence[str]):
    """A list of strings kept as one run of UTF-8 bytes and where each begins; one is decoded when it is asked for.

    >>> packed = PackedStrings.of(["naïve", "", "ok"])
    >>> packed[0], len(packed), packed.offsets.tolist()
    ('naïve', 3, [0, 6, 6, 8])
    """

    blob: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    @staticmethod
    def of(strings: Sequence[str]) -> "PackedStrings":
        """Pack strings; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
        try:
            encoded = [string.encode() for string in strings]
        except UnicodeEncodeError:
            encoded = [
                string.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() for string in strings
            ]
        offsets = np.cumsum([0, *(len(string) for string in encoded)], dtype=np.int64)
        return PackedStrings(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def arrays(self, name: str, offsets: npt.DTypeLike = np.int64) -> dict[str, npt.NDArray[Any]]:
        """Return the two arrays that store these strings under a name, the offsets as numbers of this type."""
        return {name: self.blob, f"{name}.offsets": self.offsets.astype(offsets, copy=False)}

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _MANY):
            yield from [string.decode(errors="replace") for string in self[start : start + _MANY].encode_all()]

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> "PackedStrings": ...

    def __getitem__(self, place: int | slice) -> "str | PackedStrings":
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return PackedStrings.of([self[i] for i in range(start, stop, step)])
            return PackedStrings(self.blob, self.offsets[start : max(start, stop) + 1])
        place = range(len(self))[place]
        return self.blob[self.offsets[place] : self.offsets[place + 1]].tobytes().decode(errors="replace")

    def pack(self) -> tuple[bytes, npt.NDArray[np.int64]]:
        """Return the bytes of these strings alone, and where in them each begins."""
        return self.blob[self.offsets[0] : self.offsets[-1]].tobytes(), self.offsets - self.offsets[0]

    def encode_all(self) -> list[bytes]:
        """Return the bytes of each string."""
        blob, offsets = self.pack()
        return [blob[first:last] for first, last in pairwise(offsets.tolist())]

    def lengths(self) -> npt.NDArray[np.int64]:
        """Return how many characters each string has, shape (n,)."""
        lengths = np.diff(self.offsets)
        for start in range(0, len(self), _MANY):
            blob, offsets = self[start : start + _MANY].pack()
            within = np.flatnonzero(np.frombuffer(blob, np.int8) < _FIRST_BYTES)  # bytes of a character but the first
            owners = np.searchsorted(offsets, within, side="right") - 1
            lengths[start : start + _MANY] -= np.bincount(owners, minlength=len(offsets) - 1)
        return lengths

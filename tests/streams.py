"""Streams as tests need them."""

import io


class Trickle(io.BytesIO):
    """A stream that gives so many bytes at a time."""

    name = "trickle"

    def __init__(self, content=b"", size=2):
        super().__init__(content)
        self._size = size

    def read1(self, _=-1):
        return super().read1(self._size)

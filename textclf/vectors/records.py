"""Walk through the records of word2vec's binary layout before gensim does: a word, a blank, its numbers.

gensim takes what it is given: with a blank inside a word, or a wrong count, it returns words and numbers that were
never written. Here the records must fill the file, from the header to its end, and every word must be one.
"""

from pathlib import Path
from typing import BinaryIO

from textclf.errors import VectorsError

LONGEST_WORD = 1_000

_BLOCK = 1 << 22
_NEWLINE = 0x0A


def check_records(stream: BinaryIO, path: Path, words: int, dimension: int, encoding: str) -> None:
    """Read `words` records of `dimension` numbers from a stream that stands after the header.

    Raises VectorsError when the file holds fewer or more, when a word is empty, longer than 1,000 bytes or not of the
    encoding. The numbers are not looked at.
    """
    least = LONGEST_WORD + 2 + 4 * dimension
    buffer, place = b"", 0
    for number in range(1, words + 1):
        if len(buffer) - place < least:
            buffer, place = buffer[place:] + stream.read(_BLOCK + least), 0
        while place < len(buffer) and buffer[place] == _NEWLINE:  # some writers end a record with one
            place += 1
        end = buffer.find(b" ", place, place + LONGEST_WORD + 1)
        if end < 0 and len(buffer) - place > LONGEST_WORD:
            raise VectorsError(
                f"{path}: expected words of at most {LONGEST_WORD} bytes, found a longer one (word {number:,}). "
                f"{_ADVICE}"
            )
        stop = end + 1 + 4 * dimension
        if end < 0 or stop > len(buffer):
            raise VectorsError(
                f"{path}: the header promises {words:,} words, found {number - 1:,} whole ones. "
                "The file is cut or its header is wrong: get it again."
            )
        if end == place:
            raise VectorsError(f"{path}: expected a word, found none (word {number:,}). {_ADVICE}")
        word = buffer[place:end]
        try:
            word.decode(encoding)
        except UnicodeDecodeError as error:
            raise VectorsError(
                f"{path}: expected {encoding}, found byte 0x{word[error.start]:02x} in word {number:,}. {_ADVICE}"
            ) from None
        place = stop
    if (buffer[place:] + stream.read(_BLOCK)).strip(b"\r\n"):
        raise VectorsError(f"{path}: the header promises {words:,} words, found more after them. {_ADVICE}")


_ADVICE = "The file is damaged, is not UTF-8, or a word holds a blank: get it again, or write it as text."

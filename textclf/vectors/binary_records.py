"""Walk through the records of word2vec's binary layout: a word, a blank, its numbers.

gensim takes what it is given: with a blank inside a word, or a wrong count, it returns words and numbers that were
never written. Here the records must fill the file, from the header to its end.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from textclf.errors import VectorsError
from textclf.vectors.words import LONGEST_WORD

_BLOCK = 1 << 22
_NEWLINE = 0x0A


def read_records(stream: BinaryIO, path: Path, words: int, dimension: int) -> Iterator[tuple[bytes, memoryview, bool]]:
    """Give the word and the bytes of the numbers of each record of a stream that stands after the header.

    The third part says whether a line end proves that the record begins there. word2vec ends each record with one,
    gensim none; where the first record has one, all must.

    Raises VectorsError when the file holds fewer than `words` or more, a word is longer than 1,000 bytes, or a line
    end is missing. The numbers are not looked at.
    """
    least = LONGEST_WORD + 2 + 4 * dimension
    buffer, place, has_line_ends = b"", 0, False
    for number in range(1, words + 1):
        if len(buffer) - place < least:
            buffer, place = buffer[place:] + stream.read(_BLOCK + least), 0
        ended = place
        while place < len(buffer) and buffer[place] == _NEWLINE:
            place += 1
        has_line_ends |= number == 2 and place > ended
        if has_line_ends and place == ended < len(buffer):
            raise VectorsError(
                f"{path}: expected a line end after the numbers of word {number - 1:,}, as after the first. {_ADVICE}"
            )
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
        yield buffer[place:end], memoryview(buffer)[end + 1 : stop], has_line_ends or number == 1
        place = stop
    if (buffer[place:] + stream.read(_BLOCK)).strip(b"\r\n"):
        raise VectorsError(f"{path}: the header promises {words:,} words, found more after them. {_ADVICE}")


_ADVICE = "The file is damaged, is not UTF-8, or a word holds a blank: get it again, or write it as text."

"""A corpus to train word vectors on: texts from a file, cut once, kept as word numbers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from textclf.errors import DataError
from textclf.tables import Origin, Refusal, TableOptions, open_table
from textclf.text.tokenizer import tokenize
from textclf.types import Integers


@dataclass(frozen=True)
class Corpus:
    """Texts as numbers of `words`: text i is ``numbers[offsets[i]:offsets[i + 1]]``."""

    name: str
    words: list[str]
    numbers: Integers
    offsets: Integers
    refused: list[Refusal]
    sentences: list[str]
    """What is worth saying about the file."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """How many words the texts have in all."""
        return len(self.numbers)

    def sentences_of_words(self) -> Iterator[list[str]]:
        """Give each text as a list of words."""
        words = self.words
        for start, stop in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            yield [words[number] for number in self.numbers[start:stop].tolist()]


def read_corpus(source: Origin, options: TableOptions, *, progress: Callable[[int], None]) -> Corpus:
    """Read and cut all texts of a file: a text a line (.txt, also compressed), or a table's column.

    Raises DataError when the file cannot be read or holds no word.
    """
    numbers_of: dict[int, int] = {}
    words: list[str] = []
    numbers, lengths = [], []
    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, options, labelled=False))
        for batch in table.batches():
            tokens = tokenize(batch.texts)
            distinct, firsts, inverse = np.unique(tokens.keys, return_index=True, return_inverse=True)
            new = [
                (int(key), int(first))
                for key, first in zip(distinct, firsts, strict=True)
                if int(key) not in numbers_of
            ]
            for (key, _), word in zip(new, tokens.strings(first for _, first in new), strict=True):
                numbers_of[key] = len(words)
                words.append(word)
            numbers.append(np.array([numbers_of[key] for key in distinct.tolist()], np.int32)[inverse])
            lengths.append(np.diff(tokens.offsets))
            progress(len(batch))
        if not words:
            raise DataError(f"{table.name}: expected texts, found no word in any. Is this the right file and column?")
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        return Corpus(table.name, words, np.concatenate(numbers), offsets, table.refused, table.notes.sentences())

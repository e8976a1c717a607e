"""Training texts cut into tokens once, and gone through more than once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import zip_longest
from typing import TypeVar

import numpy as np

from textclf.storage.array_store import ArrayBuilder, ArrayStore
from textclf.storage.parallel import in_order
from textclf.text.csr import offsets_of
from textclf.text.key_index import KeyIndex
from textclf.text.patterns import OrderedPieces
from textclf.text.subwords import Spelling
from textclf.text.tokenizer import Runs, Tokens, text_blocks, tokenize, tokenize_apart
from textclf.types import Integers

Made = TypeVar("Made")

_NOWHERE = np.zeros(0, np.int64)
_NO_CODES = np.zeros(0, np.uint32)
_MOST_SPELLINGS = 64  # of blocks that wait to be merged


@dataclass(frozen=True)
class TokenBlock:
    """Consecutive texts and their tokens, whose places in the texts are not kept; `pieces`, if patterns are wanted."""

    texts: Sequence[str]
    tokens: Tokens
    pieces: OrderedPieces | None = None

    def units(self, common: KeyIndex) -> Tokens:
        """Return what patterns are made of."""
        assert self.pieces is not None
        return self.pieces.units(common)


@dataclass
class TokenizedCorpus:
    """Texts cut into tokens, a block at a time, whose keys lie in a store after the first time.

    Each text is so many `passages` that are kept apart. With `spelled` the corpus knows how each distinct token and
    piece is spelled, once it was gone through. With `ordered` its blocks have pieces in their order.
    """

    texts: Sequence[str]
    threads: int
    store: ArrayStore
    _: KW_ONLY
    spelled: bool
    ordered: bool = False
    passages: int = 1
    _blocks: list[Tokens] | None = field(default=None, init=False)
    _pieces: list[OrderedPieces] = field(default_factory=list, init=False)
    _spellings: list[Spelling] = field(default_factory=list, init=False)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def spelling(self) -> Spelling:
        """How all distinct tokens and pieces are spelled."""
        if len(self._spellings) != 1:
            self._spellings = [Spelling.merge(self._spellings)]
        return self._spellings[0]

    def each(self, function: Callable[[TokenBlock], Made]) -> Iterator[Made]:
        """Give what `function` makes of each block, in order."""
        if self._blocks is None:
            yield from self._cut(function)
        else:
            yield from in_order(function, self._again(self._blocks), self.threads)

    def _cut(self, function: Callable[[TokenBlock], Made]) -> Iterator[Made]:
        def make(texts: Sequence[str]) -> tuple[TokenBlock, Spelling | None, Made]:
            tokens = tokenize(texts) if self.passages == 1 else tokenize_apart(texts, self.passages)
            spelling = Spelling.of_tokens(tokens) if self.spelled else None
            block = TokenBlock(texts, tokens, OrderedPieces.of(tokens, texts) if self.ordered else None)
            return block, spelling, function(block)

        kept = _TokenBuilder(self.store)
        for block, spelling, made in in_order(make, text_blocks(self.texts), self.threads):
            kept.add(block.tokens)
            if block.pieces is not None:
                self._pieces.append(block.pieces.without_places())
            if spelling is not None:
                self._spellings.append(spelling)
                if len(self._spellings) > _MOST_SPELLINGS:
                    self._spellings = [Spelling.merge(self._spellings)]
            yield made
        self._blocks = kept.blocks()

    def _again(self, blocks: list[Tokens]) -> Iterator[TokenBlock]:
        done = 0
        for tokens, pieces in zip_longest(blocks, self._pieces):
            # A copy, with which what it works out about itself goes.
            yield TokenBlock(self.texts[done : done + len(tokens)], replace(tokens), pieces)
            done += len(tokens)


class _TokenBuilder:
    """The tokens of blocks, without their places, in a store."""

    def __init__(self, store: ArrayStore) -> None:
        self._keys, self._is_word, self._runs = ArrayBuilder(store), ArrayBuilder(store), ArrayBuilder(store)
        self._offsets: list[tuple[Integers, Integers]] = []
        self._passages: list[Integers | None] = []

    def add(self, tokens: Tokens) -> None:
        """Put the tokens of a block after the others."""
        self._keys.add(tokens.keys)
        self._is_word.add(tokens.is_word)
        self._runs.add(tokens.runs.keys)
        self._passages.append(tokens.passages)
        pair = tokens.offsets, tokens.runs.offsets
        self._offsets.append(tuple(offsets.astype(np.int32) for offsets in pair))  # type: ignore[arg-type]

    def blocks(self) -> list[Tokens]:
        """Return the tokens of each block."""
        keys, is_word, runs = self._keys.whole(), self._is_word.whole(), self._runs.whole()
        tokens_before = offsets_of(np.array([offsets[-1] for offsets, _ in self._offsets]))
        runs_before = offsets_of(np.array([offsets[-1] for _, offsets in self._offsets]))
        blocks = []
        for i, (offsets, run_offsets) in enumerate(self._offsets):
            part = slice(tokens_before[i], tokens_before[i + 1])
            of_runs = Runs(runs[runs_before[i] : runs_before[i + 1]], run_offsets, _NOWHERE, _NOWHERE)
            blocks.append(
                Tokens(keys[part], offsets, is_word[part], _NOWHERE, _NOWHERE, _NO_CODES, of_runs, self._passages[i])
            )
        return blocks

"""Training texts cut into tokens and n-grams, gone through more than once and cut once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from textclf.storage.array_store import ArrayBuilder, ArrayStore
from textclf.storage.memory import let_go
from textclf.storage.parallel import in_order
from textclf.text.features import Kind, ngrams
from textclf.text.tokenizer import Tokens, text_blocks, tokenize
from textclf.types import Integers, Keys

Made = TypeVar("Made")


@dataclass(frozen=True)
class Block:
    """Consecutive texts, their tokens, and their n-grams of each kind: the number of the text, and the key, of each."""

    texts: Sequence[str]
    tokens: Tokens
    ngrams: list[tuple[Integers, Keys]]


class TokenizedCorpus:
    """Texts cut into tokens and n-grams, a block at a time.

    The first time, their tokens are put on the store; of the n-grams, which are made of them anew each time, nothing
    is. Where there are n-grams of characters, made of the code points, which take most of the time, texts are cut
    each time. With `spelled` it is kept too how tokens are spelled.
    """

    def __init__(
        self, texts: Sequence[str], kinds: Sequence[Kind], threads: int, store: ArrayStore, *, spelled: bool
    ) -> None:
        self._texts, self.kinds, self.threads = texts, kinds, threads
        self._shelf, self._spelled = store, spelled
        self._has_chars = any(kind == "chars" for kind, *_ in kinds)
        self._kept: deque[Tokens] = deque()

    def __len__(self) -> int:
        return len(self._texts)

    def each(self, function: Callable[[Block], Made], *, last: bool = False) -> Iterator[Made]:
        """Give what `function` makes of each block, in order; nothing is kept after the `last` time."""

        def made_of(part: tuple[Sequence[str], Tokens | None]) -> tuple[Tokens, Made]:
            texts, kept = part
            tokens = tokenize(texts) if kept is None else kept.in_memory()
            made = function(Block(texts, tokens, [ngrams(tokens, *kind) for kind in self.kinds]))
            if kept is not None:
                let_go(*kept.arrays())
            return tokens, made

        stack = None if last or self._has_chars or self._kept else _TokenStack(self._shelf)
        for tokens, made in in_order(made_of, self._again(last=last) if self._kept else self._anew(), self.threads):
            if stack is not None:
                stack.add(tokens if self._spelled else tokens.without_places())
            yield made
        if stack is not None:
            self._kept = stack.parts()

    def _anew(self) -> Iterator[tuple[Sequence[str], None]]:
        # Of each character there are as many n-grams as lengths: shorter blocks keep memory as low.
        for texts in text_blocks(self._texts, parts=4 if self._has_chars else 1):
            yield texts, None

    def _again(self, *, last: bool) -> Iterator[tuple[Sequence[str], Tokens]]:
        """Give the texts of each block, and their tokens as they were kept."""
        kept, done = self._kept, 0
        if last:
            self._kept = deque()
        for _ in range(len(kept)):
            tokens = kept.popleft()
            if not last:
                kept.append(tokens)
            yield self._texts[done : done + len(tokens)], tokens
            done += len(tokens)


class _TokenStack:
    """The tokens of blocks, on the store."""

    def __init__(self, store: ArrayStore) -> None:
        self._stacks = [ArrayBuilder(store) for _ in range(_ARRAYS)]
        self._lengths: list[list[int]] = [[] for _ in range(_ARRAYS)]

    def add(self, tokens: Tokens) -> None:
        """Put the tokens of a block after the others."""
        for stack, lengths, array in zip(self._stacks, self._lengths, tokens.arrays(), strict=True):
            stack.add(array)
            lengths.append(len(array))

    def parts(self) -> deque[Tokens]:
        """Return the tokens of each block; the stack is empty then."""
        arrays = (stack.cut(lengths) for stack, lengths in zip(self._stacks, self._lengths, strict=True))
        return deque(Tokens(*each) for each in zip(*arrays, strict=True))


_ARRAYS = len(fields(Tokens))

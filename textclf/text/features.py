"""Texts to numbers: the weight of each word, n-gram and piece in each text.

There are three matrices of n texts:

* by words, C: what each known word weighs, so that **S = C E** is the (weighted) mean of the text's word vectors, the
  input layer of the network;
* by word n-grams: tf-idf, rows of length 1; what they say goes straight to the last sum; beside them stand patterns,
  which are weighed alike, and the columns of D, of what rows hold beside their text (see `other_columns`);
* by pieces: how much each word, or run of other characters, counts; its sub-words G likewise go to the last sum.

Back-propagation ends in the same products: dE = Cᵀ dS, dU = Cᵀ δ, dU' = Gᵀ Cᵀ δ (see `subwords`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.storage.quantized import ByteRows
from textclf.storage.row_columns import ONE_TEXT, RowColumns
from textclf.text.csr import SparseRows, beside, empty_rows, stack_rows, sum_entries
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable, ngram_matrix
from textclf.text.other_columns import NO_OTHERS, OtherColumns
from textclf.text.patterns import OrderedPieces
from textclf.text.subwords import (
    KnownPieces,
    PieceFacts,
    Spelling,
    WideRows,
    piece_keys,
    piece_rows,
    stack_wide,
    weigh_pieces,
)
from textclf.text.tokenizer import Tokens, text_blocks, tokenize, tokenize_apart
from textclf.text.weighting import weighted_mean
from textclf.types import Array, BoolArray, Integers

NgramKind = tuple[str, int, int]
"""N-grams: "words", "patterns" or "chars" (sub-words), the shortest and the longest."""


@dataclass(frozen=True)
class WordTable:
    """The words that have a row in E, and what one occurrence of each weighs in a text's mean.

    `weights`, shape (V,): 1 for the plain mean, the word's idf for tf-idf, a / (a + p(w)) for SIF.
    With `cased`, a word is looked up as it stands first, and lower-cased when it is not found.
    """

    index: KeyIndex
    weights: Array
    cased: bool = False

    def rows_of(self, tokens: Tokens, texts: Sequence[str]) -> Integers:
        """Return the row of E of each token of these texts, or -1."""
        rows = self.index.rows(tokens.keys)
        if self.cased:
            as_they_stand = tokenize(texts, lower=False).keys
            if len(as_they_stand) == len(rows):
                cased_rows = self.index.rows(as_they_stand)
                rows = np.where(cased_rows >= 0, cased_rows, rows)
        return rows


@dataclass(frozen=True)
class TextMatrix:
    """What `Features.extract` makes of n texts.

    `words`: C by words, shape (n, V), or (n, m V) where a row's m texts are kept apart.
    `ngrams`: word n-grams, and sub-words by piece.
    `tokens`, `known`, shape (n,): how many words each text has, and how many of them have a row in E.
    `known_shares`, shape (n, kinds): the share of the text's n-grams of each kind that other texts of training have.
    """

    words: SparseRows
    ngrams: WideRows
    tokens: Integers
    known: Integers
    known_shares: Array

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Integers) -> "TextMatrix":
        """Return the rows of these texts, in this order."""
        return TextMatrix(
            self.words.take(rows), self.ngrams.take(rows), self.tokens[rows], self.known[rows], self.known_shares[rows]
        )

    def slice(self, start: int, stop: int) -> "TextMatrix":
        """Return rows start … stop - 1 without copying their entries."""
        rows = slice(start, stop)
        C, ngrams = self.words.slice(start, stop), self.ngrams.slice(start, stop)
        return TextMatrix(C, ngrams, self.tokens[rows], self.known[rows], self.known_shares[rows])


@dataclass(frozen=True)
class Features:
    """All that turns texts into matrices; it holds no vector, only rows' numbers and weights.

    `ngrams`: the tables of word n-grams, of patterns and of sub-words, in this order, each of which may be missing.
    `columns`: what a row consists of. `others`: what is known of its columns beside the text. With
    `is_apart` a row's texts have averages and word n-grams of their own; else they are one text.
    """

    words: WordTable
    ngrams: tuple[NgramTable, ...]
    columns: RowColumns = ONE_TEXT
    others: OtherColumns = NO_OTHERS
    is_apart: bool = False

    def table(self, kind: str) -> NgramTable | None:
        """Return the table of a kind of n-grams, if there is one."""
        return next((table for table in self.ngrams if table.kind == kind), None)

    @property
    def kinds(self) -> tuple[slice, ...]:
        """The rows of U that the n-grams of each kind have, in the order of `ngrams`."""
        found, first = [], 0
        for table in self.ngrams:
            first = self.of_others.stop if table.kind == "chars" else first
            found.append(slice(first, first + len(table.index)))
            first = found[-1].stop
        return tuple(found)

    @property
    def of_others(self) -> slice:
        """The rows of U that are V, of the columns beside the text: they stand before those of sub-words."""
        first = sum(len(table.index) for table in self.ngrams if table.kind != "chars")
        return slice(first, first + self.others.width)

    @property
    def height(self) -> int:
        """The number of rows of U."""
        return self.others.width + sum(len(table.index) for table in self.ngrams)

    def known_pieces(self, words: Sequence[str], U: Array | ByteRows) -> KnownPieces | None:
        """Return what the words of E's rows add by their sub-words, given U; None where there are no sub-words."""
        subwords = self.table("chars")
        if subwords is None:
            return None
        return KnownPieces.of(words, subwords, np.asarray(U[self.kinds[-1]], np.float64))

    def extract(
        self, rows: Sequence[str], common: Sequence[BoolArray] | None = None, known: KnownPieces | None = None
    ) -> TextMatrix:
        """Return the matrices of these rows, made a block of texts at a time.

        `common`, where these are texts of training: which n-grams of each kind count as familiar, shape (V,); else all
        that have a row do. `known`, of `known_pieces`, saves spelling known words out.
        """
        return self.extract_tokens(self.cut(rows), common, known)

    def cut(self, rows: Sequence[str]) -> Iterator["CutRows"]:
        """Give the rows with the tokens of their texts, a block of consecutive rows at a time."""
        for block in text_blocks(rows):
            texts = self.columns.only_texts(block)
            yield CutRows(block, texts, self.tokenize(texts))

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of rows' texts."""
        return tokenize_apart(texts, self.passages) if self.passages > 1 else tokenize(texts)

    @property
    def passages(self) -> int:
        """How many texts of a row are kept apart: 1 where they are one text."""
        return len(self.columns.texts) if self.is_apart else 1

    def extract_tokens(
        self, blocks: Iterable["CutRows"], common: Sequence[BoolArray] | None = None, known: KnownPieces | None = None
    ) -> TextMatrix:
        """Return the matrices of rows that `cut` gave; the rest as `extract` says."""
        marks: Sequence[BoolArray | None] = common or [None] * len(self.ngrams)
        return stack_texts([self._extract_block(block, marks, known) for block in blocks])

    def mean_words(self, tokens: Tokens, rows: Integers) -> SparseRows:
        """Return C by words, given each token's row of E: of m passages the columns of each, whose entries sum to 1."""
        m = tokens.passages_a_text
        counts = sum_entries(
            tokens.text_numbers, self.word_columns(tokens, rows), len(tokens), m * len(self.words.index)
        )
        return counts.with_data(weighted_mean(counts.unfold(m), self.words.weights).data)

    def word_columns(self, tokens: Tokens, rows: Integers) -> Integers:
        """Return each token's column of C by words, or -1, given its row of E."""
        if tokens.passages is None:
            return rows
        return np.where(rows >= 0, rows + tokens.fields * np.int32(len(self.words.index)), -1)

    def _extract_block(
        self, block: "CutRows", common: Sequence[BoolArray | None], known: KnownPieces | None
    ) -> TextMatrix:
        tokens = block.tokens
        rows = self.words.rows_of(tokens, block.texts)
        wide, shares = no_ngrams(len(tokens)), []
        for table, marks in zip(self.ngrams, common, strict=True):
            if table.kind != "chars":
                units = tokens
                if table.kind == "patterns":
                    units = OrderedPieces.of(tokens, block.texts).units(table.common)
                ngrams, share = ngram_matrix(units, table, marks)
                wide = WideRows(beside(wide.ngrams, ngrams), wide.pieces, wide.G)
            else:
                # Pieces are lower-cased, so a piece is known by that word's row, in whatever case its tokens stand.
                as_pieces = self.words.index.rows(tokens.keys) if self.words.cased else rows
                pieces, G, share = _piece_matrix(tokens, as_pieces, table, marks, known)
                wide = WideRows(wide.ngrams, pieces, G, known)
            shares.append(share)
        if self.others.width:
            D = self.others.matrix(self.columns.others(block.rows))
            wide = WideRows(beside(wide.ngrams, D), wide.pieces, wide.G, wide.known)
        return TextMatrix(
            self.mean_words(tokens, rows),
            wide,
            np.diff(tokens.offsets),
            np.bincount(tokens.text_numbers[rows >= 0], minlength=len(tokens)),
            side_by_side(shares, len(tokens)),
        )


@dataclass(frozen=True)
class CutRows:
    """Consecutive rows, their texts, and the tokens of these."""

    rows: Sequence[str]
    texts: Sequence[str]
    tokens: Tokens


def _piece_matrix(
    tokens: Tokens, rows: Integers, table: NgramTable, common: BoolArray | None, known: KnownPieces | None
) -> tuple[SparseRows, SparseRows, Array]:
    """Return C' and G of the pieces of these texts, and the share of each text's sub-words that is known.

    With `known` the words that E has rows for come first in C', and G is of the others.
    """
    text_numbers, keys = piece_keys(tokens)
    columns = np.full(len(keys), -1, np.int32)
    if known is not None:
        columns[: len(keys) - len(tokens.runs.keys)] = rows[tokens.is_word]
    spelled = np.flatnonzero(columns < 0)
    spelling = Spelling.of_pieces(tokens, spelled)
    G, facts = piece_rows(spelling, table, common)
    first = 0 if known is None else len(known.R)
    columns[spelled] = spelling.index.rows(keys[spelled]) + first
    counts = sum_entries(text_numbers, columns, len(tokens), first + len(spelling))
    weighed, share = weigh_pieces(counts, facts if known is None else PieceFacts.join([known.facts, facts]))
    return weighed, G, share


def stack_texts(parts: Sequence[TextMatrix]) -> TextMatrix:
    """Return the matrices of all parts' texts, in their order."""
    return TextMatrix(
        stack_rows([part.words for part in parts]),
        stack_wide([part.ngrams for part in parts]),
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.known_shares for part in parts]),
    )


def no_ngrams(n: int) -> WideRows:
    """Return the matrix of n texts without n-grams."""
    nothing = empty_rows(n, 0)
    return WideRows(nothing, nothing, empty_rows(0, 0))


def side_by_side(columns: Sequence[Array], n: int) -> Array:
    """Return arrays of shape (n,) as the columns of one, shape (n, number of arrays)."""
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0), np.float32)

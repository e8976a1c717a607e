"""From counted rows to the sums of a text, and one text after the other: what is called from outside."""

from typing import Any, NamedTuple

import numpy as np

from textclf.arrays import Array, Integers, Keys
from textclf.compiled.counting import Chars, Words, count_chars, count_words, look_up, note, squeeze, walk
from textclf.compiled.jit import Number, compiled
from textclf.compiled.texts import ONE, ZERO, cut_words
from textclf.features import START
from textclf.tokenizer import CodePoints


class Sums(NamedTuple):
    """What is summed: E or E Wᵀ; U of the n-grams of words, and of characters. `logs`: 1 + log c for each count c.

    Each is flat. A row is what the word weighs, or the n-gram's idf, and as many numbers as a multiple of 4: what is
    needed at once then lies in one line of the cache. Rows of `of_chars` begin `char_width` numbers after each other.
    """

    E: Any
    of_words: Any
    of_chars: Any
    char_width: Any
    logs: Any


class Counts(NamedTuple):
    """How often each row stands in a text, and which rows do: `found`, as many as are `distinct`, and their weights."""

    words: Any
    word_ngrams: Any
    char_ngrams: Any
    found: Any
    weights: Any


class Room(NamedTuple):
    """Room for a text's words or characters: keys of both, letters, and the rows or states where n-grams begin."""

    tokens: Any
    keys: Any
    letters: Any
    rows: Any


class Results(NamedTuple):
    """Of n texts: S, shape (n, d), what n-grams add to the logits, shape (n, k), each padded, and counts (n, 6).

    Counted are words and known words, n-grams of words and known ones, n-grams of characters and known ones.
    """

    S: Any
    wide: Any
    counted: Any


@compiled
def weigh_mean(table: Array, counts: Integers, found: Integers, weights: Array, width: Number) -> None:
    """Find what each word weighs in a text's mean, and set its count to 0: `features.weighted_mean`."""
    total = 0.0
    for i in range(len(found)):
        row = np.uint64(found[i])
        weights[i] = np.float32(counts[row]) * np.float32(table[row * width])
        counts[row] = 0
        total += np.float64(weights[i])
    for i in range(len(found)):
        weights[i] = np.float32(np.float64(weights[i]) / total)


@compiled
def weigh_tf_idf(table: Array, logs: Array, counts: Integers, found: Integers, weights: Array, width: Number) -> None:
    """Find what each n-gram weighs in a text, and set its count to 0: `features.tf_idf`."""
    squares = 0.0
    for i in range(len(found)):
        row = np.uint64(found[i])
        value = logs[counts[row]] * table[row * width]
        counts[row] = 0
        weights[i] = value
        squares += np.float64(value * value)
    length = np.sqrt(squares)
    for i in range(len(found)):
        weights[i] = np.float32(np.float64(weights[i]) / length)


@compiled
def add_rows(table: Array, found: Integers, weights: Array, width: Number, out: Array) -> None:
    """Add the rows that are found, each times its weight, to `out`, four columns at a time."""
    for column in range(ZERO, np.uint64(len(out)), np.uint64(4)):
        a = b = c = d = 0.0
        for i in range(len(found)):
            weight = np.float64(weights[i])
            place = np.uint64(found[i]) * width + column + ONE
            a += weight * table[place]
            b += weight * table[place + ONE]
            c += weight * table[place + np.uint64(2)]
            d += weight * table[place + np.uint64(3)]
        out[column] += a
        out[column + ONE] += b
        out[column + np.uint64(2)] += c
        out[column + np.uint64(3)] += d


@compiled
def add_words(words: Words, sums: Sums, counts: Counts, tokens: Keys, room: Room, S: Array) -> Number:
    """Add the mean of a text's words to its row of S; return how many have a row."""
    none = len(counts.words) - 1
    counts.words[none] = 1
    distinct = ZERO
    look_up(words.lookup, tokens, room.rows)
    for i in range(len(tokens)):
        distinct = note(room.rows[i], counts.words, counts.found, distinct)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    width = np.uint64(len(S)) + ONE
    weigh_mean(sums.E, counts.words, found, weights, width)
    add_rows(sums.E, found, weights, width, S)
    return len(tokens) - (counts.words[none] - 1)


@compiled
def add_word_ngrams(
    words: Words, sums: Sums, counts: Counts, tokens: Keys, room: Room, wide: Array
) -> tuple[Number, Number]:
    """Add a text's n-grams of words to its row; return how many there are, and how many have a row."""
    none = len(counts.word_ngrams) - 1
    counts.word_ngrams[none] = 1
    total, distinct = count_words(words, tokens, room.keys, room.rows, counts.word_ngrams, counts.found)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    width = np.uint64(len(wide)) + ONE
    weigh_tf_idf(sums.of_words, sums.logs, counts.word_ngrams, found, weights, width)
    add_rows(sums.of_words, found, weights, width, wide)
    return total, total - (counts.word_ngrams[none] - 1)


@compiled
def add_char_ngrams(
    chars: Chars, sums: Sums, counts: Counts, letters: Integers, room: Room, wide: Array
) -> tuple[Number, Number]:
    """Add a text's n-grams of characters to its row; return how many there are, and how many have a row."""
    m = len(letters)
    total = 0
    for n in range(chars.shortest, chars.longest + 1):
        total += max(m + 1 - n, 0) if n > 1 else m - 2
    if len(chars.cells):
        none = 0
        counts.char_ngrams[none] = 1
        distinct = walk(chars, letters, room.rows, counts.char_ngrams, counts.found)
    else:
        none = len(counts.char_ngrams) - 1
        counts.char_ngrams[none] = 1
        distinct = count_chars(chars, letters, room.tokens, room.keys, room.rows, counts.char_ngrams, counts.found)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    width = np.uint64(sums.char_width)
    weigh_tf_idf(sums.of_chars, sums.logs, counts.char_ngrams, found, weights, width)
    add_rows(sums.of_chars, found, weights, width, wide)
    return total, total - (counts.char_ngrams[none] - 1)


@compiled
def sum_texts(codes: CodePoints, offsets: Integers, words: Words, chars: Chars, sums: Sums, results: Results) -> None:
    """Fill the results, which are zeros, from texts: text i is codes[offsets[i] : offsets[i + 1] - 1].

    All texts' words come first, then all texts' characters: with the tables of both at hand, neither stayed in the
    cache, and the loops took a fourth longer.
    """
    size = np.diff(offsets).max() + 3
    most = size * max(words.longest, chars.longest, 1) + 1
    wide = results.wide.shape[1] + 1
    counts = Counts(
        np.zeros(len(sums.E) // (results.S.shape[1] + 1) + 1, np.uint32),
        np.zeros(len(sums.of_words) // wide + 1, np.uint32),
        np.zeros(len(sums.of_chars) // sums.char_width + 1, np.uint32),
        np.empty(most, np.uint32),
        np.empty(most, np.float32),
    )
    room = Room(
        np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint32), np.empty(size, np.uint32)
    )
    counted = results.counted
    for t in range(len(offsets) - 1):
        text = codes[offsets[t] : offsets[t + 1] - 1]
        last = cut_words(text, chars.kinds, room.tokens) + ONE
        counted[t, 0] = last - ONE
        counted[t, 1] = add_words(words, sums, counts, room.tokens[1:last], room, results.S[t])
        if words.longest:
            room.tokens[0] = START
            tokens = room.tokens[:last]
            counted[t, 2], counted[t, 3] = add_word_ngrams(words, sums, counts, tokens, room, results.wide[t])
    if not chars.longest:
        return
    for t in range(len(offsets) - 1):
        m = squeeze(codes[offsets[t] : offsets[t + 1] - 1], chars, room.letters)
        if m:
            letters = room.letters[:m]
            counted[t, 4], counted[t, 5] = add_char_ngrams(chars, sums, counts, letters, room, results.wide[t])

"""From keys of words and code points to rows and how often each stands in a text.

"No row" is a number of its own, whose count begins at 1, so that it is never listed among the rows that a text has.
"""

from typing import Any, NamedTuple

import numpy as np

from textclf.arrays import Integers, Keys
from textclf.compiled.jit import Number, compiled
from textclf.compiled.texts import BLANK, ONE, ZERO, mix
from textclf.tokenizer import BASE, CodePoints


class Lookup(NamedTuple):
    """The index of a `Dictionary` of V keys, whose rows are 0 … V - 1; V is no row."""

    firsts: Any
    shift: Any
    keys: Any


class Words(NamedTuple):
    """The words with a row in E, and the n-grams of words with a row in U."""

    lookup: Lookup
    ngrams: Lookup
    shortest: int
    longest: int


class Chars(NamedTuple):
    """N-grams of characters: as a double array (Aoe 1989), or, with no `cells`, in a dictionary of keys.

    State s has its child by letter a at state c = base of s + a, if the check of c is s; `cells`, flat, has base and
    check of each state as the first two of `width` numbers: in the others, which a step brings into the cache with
    them, stands what `Sums` has of the state. State 0 is no n-gram, 1 the empty one; `without_row` is one that has no
    row, 0 if all have.
    `letters`, shape (0x110000,), has the letter of each code point, which for a dictionary is the code point itself.
    `kinds`, of the same shape: the class of each code point, and BLANK.
    """

    kinds: Any
    letters: Any
    blank: Any
    cells: Any
    width: Any
    without_row: Any
    lookup: Lookup
    shortest: int
    longest: int


@compiled
def look_up(lookup: Lookup, keys: Keys, rows: Integers) -> None:
    """Put the row of each key into `rows`: `Dictionary.rows`.

    Where to search is found for all of them first: the processor then waits for many lines of memory at once.
    """
    ordered = lookup.keys
    for i in range(len(keys)):
        rows[i] = lookup.firsts[keys[i] >> lookup.shift]
    for i in range(len(keys)):
        place, key = np.uint64(rows[i]), keys[i]
        while ordered[place] < key:
            place += ONE
        rows[i] = place if ordered[place] == key else len(ordered) - 1


@compiled
def note(row: Number, counts: Integers, found: Integers, distinct: Number) -> Number:
    """Count a row, and list it when it is new; return how many are listed."""
    found[distinct] = row
    count = counts[row]
    counts[row] = count + np.uint32(1)
    return distinct + np.uint64(count == 0)


@compiled
def squeeze(codes: CodePoints, chars: Chars, letters: Integers) -> Number:
    """Put the letters of a text's `Characters` into `letters`; return how many."""
    letters[0] = chars.blank
    m = ONE
    was_blank = True
    for code in codes:
        is_blank = chars.kinds[code] >= BLANK
        if not (is_blank and was_blank):
            letters[m] = chars.blank if is_blank else chars.letters[code]
            m += ONE
        was_blank = is_blank
    if not was_blank:
        letters[m] = chars.blank
        m += ONE
    return m if m > ONE else ZERO


@compiled
def walk(chars: Chars, letters: Integers, states: Integers, counts: Integers, found: Integers) -> Number:
    """Count a text's n-grams of characters by steps through the trie; return how many different ones it has."""
    cells, width = chars.cells, np.uint64(chars.width)
    distinct = ZERO
    root = cells[width]
    for p in range(len(letters)):
        states[p] = root + letters[p] if letters[p] else np.uint32(0)
    for state in states[1 : len(letters) - 1]:
        distinct = note(state if state != chars.without_row else np.uint32(0), counts, found, distinct)
    for n in range(2, chars.longest + 1):
        added = letters[n - 1 :]
        for p in range(len(added)):
            state = np.uint64(states[p])
            child = np.uint64(cells[state * width]) + np.uint64(added[p])
            state = child if cells[child * width + ONE] == state else ZERO
            states[p] = state
            distinct = note(state, counts, found, distinct)
    return distinct


@compiled
def count_chars(
    chars: Chars, letters: Integers, keys: Keys, mixed: Keys, rows: Integers, counts: Integers, found: Integers
) -> Number:
    """Count a text's n-grams of characters by the key of each; return how many different ones it has.

    `keys`, `mixed` and `rows` are room for a number at each letter.
    """
    distinct = ZERO
    power = ONE
    keys[: len(letters)] = ZERO
    for n in range(1, chars.longest + 1):
        first = 1 if n == 1 else 0  # the blanks before and after are no n-grams
        stop = max(len(letters) - n + 1, 0)
        for p in range(stop):
            keys[p] += (np.uint64(letters[p + n - 1]) + ONE) * power
            mixed[p] = mix(keys[p])
        if n >= chars.shortest:
            look_up(chars.lookup, mixed[first : stop - first], rows)
            for i in range(stop - 2 * first):
                distinct = note(rows[i], counts, found, distinct)
        power *= BASE
    return distinct


@compiled
def count_words(
    words: Words, tokens: Keys, keys: Keys, rows: Integers, counts: Integers, found: Integers
) -> tuple[Number, Number]:
    """Count the n-grams of a text's words; return how many there are, and how many different ones have a row.

    `tokens` are the keys of the mark of the start and of the words.
    `keys` and `rows` are room for the key and the row of the n-gram that begins at each word.
    """
    distinct = total = ZERO
    keys[0] = tokens[0]
    for n in range(1, words.longest + 1):
        first = 1 if n == 1 else 0
        stop = max(len(tokens) + 1 - n, first)
        for i in range(first, stop):
            keys[i] = tokens[i] if n == 1 else mix(keys[i] * BASE + mix(tokens[i + n - 1]))
        if n >= words.shortest:
            look_up(words.ngrams, keys[first:stop], rows)
            for i in range(stop - first):
                distinct = note(rows[i], counts, found, distinct)
            total += np.uint64(stop - first)
    return total, distinct

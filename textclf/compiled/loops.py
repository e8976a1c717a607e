"""The compiled loops: from code points to what words and n-grams sum up to, one text after the other.

Each function says in a loop what `tokenizer`, `features` and `sparse` say in arrays, and rounds where they round.
Numbers of rows are unsigned, because an index that might be negative costs a comparison at every access. "No row" is a
number of its own, whose count begins at 1, so that it is never listed among the rows that a text has.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from textclf.code_points import ALONE, APOSTROPHE, MARK, WORD
from textclf.features import START
from textclf.tokenizer import BASE

compiled = numba.njit(nogil=True, cache=True, error_model="numpy")

BLANK = 8
"""Added to the class of a code point that is a blank."""

_CLASS = 7
_ZERO, _ONE, _SECOND = np.uint64(0), np.uint64(1), np.uint64(1)
_S1, _S2, _S3 = np.uint64(30), np.uint64(27), np.uint64(31)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


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
    check of each state. State 0 is no n-gram, 1 the empty one; `without_row` is one that has no row, 0 if all have.
    `letters`, shape (0x110000,), has the letter of each code point, which for a dictionary is the code point itself.
    `kinds`, of the same shape: the class of each code point, and BLANK.
    """

    kinds: Any
    letters: Any
    blank: Any
    cells: Any
    without_row: Any
    lookup: Lookup
    shortest: int
    longest: int


class Sums(NamedTuple):
    """What is summed: E or E Wᵀ; U of the n-grams of words, and of characters. `logs`: 1 + log c for each count c.

    Each is flat. A row is what the word weighs, or the n-gram's idf, and as many numbers as a multiple of 4: what is
    needed at once then lies in one line of the cache.
    """

    E: Any
    of_words: Any
    of_chars: Any
    logs: Any


class Counts(NamedTuple):
    """How often each row stands in a text, and which rows do: `found`, as many as are `distinct`, and their weights."""

    words: Any
    word_ngrams: Any
    char_ngrams: Any
    found: Any
    weights: Any


class Results(NamedTuple):
    """Of n texts: S, shape (n, d), what n-grams add to the logits, shape (n, k), each padded, and counts (n, 6).

    Counted are words and known words, n-grams of words and known ones, n-grams of characters and known ones.
    """

    S: Any
    wide: Any
    counted: Any


@compiled
def mix(key):  # noqa: ANN001, ANN201 - numba finds the types
    """Spread every bit of a key: `tokenizer.mix`."""
    key = (key ^ (key >> _S1)) * _M1
    key = (key ^ (key >> _S2)) * _M2
    return key ^ (key >> _S3)


@compiled
def row_of(lookup, key):
    """Return a key's row: `Dictionary.rows`."""
    keys = lookup.keys
    place = np.uint64(lookup.firsts[key >> lookup.shift])
    while keys[place] < key:
        place += _ONE
    return place if keys[place] == key else np.uint64(len(keys) - 1)


@compiled
def note(row, counts, found, distinct):
    """Count a row, and list it when it is new; return how many are listed."""
    found[distinct] = row
    count = counts[row]
    counts[row] = count + np.uint32(1)
    return distinct + np.uint64(count == 0)


@compiled
def cut_words(codes, kinds, keys):
    """Put the keys of a text's tokens into `keys`, from the second place on; return how many: `tokenizer._tokenize_block`."""
    count = _ONE
    is_open = before = False
    base = last = 0
    key, power = _ZERO, _ONE
    for i in range(len(codes)):
        kind = kinds[codes[i]] & _CLASS
        is_mark = kind == MARK
        if not is_mark:
            base = kind
        is_word = base == WORD
        if kind == APOSTROPHE and last == WORD and i + 1 < len(codes):
            is_word = kinds[codes[i + 1]] & _CLASS == WORD
        begins = (is_word and not before) or (base == ALONE and not is_mark)
        inside = is_word or base == ALONE
        if is_open and (begins or not inside):
            keys[count] = mix(key)
            count += _ONE
        if begins:
            key, power = _ZERO, _ONE
        is_open, before, last = inside, is_word, base
        if inside:
            key += (np.uint64(codes[i]) + _ONE) * power
            power *= BASE
    if is_open:
        keys[count] = mix(key)
        count += _ONE
    return count - _ONE


@compiled
def squeeze(codes, chars, letters):
    """Put the letters of a text's `Characters` into `letters`; return how many."""
    letters[0] = chars.blank
    m = _ONE
    was_blank = True
    for code in codes:
        is_blank = chars.kinds[code] >= BLANK
        if not (is_blank and was_blank):
            letters[m] = chars.blank if is_blank else chars.letters[code]
            m += _ONE
        was_blank = is_blank
    if not was_blank:
        letters[m] = chars.blank
        m += _ONE
    return m if m > _ONE else _ZERO


@compiled
def walk(chars, letters, states, counts, found):
    """Count a text's n-grams of characters by steps through the trie; return how many different ones it has."""
    cells = chars.cells
    distinct = _ZERO
    root = cells[2]
    for p in range(len(letters)):
        states[p] = root + letters[p] if letters[p] else np.uint32(0)
    for state in states[1 : len(letters) - 1]:
        distinct = note(state if state != chars.without_row else np.uint32(0), counts, found, distinct)
    for n in range(2, chars.longest + 1):
        added = letters[n - 1 :]
        for p in range(len(added)):
            state = np.uint64(states[p])
            child = np.uint64(cells[state << _ONE]) + np.uint64(added[p])
            state = child if cells[(child << _ONE) | _SECOND] == state else _ZERO
            states[p] = state
            distinct = note(state, counts, found, distinct)
    return distinct


@compiled
def look_up(chars, letters, keys, counts, found):
    """Count a text's n-grams of characters by the key of each; return how many different ones it has."""
    distinct = _ZERO
    power = _ONE
    keys[: len(letters)] = _ZERO
    for n in range(1, chars.longest + 1):
        first = 1 if n == 1 else 0  # the blanks before and after are no n-grams
        for p in range(len(letters) - n + 1):
            keys[p] += (np.uint64(letters[p + n - 1]) + _ONE) * power
        if n >= chars.shortest:
            for p in range(first, len(letters) - n + 1 - first):
                distinct = note(row_of(chars.lookup, mix(keys[p])), counts, found, distinct)
        power *= BASE
    return distinct


@compiled
def count_words(words, tokens, keys, counts, found):
    """Count the n-grams of a text's words, before which stands the mark of the start; return how many, how many different.

    `keys` is room for the key of the n-gram that begins at each word.
    """
    distinct = total = _ZERO
    keys[0] = tokens[0]
    for n in range(1, words.longest + 1):
        first = 1 if n == 1 else 0
        for i in range(first, len(tokens) + 1 - n):
            if n == 1:
                keys[i] = tokens[i]
            else:
                keys[i] = mix(keys[i] * BASE + mix(tokens[i + n - 1]))
            if n >= words.shortest:
                total += _ONE
                distinct = note(row_of(words.ngrams, keys[i]), counts, found, distinct)
    return total, distinct


@compiled
def weigh_mean(table, counts, found, weights, width):
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
def weigh_tf_idf(table, logs, counts, found, weights, width):
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
def add_rows(table, found, weights, out):
    """Add the rows that are found, each times its weight, to `out`, four columns at a time."""
    width = np.uint64(len(out)) + _ONE
    for column in range(_ZERO, np.uint64(len(out)), np.uint64(4)):
        a = b = c = d = 0.0
        for i in range(len(found)):
            weight = np.float64(weights[i])
            place = np.uint64(found[i]) * width + column + _ONE
            a += weight * table[place]
            b += weight * table[place + _ONE]
            c += weight * table[place + np.uint64(2)]
            d += weight * table[place + np.uint64(3)]
        out[column] += a
        out[column + _ONE] += b
        out[column + np.uint64(2)] += c
        out[column + np.uint64(3)] += d


@compiled
def add_words(words, sums, counts, tokens, S):
    """Add the mean of a text's words to its row of S; return how many have a row."""
    none = len(counts.words) - 1
    counts.words[none] = 1
    distinct = _ZERO
    for key in tokens:
        distinct = note(row_of(words.lookup, key), counts.words, counts.found, distinct)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    weigh_mean(sums.E, counts.words, found, weights, np.uint64(len(S)) + _ONE)
    add_rows(sums.E, found, weights, S)
    return len(tokens) - (counts.words[none] - 1)


@compiled
def add_word_ngrams(words, sums, counts, tokens, keys, wide):
    """Add a text's n-grams of words to its row; return how many there are, and how many have a row."""
    none = len(counts.word_ngrams) - 1
    counts.word_ngrams[none] = 1
    total, distinct = count_words(words, tokens, keys, counts.word_ngrams, counts.found)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    weigh_tf_idf(sums.of_words, sums.logs, counts.word_ngrams, found, weights, np.uint64(len(wide)) + _ONE)
    add_rows(sums.of_words, found, weights, wide)
    return total, total - (counts.word_ngrams[none] - 1)


@compiled
def add_char_ngrams(chars, sums, counts, letters, states, keys, wide):
    """Add a text's n-grams of characters to its row; return how many there are, and how many have a row."""
    m = len(letters)
    total = 0
    for n in range(chars.shortest, chars.longest + 1):
        total += max(m + 1 - n, 0) if n > 1 else m - 2
    if len(chars.cells):
        none = 0
        counts.char_ngrams[none] = 1
        distinct = walk(chars, letters, states, counts.char_ngrams, counts.found)
    else:
        none = len(counts.char_ngrams) - 1
        counts.char_ngrams[none] = 1
        distinct = look_up(chars, letters, keys, counts.char_ngrams, counts.found)
    found, weights = counts.found[:distinct], counts.weights[:distinct]
    weigh_tf_idf(sums.of_chars, sums.logs, counts.char_ngrams, found, weights, np.uint64(len(wide)) + _ONE)
    add_rows(sums.of_chars, found, weights, wide)
    return total, total - (counts.char_ngrams[none] - 1)


@compiled
def sum_texts(codes, offsets, words, chars, sums, results):
    """Fill the results, which are zeros, from the code points of texts; text i stands at offsets[i] … offsets[i + 1] - 2."""
    size = np.diff(offsets).max() + 3
    most = size * max(words.longest, chars.longest, 1) + 1
    wide = results.wide.shape[1] + 1
    counts = Counts(
        np.zeros(len(sums.E) // (results.S.shape[1] + 1) + 1, np.uint32),
        np.zeros(len(sums.of_words) // wide + 1, np.uint32),
        np.zeros(len(sums.of_chars) // wide + 1, np.uint32),
        np.empty(most, np.uint32),
        np.empty(most, np.float32),
    )
    keys, tokens = np.empty(size, np.uint64), np.empty(size, np.uint64)
    letters, states = np.empty(size, np.uint32), np.empty(size, np.uint32)
    counted = results.counted
    for t in range(len(offsets) - 1):
        text = codes[offsets[t] : offsets[t + 1] - 1]
        last = cut_words(text, chars.kinds, tokens) + _ONE
        counted[t, 0] = last - _ONE
        counted[t, 1] = add_words(words, sums, counts, tokens[1:last], results.S[t])
        if words.longest:
            tokens[0] = START
            counted[t, 2], counted[t, 3] = add_word_ngrams(words, sums, counts, tokens[:last], keys, results.wide[t])
        if chars.longest:
            m = squeeze(text, chars, letters)
            if m:
                counted[t, 4], counted[t, 5] = add_char_ngrams(
                    chars, sums, counts, letters[:m], states[:m], keys, results.wide[t]
                )


@compiled
def lay_out(order, firsts, child_counts, last, width):
    """Return the state and the base of each node of a `Trie`, their children placed in this order of the nodes."""
    states, bases = np.zeros(len(last), np.uint32), np.zeros(len(last), np.uint32)
    states[0] = 1
    taken = np.zeros(2 * len(last) + 2 * width, np.bool_)
    taken[:2] = True
    lowest = np.ones(width + 1, np.int64)  # the base to try first for so many children: below, some did not fit before
    for node in order:
        children = last[firsts[node] : firsts[node] + child_counts[node]]
        if not len(children):
            continue
        base = lowest[len(children)]
        while not fits(taken, base, children):
            base += 1
        lowest[len(children)] = base
        bases[node] = base
        for i in range(len(children)):
            states[firsts[node] + i] = base + children[i]
            taken[base + children[i]] = True
        if base + 3 * width > len(taken):
            taken = np.concatenate((taken, np.zeros(len(taken), np.bool_)))
    return states, bases


@compiled
def fits(taken, base, children):
    """Return whether no child's place is taken."""
    for child in children:
        if taken[base + child]:
            return False
    return True

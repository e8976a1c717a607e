"""From code points to the keys of words: the loop that cuts a text.

Each function of these modules says in a loop what `tokenizer`, `features` and `sparse` say in arrays, and rounds where
they round. Numbers of places and rows are unsigned: an index that might be negative costs a comparison at every access.
"""

import numpy as np

from textclf.arrays import Integers, Keys
from textclf.code_points import ALONE, APOSTROPHE, MARK, WORD
from textclf.compiled.jit import Number, compiled
from textclf.tokenizer import BASE, CodePoints

BLANK = 8
"""Added to the class of a code point that is a blank."""

ZERO, ONE = np.uint64(0), np.uint64(1)
_CLASS = 7
_S1, _S2, _S3 = np.uint64(30), np.uint64(27), np.uint64(31)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@compiled
def mix(key: Number) -> Number:
    """Spread every bit of a key: `tokenizer.mix`."""
    key = (key ^ (key >> _S1)) * _M1
    key = (key ^ (key >> _S2)) * _M2
    return key ^ (key >> _S3)


@compiled
def cut_words(codes: CodePoints, kinds: Integers, keys: Keys) -> Number:
    """Put the keys of a text's tokens into `keys`, from the second place on; return how many: `tokenizer`."""
    count = ONE
    is_open = before = False
    base = last = 0
    key, power = ZERO, ONE
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
            count += ONE
        if begins:
            key, power = ZERO, ONE
        is_open, before, last = inside, is_word, base
        if inside:
            key += (np.uint64(codes[i]) + ONE) * power
            power *= BASE
    if is_open:
        keys[count] = mix(key)
        count += ONE
    return count - ONE

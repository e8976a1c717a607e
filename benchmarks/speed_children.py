"""What speed.py runs as processes: the peers' work, and ours where no command does it alone.

    python speed_children.py NAME [ARGUMENT…]

A part that is to be timed without the process around it prints `seconds`, and how many the work took.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np

ROWS, SIZES, BATCH, EPOCHS = 50_000, (300, 256, 4), 256, 3
VECTORS = (400_000, 100)


def _line(text: str) -> str:
    # The plainest reading that is fair to fastText: lower case, and a line is a line.
    return text.lower().replace("\n", " ") + "\n"


def _fasttext_lines(source: str, target: str) -> str:
    """Write a table as fastText's own file beside the target; return its path."""
    lines = Path(target).with_suffix(".txt")
    with Path(source).open(encoding="utf-8", newline="") as stream, lines.open("w", encoding="utf-8") as out:
        for row in csv.DictReader(stream):
            out.write(f"__label__{row['label'].replace(' ', '_')} {_line(row['text'])}")
    return str(lines)


def fasttext_train(source: str, target: str, longest: str) -> None:
    """Write fastText's own file, train with bigrams, dimension 10, 10 epochs, 2 threads, and save."""
    import fasttext

    model = fasttext.train_supervised(
        _fasttext_lines(source, target), lr=0.5, wordNgrams=2, epoch=10, dim=10, minn=min(1, int(longest)),
        maxn=int(longest), bucket=500_000, thread=2, verbose=0,
    )  # fmt: skip
    model.save_model(target)


def fasttext_pretrained(source: str, vectors: str, target: str) -> None:
    """Train fastText with pretrained vectors, bigrams and sub-words of 2 to 5 characters, 25 epochs, 2 threads."""
    import fasttext

    with Path(vectors).open(encoding="utf-8") as stream:
        dimension = int(stream.readline().split()[1])
    model = fasttext.train_supervised(
        _fasttext_lines(source, target), lr=0.5, wordNgrams=2, epoch=25, dim=dimension, minn=2, maxn=5,
        bucket=500_000, pretrainedVectors=vectors, thread=2, verbose=0,
    )  # fmt: skip
    model.save_model(target)


def write_starter(path: str) -> None:
    """Write the starter vectors as text, the form that fastText takes."""
    from textclf.vectors import open_vectors as open_

    vectors = open_("starter")
    with Path(path).open("w", encoding="utf-8") as stream:
        stream.write(f"{len(vectors)} {vectors.matrix.shape[1]}\n")
        for word, row in zip(vectors.words, vectors.matrix, strict=True):
            stream.write(f"{word} {' '.join(f'{number:.5f}' for number in row)}\n")


def fasttext_label(model: str, source: str, target: str) -> None:
    """Label a CSV: rows in, rows out with label and confidence, many at a time."""
    import fasttext

    loaded = fasttext.load_model(model)
    with (
        Path(source).open(encoding="utf-8", newline="") as stream,
        Path(target).open("w", encoding="utf-8", newline="") as out,
    ):
        rows, written = csv.reader(stream), csv.writer(out, lineterminator="\n")
        written.writerow([*next(rows), "label", "confidence"])
        batch: list[list[str]] = []

        def flush() -> None:
            # Its Python wrapper fails with NumPy 2; what lies below does not.
            labels, shares = loaded.f.multilinePredict([_line(row[0]) for row in batch], 1, 0.0, "strict")
            for row, label, share in zip(batch, labels, shares, strict=True):
                written.writerow([*row, label[0].removeprefix("__label__"), round(float(share[0]), 6)])
            batch.clear()

        for row in rows:
            batch.append(row)
            if len(batch) == 8192:
                flush()
        flush()


def svm(source: str) -> None:
    """Train LinearSVC on TF-IDF of words and bigrams."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    with Path(source).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    C = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform([row["text"] for row in rows])
    LinearSVC().fit(C, [row["label"] for row in rows])


def write_vectors(path: str) -> None:
    """Write random vectors as a word2vec binary file."""
    words, dimension = VECTORS
    rng = np.random.default_rng(0)
    with Path(path).open("wb") as stream:
        stream.write(f"{words} {dimension}\n".encode())
        for number in range(words):
            stream.write(f"word{number} ".encode() + rng.standard_normal(dimension, np.float32).tobytes())


def gensim(path: str) -> None:
    """Read vectors with gensim, and look at one."""
    begin = time.perf_counter()
    from gensim.models import KeyedVectors

    KeyedVectors.load_word2vec_format(path, binary=True)["word1000"].sum()
    print("seconds", time.perf_counter() - begin)


def open_vectors(path: str) -> None:
    """Open vectors through the cache, and look at one."""
    begin = time.perf_counter()
    from textclf.vectors import open_vectors as open_

    open_(path).matrix[1000].sum()
    print("seconds", time.perf_counter() - begin)


def _examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, SIZES[0])).astype(np.float32), rng.integers(0, SIZES[-1], ROWS)


def epoch() -> None:
    """Train our network as the command does; the first epoch is not counted."""
    from threadpoolctl import threadpool_limits

    from textclf.nn.network import LOSSES, Network, one_hot
    from textclf.text.csr import SparseRows
    from textclf.text.features import no_ngrams
    from textclf.training.data import Examples
    from textclf.training.minibatch import EpochSettings, TrainedNetwork, train_network
    from textclf.training.resources import Listener, Resources

    X, y = _examples()
    each = SparseRows(np.arange(ROWS + 1, dtype=np.int32), np.arange(ROWS, dtype=np.int32), np.ones(ROWS, "f4"), ROWS)
    loss = LOSSES["cross-entropy", "softmax"]
    settings = EpochSettings(loss, EPOCHS + 2, BATCH, "adam", 1e-3, 0.0, 0.0, 0.0, 0.0, EPOCHS + 2)
    ends = []
    rng = np.random.default_rng(1)
    with threadpool_limits(1, user_api="blas"):
        train_network(
            TrainedNetwork(Network.start(SIZES, "relu", rng), X),
            Examples(each, no_ngrams(ROWS), one_hot(y, SIZES[-1]), np.ones(ROWS, "f4")),
            None, settings, rng,
            Resources(Listener(epoch=lambda _epoch, _of: ends.append(time.perf_counter()))),
        )  # fmt: skip
    print("seconds", (ends[-1] - ends[1]) / EPOCHS)


def epoch_products() -> None:
    """Do the matrix products of an epoch and nothing else: Z1, Z2, dW2, the delta before, dW1."""
    X, _ = _examples()
    batches = [X[start : start + BATCH] for start in range(0, ROWS, BATCH)]
    W1, W2 = np.full((256, 300), 0.01, np.float32), np.full((4, 256), 0.01, np.float32)
    Z1, Z2, before = np.empty((BATCH, 256), "f4"), np.empty((BATCH, 4), "f4"), np.empty((BATCH, 256), "f4")
    dW1, dW2 = np.empty_like(W1), np.empty_like(W2)
    begin = 0.0
    for number in range(EPOCHS + 1):
        if number == 1:
            begin = time.perf_counter()
        for A in batches:
            n = len(A)
            np.matmul(A, W1.T, out=Z1[:n])
            np.matmul(Z1[:n], W2.T, out=Z2[:n])
            np.matmul(Z2[:n].T, Z1[:n], out=dW2)
            np.matmul(Z2[:n], W2, out=before[:n])
            np.matmul(before[:n].T, A, out=dW1)
    print("seconds", (time.perf_counter() - begin) / EPOCHS)


def epoch_sklearn() -> None:
    """Train the same network with scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    X, y = _examples()
    network = MLPClassifier((SIZES[1],), batch_size=BATCH, alpha=0.0)
    network.partial_fit(X, y, classes=np.arange(SIZES[-1]))
    begin = time.perf_counter()
    for _ in range(EPOCHS):
        network.partial_fit(X, y)
    print("seconds", (time.perf_counter() - begin) / EPOCHS)


def epoch_torch() -> None:
    """Train the same network with PyTorch, 2 threads."""
    import torch

    torch.set_num_threads(2)
    X, y = map(torch.from_numpy, _examples())
    network = torch.nn.Sequential(torch.nn.Linear(*SIZES[:2]), torch.nn.ReLU(), torch.nn.Linear(*SIZES[1:]))
    optimizer, loss = torch.optim.Adam(network.parameters()), torch.nn.CrossEntropyLoss()
    begin = 0.0
    for number in range(EPOCHS + 1):
        if number == 1:
            begin = time.perf_counter()
        for rows in torch.randperm(ROWS).split(BATCH):
            optimizer.zero_grad()
            loss(network(X[rows]), y[rows]).backward()
            optimizer.step()
    print("seconds", (time.perf_counter() - begin) / EPOCHS)


PARTS = {
    "fasttext-train": fasttext_train,
    "fasttext-pretrained": fasttext_pretrained,
    "write-starter": write_starter,
    "fasttext-label": fasttext_label,
    "svm": svm,
    "write-vectors": write_vectors,
    "gensim": gensim,
    "open-vectors": open_vectors,
    "epoch": epoch,
    "epoch-products": epoch_products,
    "epoch-sklearn": epoch_sklearn,
    "epoch-torch": epoch_torch,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](*sys.argv[2:])

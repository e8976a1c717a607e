"""Accuracy of `textclf tune` beside fastText's automatic tuning, each given the same seconds, one after the other.

    python benchmarks/tuning.py --data DIR [SET] [--duration 300] [--seed 1]

DIR holds a folder for each set, with train.csv and test.csv. textclf gets the table and no option but the time.
fastText is tuned on a tenth of each class of the training rows, and trained on the others; its texts are cut into
lower-case tokens, as in the other comparisons; now and then it ends with "Encountered NaN", or does not end: run it
again, perhaps with another seed. Test rows are only measured. Needs the packages of the extras `bench`
and `tune`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import fasttext
import numpy as np
from peers import read, tokens
from sklearn.model_selection import train_test_split


def textclf_tuned(folder: Path, duration: int, seed: int, place: Path) -> float:
    """Return the accuracy on test of the model that `textclf tune` finds."""
    model = str(place / "model.safetensors")
    command = [sys.executable, "-m", "textclf"]
    options = ["--duration", str(duration), "--seed", str(seed), "--quiet"]
    subprocess.run([*command, "tune", str(folder / "train.csv"), "-o", model, *options], check=True)
    evaluate = [*command, "evaluate", model, str(folder / "test.csv"), "--json"]
    found = json.loads(subprocess.run(evaluate, check=True, capture_output=True, text=True).stdout)
    return float(found["accuracy"])


def fasttext_tuned(folder: Path, duration: int, seed: int, place: Path) -> tuple[float, str]:
    """Return the accuracy on test of the model that fastText's automatic tuning finds, and its settings."""
    texts, labels = read(folder / "train.csv")
    names = sorted(set(labels))
    rows = train_test_split(np.arange(len(texts)), test_size=0.1, stratify=labels, random_state=seed)
    for name, part in zip(("train.txt", "valid.txt"), rows, strict=True):
        lines = [f"__label__{names.index(labels[i])} {' '.join(tokens(texts[i]))}\n" for i in part]
        (place / name).write_text("".join(lines), "utf-8")
    model = fasttext.train_supervised(
        str(place / "train.txt"), autotuneValidationFile=str(place / "valid.txt"), autotuneDuration=duration,
        thread=2, seed=seed, verbose=0,
    )  # fmt: skip
    wanted, truth = read(folder / "test.csv")
    # Its Python wrapper fails with NumPy 2; what lies below does not.
    answers = [model.f.predict(" ".join(tokens(text)) + "\n", 1, 0.0, "strict") for text in wanted]
    found = [names[int(answer[0][1].removeprefix("__label__"))] if answer else names[0] for answer in answers]
    chosen = model.f.getArgs()
    said = f"lr {chosen.lr:.3g}, dim {chosen.dim}, epoch {chosen.epoch}, wordNgrams {chosen.wordNgrams}"
    return float(np.mean([a == b for a, b in zip(found, truth, strict=True)])), (
        f"{said}, minn {chosen.minn}, maxn {chosen.maxn}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Tune both, and print what each reached."""
    parser = argparse.ArgumentParser(description="textclf tune beside fastText's automatic tuning.")
    parser.add_argument("set", nargs="?", default="sst2")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--duration", type=int, default=300, help="seconds for each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    folder = given.data / given.set
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        accuracy = textclf_tuned(folder, given.duration, given.seed, Path(place))
        took = time.perf_counter() - began
        print(f"{given.set}  textclf tune       {accuracy:.4f}  {took:.0f} s", flush=True)
        began = time.perf_counter()
        accuracy, chosen = fasttext_tuned(folder, given.duration, given.seed, Path(place))
        took = time.perf_counter() - began
        print(f"{given.set}  fastText autotune  {accuracy:.4f}  {took:.0f} s  {chosen}")


if __name__ == "__main__":
    main()

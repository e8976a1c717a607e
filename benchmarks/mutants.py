"""Damage valid files in thousands of ways, read each, and count what was refused, read the same, or read otherwise.

    python benchmarks/mutants.py                     4,000 mutants of each of eight formats
    python benchmarks/mutants.py --count 100 csv gz  fewer, of some

Children read the mutants, many each, so that this process survives whatever happens to them. A mutant is made by its
number and the seed alone. The exit code is 1 when anything raised an error that is not for people, ended a child, took
over ten seconds, or was read otherwise where a checksum forbids it (safetensors, gz).
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

FORMATS = ("vec", "bin", "gz", "csv", "jsonl", "parquet", "xlsx", "safetensors")
CHECKED = ("gz", "safetensors")
SLOW = 10.0
MEMORY = 6 << 30
ROWS = 60


def sample(kind: str, folder: Path) -> Path:
    """Write a small valid file of the kind and return its path."""
    rng = np.random.default_rng(0)
    path = folder / f"sample.{'bin.gz' if kind == 'gz' else kind}"
    if kind in ("vec", "bin", "gz"):
        from textclf.vectors import save_word2vec
        from textclf.vectors.word_vectors import WordVectors

        words = ["the", "naïve", "好", *(f"word{number}" for number in range(40))]
        matrix = rng.normal(size=(len(words), 8)).astype(np.float32)
        if kind == "vec":
            rows = (" ".join([word, *map(repr, row.tolist())]) for word, row in zip(words, matrix, strict=True))
            path.write_text("\n".join([f"{len(words)} 8", *rows, ""]), "utf-8")
        else:
            save_word2vec(WordVectors(words, matrix, "sample", "0" * 64, "word2vec binary"), path)
        return path
    texts = [f"Row {i}, {'naïve' if i % 3 else 'good'}{' said “so”' * (i % 2)}" for i in range(ROWS)]
    labels = [("01", "no")[i % 2] for i in range(ROWS)]
    if kind == "csv":
        quoted = (f'"{text}",{label}' for text, label in zip(texts, labels, strict=True))
        path.write_text("\n".join(["text,label", *quoted, ""]), "utf-8")
    elif kind == "jsonl":
        rows = ({"text": text, "label": label} for text, label in zip(texts, labels, strict=True))
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    elif kind == "parquet":
        import polars as pl

        pl.DataFrame({"text": texts, "label": labels}).write_parquet(path)
    elif kind == "xlsx":
        import xlsxwriter

        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate([("text", "label"), *zip(texts, labels, strict=True)]):
                sheet.write_row(number, 0, row)
    else:
        from textclf.settings import Settings
        from textclf.training.train import LabelledTexts, train

        settings = Settings(
            vectors="none", dimension=4, optimizer="sgd", epochs=1, char_ngrams=(0, 0), pattern_ngrams=2
        )
        train(LabelledTexts(texts, labels), settings, None).model.save(path)
    return path


def read(kind: str, path: Path) -> str:
    """Read a file as the commands do and return a digest of all that was read."""
    digest = hashlib.sha256()
    if kind in ("vec", "bin", "gz"):
        from textclf.vectors import open_vectors

        vectors = open_vectors(path, cache=False)
        digest.update(repr(list(vectors.words)).encode() + np.asarray(vectors.matrix).tobytes())
    elif kind == "safetensors":
        from textclf.model.model import Model

        model = Model.load(path)
        digest.update(repr([model.labels, list(model.words), model.card, model.temperature]).encode())
        digest.update(model.E.tobytes() + model.U.tobytes() + model.network.theta.tobytes())
    else:
        from textclf.tables import TableOptions, read_examples

        table = read_examples(path, TableOptions(text_column="text", label_column="label"))
        digest.update(repr([table.texts, table.labels]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def mutant(content: bytes, seed: int, number: int) -> bytes:
    """Return the content damaged in one to three places, never as it was."""
    rng = np.random.default_rng((seed, number))
    damaged = bytearray(content)
    while damaged == content:
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(damaged))) if damaged else 0
            many = int(rng.integers(1, 20))
            kind = int(rng.integers(8))
            if kind == 0 and damaged:
                damaged[at] ^= 1 << int(rng.integers(8))
            elif kind == 1 and damaged:
                damaged[at] = int(rng.integers(256))
            elif kind == 2:
                damaged[at:at] = rng.bytes(many)
            elif kind == 3:
                del damaged[at : at + many]
            elif kind == 4:
                del damaged[at:]
            elif kind == 5:
                damaged[at : at + many] = bytes(len(damaged[at : at + many]))
            elif kind == 6:
                damaged[at:at] = damaged[at : at + many]
            else:
                other = int(rng.integers(len(damaged))) if damaged else 0
                damaged[at : at + many] = damaged[other : other + many]
    return bytes(damaged)


def child(kind: str, sample_path: Path, seed: int, numbers: range) -> None:
    """Read the mutants of these numbers and write one line for each: its number and what became of it."""
    import time

    from textclf.errors import TextclfError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if kind in ("parquet", "xlsx"):
        _read_in_this_process()
    content, wanted = sample_path.read_bytes(), read(kind, sample_path)
    for number in numbers:
        path = sample_path.with_name(f"mutant-{number}{''.join(sample_path.suffixes)}")
        path.write_bytes(mutant(content, seed, number))
        began = time.perf_counter()
        try:
            outcome = "same" if read(kind, path) == wanted else "otherwise"
        except TextclfError as error:
            outcome = "refused" if "\n" not in str(error) else "refused in several lines"
        except MemoryError:
            outcome = "out of memory"
        except Exception as error:
            outcome = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        if time.perf_counter() - began > SLOW:
            outcome = "slow"
        path.unlink()
        print(number, outcome, flush=True)


def _read_in_this_process() -> None:
    """Let the program that reads Parquet and Excel run here: this is a child already, and starting one takes long."""
    from textclf.errors import DataError
    from textclf.tables import excel, parquet, reader_child

    def run(_: Path, arguments: list[str], path: Path, **settings: str) -> None:
        if reader_child.main([*arguments, str(MEMORY), "0", sys.path[-1]]):
            raise DataError(f"{path}: damaged")

    reader_child._set_limits = lambda *_: None
    parquet.run_child = excel.run_child = run


def counted(kind: str, folder: Path, seed: int, count: int) -> Counter[str]:
    """Read the mutants in children, a new one after each that dies; return how often each outcome came."""
    path, outcomes, done = sample(kind, folder), Counter(), 0
    while done < count:
        command = [sys.executable, __file__, "--child", str(path), "--seed", str(seed), "--first", str(done)]
        with subprocess.Popen(
            [*command, "--count", str(count), kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            for line in process.stdout:
                number, _, outcome = line.strip().partition(" ")
                outcomes[outcome] += 1
                done = int(number) + 1
        if process.returncode and done < count:
            outcomes["child died"] += 1
            print(f"{kind}: mutant {done} ended its child with code {process.returncode}", file=sys.stderr)
            done += 1
    return outcomes


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--count", type=int, default=4000, help="mutants of each format (default 4000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.formats[0], given.child, given.seed, range(given.first, given.count))
        return 0
    harmless, failed = {"same", "refused", "otherwise"}, False
    print("| format | mutants | refused | read the same | read otherwise | anything else |\n|---|---|---|---|---|---|")
    for kind in given.formats:
        with tempfile.TemporaryDirectory() as folder:
            outcomes = counted(kind, Path(folder), given.seed, given.count)
        others = {outcome: times for outcome, times in outcomes.items() if outcome not in harmless}
        failed |= bool(others or (kind in CHECKED and outcomes["otherwise"]))
        said = "; ".join(f"{times} × {outcome}" for outcome, times in others.items()) or "0"
        figures = (outcomes[name] for name in ("refused", "same", "otherwise"))
        print(f"| {kind} | {outcomes.total():,} | {' | '.join(f'{n:,}' for n in figures)} | {said} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

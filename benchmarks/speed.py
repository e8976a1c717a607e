"""Speed of textclf beside its peers: each comparison in alternating pairs of whole processes, medians and ratios.

    python benchmarks/speed.py --data DIR [NAME…] [--pairs 5] [--peer-python PYTHON] [--torch-python PYTHON]
        [--json speed.json]

DIR is the folder of the sets that accuracy.py takes, with ag_news/test.csv and imdb/train.csv. PYTHON is an interpreter
that has the peers' packages (fasttext, scikit-learn, gensim, torch; the last is large, so another interpreter may have
it); a peer that fails to run is left out. Peak memory
and processor time are those of the child process. `--scaling` measures how cost grows instead.
"""

import argparse
import csv
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

CHILDREN = Path(__file__).with_name("speed_children.py")


@dataclass(frozen=True)
class Run:
    """One process: seconds on the clock (of the work alone, if it says so itself), of the processor, and peak MB."""

    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Comparison:
    """What one of our commands is held against, and the ratio of times that is wanted (ours by the peer's)."""

    name: str
    ours: list[str]
    peers: dict[str, list[str]]
    wanted: float | dict[str, float]
    """For all peers, or for each."""
    before: Callable[[], object] = lambda: None
    """Done before each of our runs; not measured."""


@dataclass(frozen=True)
class Result:
    """Medians over the pairs, and the ratios of ours to the peer's."""

    name: str
    peer: str
    ours: Run
    theirs: Run
    ratio: float
    cpu_ratio: float
    wanted: float


class Failed(Exception):  # noqa: N818 -- what it says is read by a person
    """A process did not end well."""


def run(command: Sequence[str]) -> Run:
    """Run one process to its end and return what it cost."""
    # As installed packages are: with their modules compiled.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise Failed(err.read().decode(errors="replace").strip().rsplit("\n", 1)[-1])
        said = out.read(100)
    if said.startswith(b"seconds "):
        seconds = float(said.split()[1])
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(*(statistics.median(getattr(each, name) for each in runs) for name in ("seconds", "cpu", "peak")))


def compare(comparison: Comparison, pairs: int) -> list[Result]:
    """Run ours and the peers in turn: once uncounted, then `pairs` times."""
    contestants = {"": comparison.ours, **comparison.peers}
    runs: dict[str, list[Run]] = {}
    for round_ in range(pairs + 1):
        for name, command in list(contestants.items()):
            if not name:
                comparison.before()
            try:
                found = run(command)
            except Failed as failed:
                print(f"{comparison.name}: {name or 'textclf'} is left out: {failed}", file=sys.stderr)
                del contestants[name]
                continue
            if round_:
                runs.setdefault(name, []).append(found)
    if "" not in contestants:
        return []
    ours = median(runs[""])
    results = []
    for name in list(contestants)[1:]:
        theirs = median(runs[name])
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(runs[""], runs[name], strict=True))
        wanted = comparison.wanted if isinstance(comparison.wanted, float) else comparison.wanted[name]
        results.append(Result(comparison.name, name, ours, theirs, ratio, ours.cpu / theirs.cpu, wanted))
    return results


# --- what is compared -----------------------------------------------------------------------------------------------


def repeat_rows(source: Path, target: Path, count: int, columns: Sequence[str] = ("text",)) -> Path:
    """Write these columns of `count` rows: those of `source`, from the first on again and again."""
    with source.open(encoding="utf-8", newline="") as stream:
        found = [[row[column] for column in columns] for row in csv.DictReader(stream)]
    with target.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(islice(cycle(found), count))
    return target


def textclf(*arguments: object) -> list[str]:
    """Return a command of textclf."""
    return [sys.executable, "-m", "textclf", *map(str, arguments)]


def child(python: str, *arguments: object) -> list[str]:
    """Return a command of the peers' program."""
    return [python, str(CHILDREN), *map(str, arguments)]


def labelling(data: Path, work: Path, python: str, rows: int) -> Comparison:
    """CSV in, labelled CSV out, both trained on the same rows."""
    source, table = data / "ag_news" / "test.csv", work / f"rows-{rows}.csv"
    model = work / "ag.safetensors"
    if not model.exists():
        run(textclf("train", source, "-o", model, "--quiet"))
    peers = {}
    for name, longest in (("fastText", 0), ("fastText with n-grams of characters", 5)):
        fast = work / f"ag{longest}.bin"
        try:
            if not fast.exists():
                run(child(python, "fasttext-train", source, fast, longest))
            peers[name] = child(python, "fasttext-label", fast, table, work / "peer.csv")
        except Failed as failed:
            print(f"{name} is left out: {failed}", file=sys.stderr)
    ours = textclf("predict", model, "-i", repeat_rows(source, table, rows), "-o", work / "ours.csv", "--quiet")
    return Comparison(f"label {rows:,} rows", ours, peers, 0.6 if rows > _MANY_ROWS else 0.8)


_MANY_ROWS = 100_000


def sentence(data: Path, work: Path) -> Comparison:
    """One sentence, whole process, against the start of Python with NumPy."""
    model = work / "ag.safetensors"
    if not model.exists():
        run(textclf("train", data / "ag_news" / "test.csv", "-o", model, "--quiet"))
    ours = textclf("predict", model, "Oil prices rise again")
    return Comparison("label a sentence", ours, {"import numpy": [sys.executable, "-c", "import numpy"]}, 2.2)


def vectors(work: Path, python: str, *, first: bool) -> Comparison:
    """Open a vectors file through the cache, empty or not, against gensim reading the binary."""
    path = work / "vectors.bin"
    if not path.exists():
        # In a process of its own: what a child is said to have needed begins with what its parent has.
        run(child(sys.executable, "write-vectors", path))
    name = "first use of vectors" if first else "second use of vectors"
    clear = textclf("vectors", "cache", "clear")
    return Comparison(
        name,
        child(sys.executable, "open-vectors", path),
        {"gensim": child(python, "gensim", path)},
        1.3 if first else 0.1,
        (lambda: run(clear)) if first else (lambda: None),
    )


def epoch(python: str, torch_python: str) -> Comparison:
    """One epoch of a 300–256–4 network on 50,000 rows, batch 256, Adam."""
    peers = {
        "bare products": child(sys.executable, "epoch-products"),
        "MLPClassifier": child(python, "epoch-sklearn"),
        "PyTorch": child(torch_python, "epoch-torch"),
    }
    wanted = {"bare products": 1 / 0.75, "MLPClassifier": 0.6, "PyTorch": 0.65}
    return Comparison("epoch", child(sys.executable, "epoch"), peers, wanted)


def training(data: Path, work: Path, python: str) -> Comparison:
    """CSV to model on IMDB."""
    source = data / "imdb" / "train.csv"
    peers = {
        "fastText": child(python, "fasttext-train", source, work / "imdb.bin", 0),
        "TF-IDF + LinearSVC": child(python, "svm", source),
    }
    wanted = {"fastText": 0.6, "TF-IDF + LinearSVC": 0.25}
    return Comparison("train on IMDB", textclf("train", source, "-o", work / "imdb.safetensors", "-q"), peers, wanted)


def training_with_vectors(data: Path, work: Path, python: str) -> list[Comparison]:
    """CSV to model on short texts, both with the starter vectors, word pairs and sub-words."""
    vectors = work / "starter.vec"
    if not vectors.exists():
        run(child(sys.executable, "write-starter", vectors))
    return [
        Comparison(
            f"train on {name}",
            textclf("train", data / name / "train.csv", "-o", work / f"{name}.safetensors", "-q"),
            {
                "fastText with vectors": child(
                    python, "fasttext-pretrained", data / name / "train.csv", vectors, work / f"{name}.bin"
                )
            },
            0.8,
        )
        for name in ("sst2", "banking77")
    ]


def growing_tables(source: Path, work: Path) -> list[tuple[str, list[Path], int]]:
    """Write pairs of tables, one ten times as long; give each pair its name and how many words the longer has more.

    Of different sentences, and of the same again: these four and forty times, so that each n-gram stands in both tables
    often enough to be kept, and both tables fill what room is given to any.
    """
    different = {count: work / f"{count}.csv" for count in _GROWING}
    sentences_of_reviews(source, different)
    few, many = different.values()
    columns, rows = ("text", "label"), _GROWING[0]
    again = [repeat_rows(few, work / f"{times}-times.csv", times * rows, columns) for times in (4, 40)]
    pairs = []
    for name, tables in (("different sentences", [few, many]), ("the same again", again)):
        fewer, more = (len(re.findall(r"[\w']+", table.read_text("utf-8"))) for table in tables)
        pairs.append((name, tables, more - fewer))
    return pairs


def sentences_of_reviews(source: Path, targets: dict[int, Path]) -> None:
    """Write tables of so many different sentences each, of IMDB's reviews and with their labels."""
    with source.open(encoding="utf-8", newline="") as stream:
        found = {
            sentence.strip(): row["label"]
            for row in csv.DictReader(stream)
            for sentence in re.split(r"(?<=[.!?])\s+|<br\s*/?>", row["text"])
            if len(sentence) > _LEAST_CHARACTERS
        }
    drawn = random.Random(0).sample(sorted(found.items()), max(targets))
    for count, target in targets.items():
        with target.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([("text", "label"), *drawn[:count]])


_LEAST_CHARACTERS = 20


def training_grows(data: Path, work: Path) -> str:
    """Train on ten times as many sentences, with and without n-grams of characters.

    Return a Markdown table: the factor of time, peak memory, and its growth in bytes for each further word.
    """
    lines = [
        "| ten times | options | time | processor time | MB, few rows | MB, ten times | bytes a word |",
        "|---|---|---|---|---|---|---|",
    ]
    # Apart, for what this process has in memory when it starts a training would count as the training's.
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        pairs = apart.submit(growing_tables, data / "imdb" / "train.csv", work).result()
    # The first use of the starter vectors converts them, with gensim, which takes more memory than any of this.
    run(textclf("train", pairs[0][1][0], "-o", work / "grown", "-q"))
    for name, tables, further in pairs:
        for options in ((), ("--recipe", "fast")):
            one, ten = (run(textclf("train", table, "-o", work / "grown", "-q", *options)) for table in tables)
            bytes_a_word = (ten.peak - one.peak) * 2**20 / further
            lines.append(
                f"| {name} | {' '.join(options) or 'plain'} | {ten.seconds / one.seconds:.1f} "
                f"| {ten.cpu / one.cpu:.1f} | {one.peak:.0f} | {ten.peak:.0f} | {bytes_a_word:.0f} |"
            )
    return "\n".join(lines)


_GROWING = (12_000, 120_000)


NAMES = ("sentence", "vectors", "epoch", "label", "label-100k", "train", "train-vectors")


def comparisons(name: str, data: Path, work: Path, python: str, torch_python: str) -> list[Comparison]:
    """Return the comparisons of one name."""
    makers: dict[str, Callable[[], list[Comparison]]] = {
        "sentence": lambda: [sentence(data, work)],
        "vectors": lambda: [vectors(work, python, first=True), vectors(work, python, first=False)],
        "epoch": lambda: [epoch(python, torch_python)],
        "label": lambda: [labelling(data, work, python, 1_000_000)],
        "label-100k": lambda: [labelling(data, work, python, 100_000)],
        "train": lambda: [training(data, work, python)],
        "train-vectors": lambda: training_with_vectors(data, work, python),
    }
    return makers[name]()


# --- how cost grows -------------------------------------------------------------------------------------------------


def scaling(work: Path) -> str:
    """Train and label made-up tables that differ in one thing at a time; return a Markdown table."""
    base = {"rows": 4_000, "classes": 4, "words": 5_000, "length": 20}
    grown = {"rows": 16_000, "classes": 16, "words": 20_000, "length": 80}
    lines = ["| | train, s | cpu s | MB | label, s | cpu s | MB |", "|---|---|---|---|---|---|---|"]
    for name in ("", *base):
        sizes = base | ({name: grown[name]} if name else {})
        table = made_up(work / "made-up.csv", **sizes)
        model = work / "made-up.safetensors"
        train = run(textclf("train", table, "-o", model, "-q", "--vectors", "none"))
        label = run(textclf("predict", model, "-i", table, "-o", work / "labelled.csv", "-q"))
        what = f"{base[name]:,} to {grown[name]:,} {name}" if name else ", ".join(f"{v:,} {k}" for k, v in base.items())
        cells = [f"{r.seconds:.1f} | {r.cpu:.1f} | {r.peak:.0f}" for r in (train, label)]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def made_up(path: Path, rows: int, classes: int, words: int, length: int) -> Path:
    """Write a table whose texts are random words, the rarer the higher their number, leaning towards their class."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text,label\n")
        for number in range(rows):
            places = (words ** rng.random(length)).astype(int)
            leaning = places - places % classes + number % classes
            chosen = np.where(rng.random(length) < 0.3, leaning, places)
            stream.write(" ".join(f"w{word * 7919 % 100_003}" for word in chosen.tolist()) + f",c{number % classes}\n")
    return path


# --- the program ----------------------------------------------------------------------------------------------------


def machine() -> str:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model or platform.processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}"
    )


def report(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    head = "| what | against | ours / theirs | wanted | processor time | our peak, MB | theirs |"
    rows = [
        f"| {r.name} | {r.peer} | {r.ratio:.2f} | {r.wanted:.2f} | {r.cpu_ratio:.2f} "
        f"| {r.ours.peak:.0f} | {r.theirs.peak:.0f} |"
        for r in results
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Speed of textclf beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--torch-python", metavar="PYTHON", help="for PyTorch; default: as --peer-python")
    parser.add_argument("--scaling", action="store_true", help="measure how cost grows instead")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no comparison {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    torch_python = options.torch_python or options.peer_python
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        work = Path(folder)
        os.environ["TEXTCLF_CACHE_DIR"] = str(work / "cache")
        print(machine())
        if options.scaling:
            print(f"{scaling(work)}\n\n{training_grows(options.data, work)}")
            return
        results: list[Result] = []
        for name in options.names or NAMES:
            for comparison in comparisons(name, options.data, work, options.peer_python, torch_python):
                results += compare(comparison, options.pairs)
                print(report(results[-3:]), file=sys.stderr)
    print(report(results))
    if options.json:
        content = {"machine": machine(), "pairs": options.pairs, "results": [asdict(r) for r in results]}
        options.json.write_text(json.dumps(content, indent=1), "utf-8")


if __name__ == "__main__":
    main()

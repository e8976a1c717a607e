"""Many files on several processes beside one: labels, losses, rows a second; and a simulation of more of them.

    python benchmarks/scale.py label --data DIR [--rows 2000000]
    python benchmarks/scale.py train --data DIR
    python benchmarks/scale.py simulate [--rows 100000000]

Figures are of whole commands, run in turn, and ratios of them; the memory is the most that one process had resident.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHARDS = 40
TEXTCLF = [sys.executable, "-m", "textclf"]


@dataclass(frozen=True)
class Ran:
    """How long a command took, and the most memory that one of its processes had, in bytes."""

    seconds: float
    peak: int


def run(arguments: Sequence[str]) -> Ran:
    """Run a command of textclf in a session of its own and watch the processes of that session."""
    start = time.perf_counter()
    process = subprocess.Popen([*TEXTCLF, *arguments], start_new_session=True)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max([peak, *_resident(process.pid)])

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"{arguments}: exit code {code}")
    return Ran(time.perf_counter() - start, peak)


def _resident(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[3]) == session:
                found.append(int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        except OSError:
            continue
    return found


# --- labelling -----------------------------------------------------------------------------------------------------


def label(data: Path, rows: int) -> None:
    """Label Parquet shards in one process, with one worker and with two."""
    import polars as pl

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        test = data / "ag_news" / "test.csv"
        model = folder / "model.safetensors"
        run(["train", str(test), "-o", str(model), "--quiet"])
        texts = pl.read_csv(test, infer_schema=False)["text"]
        (folder / "in").mkdir()
        each = rows // SHARDS
        for number in range(SHARDS):
            taken = (np.arange(each) + number * each) % len(texts)
            part = pl.DataFrame({"id": np.arange(each) + number * each, "text": texts[taken]})
            part.write_parquet(folder / "in" / f"part-{number:03}.parquet")
        ran = {
            name: run(["predict", str(model), "-i", str(folder / "in"), "-o", str(folder / name), "--quiet", *more])
            for name, more in [("one process", []), ("1 worker", ["--workers", "1"]), ("2 workers", ["--workers", "2"])]
        }
        digests = {name: _digests(folder / name) for name in ran}
        same = all(found == digests["one process"] for found in digests.values())
        print(f"{rows:,} rows in {SHARDS} files; all outputs the same: {same}")
        for name, each_ran in ran.items():
            ratio = ran["1 worker"].seconds / each_ran.seconds
            print(f"{name:12} {ratio:5.2f}× the rows a second of 1 worker   peak {each_ran.peak / 1e6:,.0f} MB")
        _stopped(model, folder)


def _digests(folder: Path) -> dict[str, str]:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return {entry["output"]: entry["sha256"] for entry in manifest["files"]}


def _stopped(model: Path, folder: Path) -> None:
    """Kill the whole run half-way, start it again, and count the rows."""
    command = [
        *TEXTCLF,
        "predict",
        str(model),
        "-i",
        str(folder / "in"),
        "-o",
        str(folder / "stopped"),
        "--workers",
        "2",
    ]
    process = subprocess.Popen([*command, "--quiet"], start_new_session=True)
    while len(list((folder / "stopped").glob("*.parquet"))) < SHARDS // 4:
        time.sleep(0.1)
    os.killpg(process.pid, 9)
    process.wait()
    finished = len(list((folder / "stopped").glob("*.parquet")))
    run(command[3:])
    same = _digests(folder / "stopped") == _digests(folder / "one process")
    print(f"killed after {finished} of {SHARDS} files and started again: outputs the same as of one process: {same}")


# --- training ------------------------------------------------------------------------------------------------------


def train(data: Path) -> None:
    """Train on IMDB in one process, and on eight uneven files with two workers, in both ways."""
    source, test = data / "imdb" / "train.csv", data / "imdb" / "test.csv"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with source.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        shares = np.array([1, 2, 3, 4, 6, 8, 12, 14], np.float64)
        cuts = [0, *np.round(np.cumsum(shares / shares.sum()) * len(rows)).astype(int).tolist()]
        (folder / "in").mkdir()
        for number in range(8):
            with (folder / "in" / f"part-{number}.csv").open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows([header, *rows[cuts[number] : cuts[number + 1]]])
        fixed = ["--l2", "0.15", "--valid-fraction", "0", "--quiet"]
        many = [str(folder / "in"), *fixed, "--workers", "2"]
        kinds = {
            "one process": [str(source), *fixed],
            "every step": many,
            "now and then": [*many, "--averaging", "now and then"],
        }
        base = None
        for name, arguments in kinds.items():
            model = folder / f"{name}.safetensors"
            ran = run(["train", arguments[0], "-o", str(model), *arguments[1:]])
            loss, accuracy = _last_loss(model), _accuracy(model, test)
            base = base or (ran.seconds, loss)
            print(
                f"{name:12} loss {loss:.6f} ({loss - base[1]:+.6f})   accuracy {accuracy:.4f}"
                f"   {ran.seconds / base[0]:.2f}× the time of one process   peak {ran.peak / 1e6:,.0f} MB"
            )


def _last_loss(model: Path) -> float:
    from textclf.model import Model

    return float(Model.load(model).description["history"][-1]["loss"])


def _accuracy(model: Path, test: Path) -> float:
    command = [*TEXTCLF, "evaluate", str(model), str(test), "--json", "--quiet"]
    said = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    return float(json.loads(said)["accuracy"])


# --- a simulation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What training costs: seconds a row and step, bytes that go each way and step, steps in all; and the network.

    `spread`: how differently workers fare at a step, the standard deviation of the logarithm of their time.
    """

    seconds_a_row: float = 12e-6
    bytes_each_way: float = 8e6
    steps: int = 25
    overhead: float = 0.012
    spread: float = 0.1


def step_seconds(costs: Costs, rows: int, workers: int, *, latency: float, bandwidth: float, local: int = 1) -> float:
    """Return the mean seconds a step of `workers`, who exchange after each `local` steps; all goes through one machine.

    Parameters go to every worker, gradients come from every worker, and the machine that adds them up has one link. A
    step is as slow as its slowest worker.
    """
    rng = np.random.default_rng(1)
    slowest = np.exp(rng.normal(0.0, costs.spread, (400, workers))).max(axis=1).mean()
    work = rows / workers * costs.seconds_a_row * slowest
    exchange = costs.overhead + 2 * latency + 2 * workers * costs.bytes_each_way / bandwidth
    return float(work + exchange / local)


def simulate(rows: int) -> None:
    """Print how many times faster training gets with more workers."""
    costs = Costs()
    networks = {"10 Gb/s, 0.1 ms": (1e-4, 1.25e9), "1 Gb/s, 0.5 ms": (5e-4, 1.25e8)}
    print(f"{rows:,} rows; {costs}")
    for name, (latency, bandwidth) in networks.items():
        for local in (1, 8):
            seconds = {
                workers: step_seconds(costs, rows, workers, latency=latency, bandwidth=bandwidth, local=local)
                for workers in (1, 2, 4, 8, 16, 32, 64, 128, 256)
            }
            faster = "   ".join(f"{workers}: {seconds[1] / each:.1f}" for workers, each in seconds.items())
            print(f"{name}, exchange every {local} steps   {faster}")


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["label", "train", "simulate"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int)
    chosen = parser.parse_args()
    if chosen.what == "simulate":
        simulate(chosen.rows or 100_000_000)
    elif chosen.data is None:
        parser.error("give --data DIR")
    elif chosen.what == "label":
        label(chosen.data, chosen.rows or 2_000_000)
    else:
        train(chosen.data)


if __name__ == "__main__":
    main()

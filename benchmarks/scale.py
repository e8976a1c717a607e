"""Many files on several processes beside one: labels, losses, rows a second, what is left when processes are killed.

    python benchmarks/scale.py label --data DIR [--rows 2000000] [--folder DIR] [--way "2 workers" …]
    python benchmarks/scale.py train --data DIR

Figures are of whole commands, run in turn, and ratios of them; the memory is the most that one process had resident.
"""

import argparse
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

SHARDS = 40
WAYS = {"one process": [], "1 worker": ["--workers", "1"], "2 workers": ["--workers", "2"]}
TEXTCLF = [sys.executable, "-m", "textclf"]


@dataclass(frozen=True)
class Ran:
    """How long a command took, the processor time of all its processes, and the most memory, in bytes, of one."""

    seconds: float
    processor: float
    peak: int


def run(arguments: Sequence[str]) -> Ran:
    """Run a command of textclf in a session of its own and watch the processes of that session."""
    start, before = time.perf_counter(), _processor_seconds()
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
    return Ran(time.perf_counter() - start, _processor_seconds() - before, peak)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(session: int) -> list[int]:
    found = []
    for folder in _processes(session):
        with suppress(OSError):
            found.append(int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    return found


def _processes(session: int) -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[3]) == session:
                found.append(folder)
    return found


def _workers(session: int) -> list[int]:
    """Return the processes of a session that Dask started as workers."""
    return [int(folder.name) for folder in _processes(session) if b"spawn_main" in (folder / "cmdline").read_bytes()]


# --- labelling -----------------------------------------------------------------------------------------------------


def label(data: Path, rows: int, folder: Path, ways: Sequence[str]) -> None:
    """Label Parquet shards in one process, with one worker and with two; or lose a worker, or the whole run.

    What is in the folder already stays, so that each way may be a run of its own; the first must be the one process.
    """
    test, model = data / "ag_news" / "test.csv", folder / "model.safetensors"
    command = ["predict", str(model), "-i", str(folder / "in"), "--quiet", "-o"]
    if not model.exists():
        _write_shards(test, folder / "in", rows)
        run(["train", str(test), "-o", str(model), "--quiet"])
        run([*command, str(folder / "first"), "-i", str(folder / "in" / "part-000.parquet")])  # compiles, once for all
    size = sum(path.stat().st_size for path in (folder / "in").iterdir())
    print(f"{rows:,} rows in {SHARDS} files, {size / rows:.0f} bytes a row")
    kills = {"lost": _lost, "stopped": _stopped}
    for way in ways:
        if way in kills:
            kills[way](command, folder, rows)
            continue
        ran = run([*command, str(folder / way), *WAYS[way]])
        busy, each = ran.processor / ran.seconds, ran.processor / rows * 1e6
        print(
            f"{way:12} {ran.seconds:6.1f} s   {rows / ran.seconds:8,.0f} rows/s   {busy:4.2f} cores busy"
            f"   processor {each:5.1f} us a row   peak {ran.peak / 1e6:,.0f} MB a process"
            f"\n             {_what_came_out(folder, way, rows)}"
        )


def _write_shards(test: Path, folder: Path, rows: int) -> None:
    import polars as pl

    texts = pl.read_csv(test, infer_schema=False)["text"]
    folder.mkdir(parents=True)
    each = rows // SHARDS
    for number in range(SHARDS):
        ids = np.arange(each) + number * each
        part = pl.DataFrame({"id": ids, "text": texts[ids % len(texts)]})
        part.write_parquet(folder / f"part-{number:03}.parquet")


def _digests(folder: Path) -> dict[str, str]:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return {entry["output"]: entry["sha256"] for entry in manifest["files"]}


def _half_way(command: Sequence[str], folder: Path, act: Callable[[int], None]) -> int:
    """Start a run with two workers, act on its session once a quarter of the files is done; return how many were."""
    process = subprocess.Popen([*TEXTCLF, *command, str(folder), "--workers", "2"], start_new_session=True)
    while len(list(folder.glob("*.parquet"))) < SHARDS // 4:
        if process.poll() is not None:
            raise SystemExit(f"{command}: exit code {process.returncode} before a quarter was done")
        time.sleep(0.1)
    act(process.pid)
    finished = len(list(folder.glob("*.parquet")))
    process.wait()
    return finished


def _lost(command: Sequence[str], folder: Path, rows: int) -> None:
    finished = _half_way(command, folder / "lost", lambda session: os.kill(_workers(session)[0], signal.SIGKILL))
    print(f"a worker killed after {finished} of {SHARDS} files: {_what_came_out(folder, 'lost', rows)}")


def _stopped(command: Sequence[str], folder: Path, rows: int) -> None:
    finished = _half_way(command, folder / "stopped", lambda session: os.killpg(session, signal.SIGKILL))
    run([*command, str(folder / "stopped"), "--workers", "2"])
    said = _what_came_out(folder, "stopped", rows)
    print(f"the whole run killed after {finished} of {SHARDS} files and started again: {said}")


def _what_came_out(folder: Path, name: str, rows: int) -> str:
    import polars as pl

    ids = pl.concat([pl.read_parquet(path, columns=["id"]) for path in sorted((folder / name).glob("*.parquet"))])
    once = bool((ids["id"].to_numpy() == np.arange(rows // SHARDS * SHARDS)).all())
    same = _digests(folder / name) == _digests(folder / "one process")
    return f"each of {len(ids):,} rows once and in its place: {once}; outputs the same as of one process: {same}"


# --- training ------------------------------------------------------------------------------------------------------


def train(data: Path) -> None:
    """Train on IMDB in one process, and on eight uneven files with two workers."""
    source, test = data / "imdb" / "train.csv", data / "imdb" / "test.csv"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_uneven_shards(source, folder / "in")
        fixed = ["--l2", "0.15", "--valid-fraction", "0", "--quiet"]
        many = [str(folder / "in"), *fixed, "--workers", "2"]
        kinds = {
            "one process": [str(source), *fixed],
            "two workers": many,
        }
        base = None
        for name, arguments in kinds.items():
            model = folder / f"{name}.safetensors"
            ran = run(["train", arguments[0], "-o", str(model), *arguments[1:]])
            loss, accuracy = _last_loss(model), _accuracy(model, test)
            base = base or (ran, loss)
            print(
                f"{name:12} loss {loss:.6f} ({loss - base[1]:+.6f})   accuracy {accuracy:.4f}   {ran.seconds:.0f} s,"
                f" {ran.seconds / base[0].seconds:.2f}x the time of one process,"
                f" {ran.processor / base[0].processor:.2f}x its processor time,"
                f" peak {ran.peak / 1e6:,.0f} MB a process"
            )


def write_uneven_shards(source: Path, folder: Path) -> None:
    """Cut a table of labelled texts into eight files of 1 to 14 parts of 50."""
    with source.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    shares = np.array([1, 2, 3, 4, 6, 8, 12, 14], np.float64)
    cuts = [0, *np.round(np.cumsum(shares / shares.sum()) * len(rows)).astype(int).tolist()]
    folder.mkdir(parents=True, exist_ok=True)
    for number, (start, stop) in enumerate(pairwise(cuts)):
        with (folder / f"part-{number}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *rows[start:stop]])


def _last_loss(model: Path) -> float:
    from textclf.model.model import Model

    return float(Model.load(model).card.history[-1].loss)


def _accuracy(model: Path, test: Path) -> float:
    command = [*TEXTCLF, "evaluate", str(model), str(test), "--json", "--quiet"]
    said = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    return float(json.loads(said)["accuracy"])


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["label", "train"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where files go, and stay")
    parser.add_argument("--way", action="append", choices=[*WAYS, "lost", "stopped"])
    chosen = parser.parse_args()
    if chosen.what == "train":
        train(chosen.data)
        return
    with tempfile.TemporaryDirectory() as place:
        label(chosen.data, chosen.rows, chosen.folder or Path(place), chosen.way or [*WAYS, "lost", "stopped"])


if __name__ == "__main__":
    main()

"""What a step of training on many machines costs, measured here, and what it would cost with up to 256 workers.

    python benchmarks/scale_training.py measure --data DIR
    python benchmarks/scale_training.py simulate [--rows 100000000] [--parameters 20e6]

`measure` trains on IMDB in eight uneven files: in this process, and with 1 and 2 worker processes. It takes the time of
each step apart (the sums over the rows, what is sent, the coordinator's own work), counts the bytes, and sets beside
each measured step what the simulation makes of these parts.
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scale import write_uneven_shards

from textclf.distributed import Engine, Serial, Shard, TrainedOnFiles, dask_engine, find_shards, train_files
from textclf.distributed.engines import SharedFile
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.tables import TableOptions, open_table
from textclf.training.resources import Listener, Resources
from textclf.vectors import open_vectors

STEPS = 12
EVERYWHERE = ((1e9, 1.0),)
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


# --- the model of a step ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What a step costs, from `measure` on IMDB; of other texts, other numbers.

    `row`: seconds of one core for the sums over a row. `parameters`: how many numbers travel. `own`: seconds of the
    coordinator for each of them, for the step itself. `call`, `task`: seconds to send next to nothing and take it back,
    and of that for each worker. `spread`: the standard deviation of the logarithm of a worker's time at a step.
    """

    row: float = 2.7e-6
    parameters: float = 440e3
    own: float = 23e-9
    call: float = 0.03
    task: float = 0.002
    spread: float = 0.1
    frequencies: tuple[tuple[float, float], ...] = (
        (2, 0.385), (3, 0.162), (5, 0.221), (12, 0.167), (58, 0.056), (497, 0.008),
    )  # fmt: skip
    """In how many texts n-grams stand, and which share of them does so."""


@dataclass(frozen=True)
class Network:
    """Seconds until the first byte, and bytes a second of each machine's link."""

    latency: float
    bandwidth: float


def share_sent(costs: Costs, workers: int) -> float:
    """Return the share of all n-grams that stand in the texts of one of so many workers."""
    return sum(share * (1 - (1 - 1 / workers) ** texts) for texts, share in costs.frequencies)


def step_seconds(costs: Costs, rows: int, workers: int, network: Network) -> float:
    """Return the mean seconds of a step of `workers`.

    Parameters reach the workers from one to the next, doubling; the sums of those n-grams that a worker's texts hold
    come back through the link of one machine, which adds them up. A step is as slow as its slowest worker.
    """
    rng = np.random.default_rng(1)
    slowest = np.exp(rng.normal(0.0, costs.spread, (400, workers))).max(axis=1).mean()
    work = rows / workers * costs.row * slowest
    size = 4 * costs.parameters / network.bandwidth
    out = np.ceil(np.log2(workers + 1)) * (network.latency + size)
    back = network.latency + workers * share_sent(costs, workers) * size
    return float(work + out + back + costs.call + costs.task * workers + costs.own * costs.parameters)


def simulate(rows: int, costs: Costs) -> None:
    """Print how many times faster training gets with more workers."""
    networks = {"10 Gb/s, 0.1 ms": Network(1e-4, 1.25e9), "1 Gb/s, 0.5 ms": Network(5e-4, 1.25e8)}
    everywhere = " of every text" if costs.frequencies == EVERYWHERE else ""
    print(f"{rows:,} rows, {costs.parameters:,.0f} parameters{everywhere}: times as fast as one worker")
    print(f"{'workers':30}" + "".join(f"{workers:>7}" for workers in WORKERS))
    for name, network in networks.items():
        seconds = [step_seconds(costs, rows, workers, network) for workers in WORKERS]
        print(f"{name:30}" + "".join(f"{seconds[0] / each:7.1f}" for each in seconds))
    seconds = [step_seconds(costs, rows, workers, networks["10 Gb/s, 0.1 ms"]) for workers in WORKERS]
    print(f"{'seconds a step, first row':30}" + "".join(f"{each:7.2f}" for each in seconds))


# --- what it is made of, measured here -------------------------------------------------------------------------------


@dataclass
class Watched:
    """An engine, watched at the calls for gradients: this process's time for them, and the bytes of what is sent."""

    engine: Engine
    workers: int
    processor: list[float] = field(default_factory=list)
    out: int = 0
    back: list[int] = field(default_factory=list)

    def share(self, path: Path, digest: str) -> SharedFile:
        """Pass on."""
        return self.engine.share(path, digest)

    def run(self, job: Any, tasks: Sequence[Any], given: object = None, *, stay: bool = False) -> Iterator[Any]:  # noqa: ANN401
        """Pass on, and watch."""
        began = time.process_time()
        outcomes = list(self.engine.run(job, tasks, given, stay=stay))
        if getattr(getattr(job, "func", None), "__name__", "") == "gradient":
            self.processor.append(time.process_time() - began)
            self.out = len(pickle.dumps(given, 5))
            self.back = [len(pickle.dumps(outcome, 5)) for _, outcome in outcomes]
        yield from outcomes


def echo(size: int, _task: int, _given: object) -> Any:  # noqa: ANN401
    """Return so many bytes."""
    return np.zeros(size, np.uint8)


def measure(data: Path) -> None:
    """Measure the parts of a step here, and say whether they add up with 1 and 2 workers."""
    with tempfile.TemporaryDirectory() as place:
        write_uneven_shards(data / "imdb" / "train.csv", Path(place))
        shards = find_shards(place)
        alone = Watched(Serial(), 1)
        steps, found = _trained(shards, alone)
        costs = _costs(steps, alone, found)
        print(f"{found.rows:,} rows, alone: a step {median(steps.seconds):.3f} s; {costs}")
        print(f"a row kept: {_bytes_kept(shards, found.model):,.0f} bytes")
        for workers in (1, 2):
            with dask_engine(workers=workers) as engine:
                watched = Watched(engine, workers)
                steps, _ = _trained(shards, watched)
                call, network = _network(engine, workers, watched)
            simulated = step_seconds(replace(costs, call=call, task=0.0), found.rows, workers, network)
            share, back = share_sent(costs, workers), [f"{each / 1e6:.2f}" for each in watched.back]
            print(
                f"{workers} worker(s): a step {median(steps.seconds):.3f} s, simulated {simulated:.3f} s;"
                f" a call {call * 1e3:.0f} ms, {network.bandwidth / 1e6:,.0f} MB/s;"
                f" sent out {watched.out / 1e6:.2f} MB, back {'+'.join(back)} MB"
                f" (share {sum(watched.back) / workers / max(watched.out, 1):.2f}, simulated {share:.2f})"
            )


@dataclass
class Steps:
    """Seconds of each step, and this process's processor time of each."""

    seconds: list[float]
    processor: list[float]


def _trained(shards: Sequence[Shard], engine: Watched) -> tuple[Steps, TrainedOnFiles]:
    """Train by some steps; return what each took."""
    at: list[tuple[float, float]] = []
    listener = Listener(epoch=lambda _step, _most: at.append((time.perf_counter(), time.process_time())))
    settings = Settings(l2=0.15, valid_fraction=0.0, epochs=STEPS)
    vectors = open_vectors("starter", say=lambda _: None)
    found = train_files(engine, shards, TableOptions(), settings, vectors, Resources(listener))
    return Steps(*np.diff(at, axis=0).T.tolist()), found


def _costs(steps: Steps, alone: Watched, found: TrainedOnFiles) -> Costs:
    parameters, gradient = alone.out / 4, median(alone.processor)
    own = max(median(steps.processor) - gradient, 0.0)
    idf = np.concatenate([table.idf for table in found.model.features.ngrams]).astype(np.float64)
    texts = np.round((1 + found.rows) / np.exp(idf - 1) - 1)
    edges = [2, 3, 4, 8, 32, 256, np.inf]
    parts = [texts[(texts >= low) & (texts < high)] for low, high in pairwise(edges)]
    frequencies = tuple((round(float(np.median(part)), 1), round(len(part) / len(texts), 3)) for part in parts)
    return Costs(gradient / found.rows, parameters, own / parameters, frequencies=frequencies)


def _bytes_kept(shards: Sequence[Shard], model: Model) -> float:
    """Return the bytes of C, C' and S that a row takes on a worker, from the rows of the first file."""
    with shards[0].local() as path, open_table(path, TableOptions(), labelled=True) as table:
        matrix = model.features.extract(next(table.batches()).texts)
    entries = len(matrix.words.data) + matrix.ngrams.entries
    return 8 * entries / len(matrix) + 4 * model.E.shape[1]


def _network(engine: Engine, workers: int, watched: Watched) -> tuple[float, Network]:
    """Return the seconds of a call that sends next to nothing, and the bytes a second of one as for a gradient."""
    size = sum(watched.back) // workers
    seconds = {}
    for many in (1, size):
        given = np.zeros(many, np.uint8)
        tries = []
        for _ in range(7):
            began = time.perf_counter()
            list(engine.run(partial(echo, many), list(range(workers)), given, stay=True))
            tries.append(time.perf_counter() - began)
        seconds[many] = median(tries)
    sent = size * (np.ceil(np.log2(workers + 1)) + workers)
    return seconds[1], Network(0.0, float(sent / max(seconds[size] - seconds[1], 1e-3)))


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "simulate"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--parameters", type=float, help="so many, each of which stands in every worker's texts")
    chosen = parser.parse_args()
    if chosen.what == "simulate":
        many = {"parameters": chosen.parameters, "frequencies": EVERYWHERE} if chosen.parameters else {}
        simulate(chosen.rows, replace(Costs(), **many))
    elif chosen.data is None:
        parser.error("give --data DIR")
    else:
        measure(chosen.data)


if __name__ == "__main__":
    main()

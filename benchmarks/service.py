"""Requests a second of `textclf serve`, and how long they take, beside a FastAPI application that returns a constant.

python benchmarks/service.py MODEL                        single texts at 1, 16 and 128 connections
python benchmarks/service.py MODEL --reload 100           the model's file replaced so often under load
python benchmarks/service.py MODEL --soak 30 --seconds 60  1, 8, 64, 256 connections; half the peak for 30 minutes;
                                                          and more than is taken

All on this machine: a server, and a load generator in a process of its own that speaks HTTP over plain sockets. The
two servers are measured in turn, several times; ratios are those of the medians. The processor time of a request is the
figure to look at where other work runs on the machine.
"""

import argparse
import asyncio
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

TEXTS = Path(__file__).parent.parent / "data" / "reviews-test.csv"


def constant_server() -> None:
    """Serve a constant with FastAPI and uvicorn as they come: what any service in FastAPI can reach at most."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/predict")
    async def predict() -> dict[str, object]:
        return {"label": "positive", "confidence": 0.5}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", http="h11", loop="asyncio"))

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
        await serving

    asyncio.run(run())


class Answer(NamedTuple):
    """What came of a request; status 0 where the connection ended before its answer."""

    seconds: float
    status: int
    version: bytes
    says_when: bool  # it has a Retry-After


class Load(NamedTuple):
    """How a service is asked: by so many connections for so many seconds.

    Each asks again as soon as it is answered, or all together at `rate` requests a second where that is not 0. With
    `characters` each request holds one text of so many, else a review.
    """

    connections: int
    seconds: float
    rate: float = 0.0
    characters: int = 0


class Client(asyncio.Protocol):
    """One connection that asks, waits for the answer, and asks again until the time is over."""

    def __init__(self, requests: Iterator[bytes], load: Load, first: float, answers: list[Answer]) -> None:
        self.requests, self.answers = requests, answers
        self.interval = load.connections / load.rate if load.rate else 0.0
        self.due, self.until = first, time.perf_counter() + load.seconds
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.buffer, self.length = b"", None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.loop.call_later(self.due, self.ask)
        self.due += time.perf_counter()

    def ask(self) -> None:
        self.began = self.due if self.interval else time.perf_counter()  # a late request has waited already
        if time.perf_counter() > self.until:
            self.transport.close()
            self.done.set_result(None)
            return
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.length is None:
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            self.status, self.says_when = int(head[9:12]), b"retry-after:" in head.lower()
            self.length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            self.buffer = rest
        if len(self.buffer) >= self.length:
            found = re.search(rb'"version":(\d+)', self.buffer)
            self.note(self.status, found[1] if found else b"", self.says_when)
            self.buffer, self.length = b"", None
            self.due += self.interval
            self.loop.call_later(max(0.0, self.due - time.perf_counter()) if self.interval else 0.0, self.ask)

    def note(self, status: int, version: bytes, says_when: bool) -> None:
        self.answers.append(Answer(time.perf_counter() - self.began, status, version, says_when))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.note(0, b"", False)
            self.done.set_result(None)


def bodies_of(characters: int) -> list[bytes]:
    """Return bodies of one text each: the reviews, or one of so many characters."""
    with TEXTS.open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    if characters:
        texts = [(" ".join(texts) * (1 + characters // 10_000))[:characters]]
    return [json.dumps({"texts": [text]}).encode() for text in texts]


async def generate(port: int, load: Load) -> None:
    """Ask and print what came: requests a second, seconds a request, statuses, versions of the model."""
    requests = cycle(
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
        for body in bodies_of(load.characters)
    )
    answers: list[Answer] = []
    loop = asyncio.get_running_loop()
    step = 1 / load.rate if load.rate else 0.0
    clients = [
        (await loop.create_connection(lambda n=n: Client(requests, load, n * step, answers), "127.0.0.1", port))[1]
        for n in range(load.connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    times = sorted(answer.seconds for answer in answers)
    turned_away = [answer for answer in answers if answer.status == 503]
    print(
        json.dumps({
            "rate": len(answers) / load.seconds,
            "median": statistics.median(times),
            "p99": times[int(0.99 * (len(times) - 1))],
            "failed": sum(answer.status != 200 for answer in answers),
            "5xx": sum(answer.status >= 500 for answer in answers),
            "503": len(turned_away),
            "says_when": sum(answer.says_when for answer in turned_away),
            "versions": len({answer.version for answer in answers if answer.version}),
        })
    )  # fmt: skip


class Server:
    """A server in a child process."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = found[1]
                return
        raise SystemExit("the server did not start")

    @property
    def processor_seconds(self) -> float:
        """What the process has taken of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, connections: int, seconds: float, *more: float) -> dict[str, float]:
        command = [sys.executable, __file__, "--generate", self.port, *map(str, (connections, seconds, *more))]
        before = self.processor_seconds
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return {**found, "processor": (self.processor_seconds - before) / (seconds * found["rate"])}

    @property
    def megabytes(self) -> float:
        """What the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def measure(model: str, seconds: float, rounds: int) -> None:
    """Measure both servers in turn and print a table."""
    servers = {
        "textclf serve": Server("-m", "textclf", "serve", model, "--port", "0"),
        "a constant": Server(__file__, "--constant"),
    }
    for server in servers.values():
        server.load(16, 2.0)
    print("connections  server         requests/s  median ms  p99 ms  processor ms  failed  of the constant")
    for connections in (1, 16, 128):
        found = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                found[name].append(server.load(connections, seconds))
        rates = {name: statistics.median(one["rate"] for one in runs) for name, runs in found.items()}
        for name, runs in found.items():
            median, p99, processor = (
                1000 * statistics.median(one[key] for one in runs) for key in ("median", "p99", "processor")
            )
            failed = sum(one["failed"] for one in runs)
            rate, share = rates[name], rates[name] / rates["a constant"]
            print(
                f"{connections:11}  {name:13}  {rate:10.0f}  {median:9.1f}  {p99:6.1f}  {processor:12.2f}  {failed:6}"
                f"  {share:15.2f}"
            )
    for server in servers.values():
        server.stop()


def measure_reload(model: str, times: int) -> None:
    """Replace the model's file so often while 16 connections ask, and print what came of the requests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        shutil.copyfile(model, path)
        server = Server("-m", "textclf", "serve", str(path), "--port", "0")
        seconds = 0.8 * times + 1
        command = [sys.executable, __file__, "--generate", server.port, "16", str(seconds)]
        generator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(times):
            fresh = path.with_suffix(".new")
            shutil.copyfile(model, fresh)
            fresh.replace(path)
            time.sleep(0.8)
        print(f"{times} replacements: {generator.communicate()[0].strip()}")
        server.stop()


def measure_soak(model: str, seconds: float, minutes: float) -> None:
    """Ask with 1 to 256 connections, then at half the peak for long, then with more than is taken; print a table."""
    server = Server("-m", "textclf", "serve", model, "--port", "0")
    print("| load | requests/s | median ms | p99 ms | not answered with 200 | memory, MB |\n|---|---|---|---|---|---|")

    def row(name: str, found: dict[str, float], more: str = "") -> None:
        median, p99 = 1000 * found["median"], 1000 * found["p99"]
        memory = more or f"{server.megabytes:.0f}"
        print(
            f"| {name} | {found['rate']:,.0f} | {median:.1f} | {p99:.1f} | {found['failed']:,} | {memory} |", flush=True
        )

    peak = 0.0
    for connections in (1, 8, 64, 256):
        found = server.load(connections, seconds)
        peak = max(peak, found["rate"])
        row(f"{connections} connection{'s' * (connections > 1)}", found)
    if minutes:
        server.load(64, 10, peak / 2)
        before = server.megabytes
        found = server.load(64, 60 * minutes, peak / 2)
        after = server.megabytes
        row(f"half the peak for {minutes:g} minutes", found, f"{before:.0f} to {after:.0f}, {after / before - 1:+.1%}")
    found = server.load(128, 10, 0, 100_000)
    row("128 connections, texts of 100,000 characters", found)
    row("8 connections, after that", server.load(8, 5))
    print(f"\nturned away with 503: {found['503']:,}, of them with Retry-After: {found['says_when']:,}")
    server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reload", type=int)
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--generate", nargs="+", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--constant", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.constant:
        constant_server()
    elif chosen.generate:
        port, connections, seconds, *more = chosen.generate
        load = Load(int(connections), seconds, *more[:1], *map(int, more[1:]))
        asyncio.run(generate(int(port), load))
    elif chosen.soak is not None:
        measure_soak(chosen.model, chosen.seconds, chosen.soak)
    elif chosen.reload:
        measure_reload(chosen.model, chosen.reload)
    else:
        measure(chosen.model, chosen.seconds, chosen.rounds)


if __name__ == "__main__":
    main()

"""Requests a second of `textclf serve`, and how long they take, beside a FastAPI application that returns a constant.

python benchmarks/service.py MODEL                        single texts at 1, 16 and 128 connections
python benchmarks/service.py MODEL --reload 100           the model's file replaced so often under load

All on this machine: a server, and a load generator in a process of its own that speaks HTTP over plain sockets. The
two servers are measured in turn, several times; ratios are those of the medians.
"""

import argparse
import asyncio
import csv
import json
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


class Client(asyncio.Protocol):
    """One connection that asks, waits for the answer, and asks again until the time is over."""

    def __init__(self, requests: Iterator[bytes], until: float, results: list[tuple[float, int, bytes]]) -> None:
        self.requests, self.until, self.results = requests, until, results
        self.done = asyncio.get_running_loop().create_future()
        self.buffer, self.length = b"", None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.began = time.perf_counter()
        if self.began > self.until:
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
            self.status = int(head[9:12])
            self.length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            self.buffer = rest
        if len(self.buffer) >= self.length:
            self.results.append((time.perf_counter() - self.began, self.status, self.buffer))
            self.buffer, self.length = b"", None
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.results.append((time.perf_counter() - self.began, 0, b""))
            self.done.set_result(None)


async def generate(port: int, connections: int, seconds: float) -> None:
    """Ask over so many connections and print what came: seconds a request, statuses, versions of the model."""
    with TEXTS.open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    bodies = [json.dumps({"texts": [text]}).encode() for text in texts]
    requests = cycle(
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
        for body in bodies
    )
    results = []
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    clients = [
        (await loop.create_connection(lambda: Client(requests, until, results), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    times = sorted(took for took, _, _ in results)
    versions = {re.search(rb'"version":(\d+)', body)[1].decode() for _, status, body in results if b"version" in body}
    print(
        json.dumps({
            "rate": len(results) / seconds,
            "median": statistics.median(times),
            "p99": times[int(0.99 * (len(times) - 1))],
            "failed": sum(status != 200 for _, status, _ in results),
            "versions": len(versions),
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

    def load(self, connections: int, seconds: float) -> dict[str, float]:
        command = [sys.executable, __file__, "--generate", self.port, str(connections), str(seconds)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

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
        server.load(16, 10.0)  # the compiled loops are ready by then, unless this is their first run
    print("connections  server         requests/s  median ms  p99 ms  failed  of the constant")
    for connections in (1, 16, 128):
        found = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                found[name].append(server.load(connections, seconds))
        rates = {name: statistics.median(one["rate"] for one in runs) for name, runs in found.items()}
        for name, runs in found.items():
            median, p99 = (1000 * statistics.median(one[key] for one in runs) for key in ("median", "p99"))
            failed = sum(one["failed"] for one in runs)
            rate, share = rates[name], rates[name] / rates["a constant"]
            print(f"{connections:11}  {name:13}  {rate:10.0f}  {median:9.1f}  {p99:6.1f}  {failed:6}  {share:15.2f}")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reload", type=int)
    parser.add_argument("--generate", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--constant", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.constant:
        constant_server()
    elif chosen.generate:
        port, connections, seconds = chosen.generate
        asyncio.run(generate(int(port), int(connections), float(seconds)))
    elif chosen.reload:
        measure_reload(chosen.model, chosen.reload)
    else:
        measure(chosen.model, chosen.seconds, chosen.rounds)


if __name__ == "__main__":
    main()

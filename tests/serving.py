"""Services for tests: small models, a service in a process of its own, and ways to speak to it."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from textclf.model.kept_examples import keep_examples
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors

WORDS = ["good", "fine", "bad", "ill", "film", "the", "lovely", "dull"]
VECTORS = WordVectors(
    WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32), "few", "0" * 64, "word2vec"
)
TEXTS = ["good film", "the fine film", "bad film", "ill", "good good", "the bad bad film", "fine!", "so ill"] * 3

MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ
"""Whether coverage counts what the service runs, for which it takes time and memory of its own."""

# What the child runs: the service as the command runs it, with limits of the test's choosing.
_CHILD = """
import json, sys
from pathlib import Path
from textclf.cli.signals import take_signals
from textclf.serve import ServeLimits, ServeSettings, serve
take_signals()
given = json.loads(sys.argv[1])
models = {name: Path(path) for name, path in given.pop("models").items()}
limits = ServeLimits(**given.pop("limits"))
try:
    serve(ServeSettings(models, port=0, limits=limits, **given), lambda address: print(address, file=sys.stderr))
except KeyboardInterrupt:  # SIGTERM too: a process that ends by itself keeps what coverage counted
    pass
"""


def save_model(path, labels=("up", "down"), kept=0, **settings):
    """Train a model of two classes and write it, with so many kept texts a class."""
    rows = [labels[0], labels[0], labels[1], labels[1]] * 6
    chosen = Settings(**{"threads": 1, "char_ngrams": (2, 4), **settings})
    model = train(LabelledTexts(TEXTS, rows), chosen, VECTORS).model
    (keep_examples(model, TEXTS, rows, kept) if kept else model).save(path)
    return path


class Running:
    """A service in a child process: its port, what it has logged, and how much it holds."""

    def __init__(self, process):
        self.process = process
        self.log = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), self.text
        assert self.port, self.text

    port = None

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                self._ready.set()
        self._ready.set()

    @property
    def text(self):
        return "".join(self.log)

    @property
    def megabytes(self):
        """What the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    @property
    def open_files(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def ask(self, method, path, body=None, timeout=30, **headers):
        """Return the status, the headers and the body of the answer; a body that is no bytes is sent as JSON."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, content):
        """Send bytes as they are and return what comes until the end; b"" where the connection is cut."""
        with self.connect() as connection:
            received = b""
            with suppress(OSError):
                connection.sendall(content)
            with suppress(OSError):
                while part := connection.recv(65536):
                    received += part
            return received

    def stop(self, kind=15):
        """End the service by a signal; return its exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(kind)
        code = self.process.wait(20)
        self._reader.join(10)
        self.process.stderr.close()
        return code, time.monotonic() - began


@contextmanager
def running(models, limits=None, command=None, **settings):
    """Run a service; `models` by name; with `command` the arguments of ``textclf`` instead."""
    paths = {name: str(path) for name, path in models.items()}
    given = json.dumps({"models": paths, "limits": limits or {}, **settings})
    arguments = ["-m", "textclf", *command] if command else ["-c", _CHILD, given]
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, encoding="utf-8")
    service = Running(process)
    try:
        yield service
    finally:
        if process.poll() is None:
            service.stop()

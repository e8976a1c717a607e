"""Let atheris look for bytes at which a reader of ours does anything but read or refuse.

    python tests/fuzz.py TARGET [SECONDS]      TARGET: vectors, model, csv, jsonl, tokenizer, request

It needs atheris, which is no dependency: `make fuzz` installs it in an environment of its own. What it starts from lies
in tests/corpus/TARGET. Without atheris the same targets are run over that corpus by tests/test_fuzz_targets.py.
"""

import asyncio
import functools
import io
import json
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 1 << 16


def vectors(content):
    """Scan the bytes as a file of word vectors."""
    from textclf.vectors.scan import scan

    with _file(content) as path:
        scan(path)


def model(content):
    """Read the bytes as a model file, header, description and arrays."""
    from textclf.model.model import Model

    with _file(content) as path:
        Model.load(path)


def csv(content):
    """Read the bytes as a table in CSV, in batches small enough that rows lie across them."""
    _table(content, "csv")


def jsonl(content):
    """Read the bytes as JSON Lines."""
    _table(content, "jsonl")


def tokenizer(content):
    """Cut the bytes, as UTF-8 that may hold lone surrogates, one text a line, and its pieces into sub-words."""
    from textclf.text.subwords import Spelling, piece_keys, subwords
    from textclf.text.tokenizer import tokenize

    texts = content.decode("utf-8", "surrogateescape").split("\n")
    tokens = tokenize(texts)
    assert len(tokens) == len(texts)
    assert len(tokens.text_numbers) == len(tokens.starts) == len(tokens.keys)
    numbers, keys = piece_keys(tokens)
    assert all(0 <= number < len(texts) for number in [*tokens.text_numbers.tolist(), *numbers.tolist()])
    spelling = Spelling.of_tokens(tokens)
    assert (spelling.index.rows(keys) >= 0).all()
    assert len(set(subwords(spelling, 2, 2)[0].tolist())) == len(spelling)  # each has the marks and a character


def request(content):
    """Answer the bytes as a request to the service: its path, headers a line, a blank line, the body."""
    head, _, body = content.partition(b"\n\n")
    path, *lines = head.split(b"\n")
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    # What the parser of requests sees to before any of our code runs: the length is true.
    headers = [pair for pair in pairs if pair[0] != b"content-length"] + [(b"content-length", b"%d" % len(body))]
    scope = {
        "type": "http", "method": "POST", "path": path.decode("latin-1"), "raw_path": path, "query_string": b"",
        "headers": headers,
    }  # fmt: skip
    parts = [{"body": body[: len(body) // 2], "more_body": True}, {"body": body[len(body) // 2 :]}]
    sent = []

    async def receive():
        return {"type": "http.request", **parts.pop(0)} if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    guard, loop = _guard()
    loop.run_until_complete(guard(scope, receive, send))
    said = json.loads(b"".join(message.get("body", b"") for message in sent))
    assert sent[0]["status"] == 200 or 400 <= sent[0]["status"] < 500, said
    assert sent[0]["status"] == 200 or "\n" not in said["error"]


TARGETS = {target.__name__: target for target in (vectors, model, csv, jsonl, tokenizer, request)}


def attempt(target, content):
    """Run a target on bytes: it reads them or refuses them with an error for people, of one line."""
    from textclf.errors import TextclfError

    said = ""
    try:
        TARGETS[target](content)
    except TextclfError as error:
        said = str(error)
    assert "\n" not in said, said


def _table(content, kind):
    from textclf.tables import TableOptions, open_table

    options = TableOptions(text_column="text", format=kind, on_error="skip")
    with open_table(io.BytesIO(content), options, labelled=False, batch_rows=3) as table:
        rows = [row for batch in table.batches() for row in batch.rows]
        rows += [refusal.row for refusal in table.refused]
    assert sorted(rows) == list(range(1, len(rows) + 1))  # each row is used or listed


@functools.cache
def _guard():
    """Return the guard of a service that reads requests and labels nothing, and a loop to run it in."""
    from textclf.serve.counters import Counters
    from textclf.serve.guard import Guard
    from textclf.serve.messages import ExplainRequest, PredictRequest, parse_request, write_json
    from textclf.serve.operations import Operation
    from textclf.serve.service_settings import ServeLimits, ServeSettings

    limits = ServeLimits(body=2000, upload=1000, texts=4, characters=100, headers=20, address=200)

    def reading(path, kind):
        async def read(request):
            return write_json(parse_request(kind, await request.body(), limits, limits.texts).model_dump())

        return Operation(path, "POST", read, body=kind)

    operations = [reading("/predict", PredictRequest), reading("/explain", ExplainRequest)]
    settings = ServeSettings({"one": Path("model")}, limits=limits)
    guard = Guard({one.path: one for one in operations}, settings, Counters(), None)
    return guard, asyncio.new_event_loop()


class _file:  # noqa: N801 -- used like a function
    def __init__(self, content):
        self.content = content

    def __enter__(self):
        self.stream = tempfile.NamedTemporaryFile(prefix="textclf-fuzz-")
        self.stream.write(self.content)
        self.stream.flush()
        return Path(self.stream.name)

    def __exit__(self, *_error):
        self.stream.close()


def main(arguments):
    """Fuzz one target for so many seconds, 60 by default."""
    target, seconds = arguments[0], int(arguments[1]) if len(arguments) > 1 else 60
    import atheris

    with atheris.instrument_imports(include=["textclf"]):
        if target == "request":
            import textclf.serve.guard
        import textclf.model.model
        import textclf.tables
        import textclf.text.tokenizer
        import textclf.vectors.scan  # noqa: F401 -- imported to be watched
    with tempfile.TemporaryDirectory() as found:
        limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1500", f"-max_len={LONGEST}"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", found, str(CORPUS / target)],
                      lambda content: attempt(target, content))  # fmt: skip
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

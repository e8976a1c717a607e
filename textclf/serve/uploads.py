"""POST /label: a table comes, the same table with its labels goes back as it is made, in constant memory.

The table goes to a temporary file first, because a client sends all of it before it reads. Then it is read through
once: a row that cannot be used is told in a clean answer before the first labelled row leaves, and the number of rows
stands in the answer's head. What is written is what ``textclf predict -i`` writes.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, BinaryIO, ClassVar, TypeVar, cast

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from textclf.errors import TextclfError
from textclf.model.bulk import BATCH_ROWS, predict_batches
from textclf.model.label_table import PredictionColumns
from textclf.model.model import Model
from textclf.serve.messages import Problem
from textclf.serve.metrics import Metrics
from textclf.serve.registry import Shelved
from textclf.serve.settings import Limits
from textclf.tables import Format, TableOptions, open_table, open_writer

Result = TypeVar("Result")

_KINDS = {"csv": "text/csv", "tsv": "text/tab-separated-values", "jsonl": "application/jsonl"}
# Python knows stranger ones, some of them slow: none that a table has.
_ENCODING = re.compile(
    r"(?i)utf-?8(-sig)?|utf-?(16|32)(-?[lb]e)?|latin-?1|ascii|iso-?8859-\d{1,2}|(cp|windows-)\d{3,4}"
    r"|gbk|gb2312|gb18030|big5|shift_jis|euc_(jp|kr)|koi8-[ru]|mac_?roman"
)
_PARAMETERS = {
    "model": "The model's name; the first model when left out.",
    "text_column": "The column of texts. Told from the header when left out.",
    "format": "csv (when left out), tsv or jsonl.",
    "separator": "What separates columns.",
    "no_quotes": 'true: a " is a character like any other.',
    "encoding": "The table's encoding; utf-8 when left out.",
    "on_error": "fail (when left out) or skip: what to do at a row that cannot be used.",
    "top_k": "Give the K likeliest labels.",
    "proba": "true: give the probability of every label.",
}


class _Named:
    """The uploaded bytes with the name that messages use."""

    name = "table"

    def __init__(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        self.read = stream.read


class _Gathered:
    """Takes what is written and hands it on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: bytes) -> int:
        """Keep bytes."""
        self._parts.append(content)
        return len(content)

    def take(self) -> bytes:
        """Return the bytes kept since the last time."""
        content = b"".join(self._parts)
        self._parts.clear()
        return content


@dataclass(frozen=True)
class _Job:
    """A table to label, in `stream`."""

    stream: IO[bytes]
    shelved: Shelved
    options: TableOptions
    wanted: PredictionColumns
    metrics: Metrics

    def count(self) -> tuple[int, int]:
        """Read through the table and return how many rows it has and how many more cannot be used."""
        with open_table(self._named(), self.options, labelled=False, batch_rows=BATCH_ROWS) as table:
            rows = sum(len(batch) for batch in table.batches())
            return rows, len(table.refused)

    def pieces(self) -> Generator[bytes, None, None]:
        """Give the labelled table piece by piece."""
        model: Model = self.shelved.model
        gathered = _Gathered()
        with (
            open_table(self._named(), self.options, labelled=False, batch_rows=BATCH_ROWS) as table,
            open_writer(cast(BinaryIO, gathered), table, self.wanted.names(model)) as writer,
        ):
            for batch, predictions in predict_batches(model, table.batches(), threads=1, ahead=False):
                writer.write(batch, self.wanted.values(model, predictions))
                self.metrics.labelled(self.shelved.name, len(batch))
                yield gathered.take()
        yield gathered.take()

    def _named(self) -> BinaryIO:
        return cast(BinaryIO, _Named(self.stream))


class Uploads:
    """Takes tables, at most `Limits.tables` at a time."""

    OPENAPI: ClassVar[dict[str, Any]] = {
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in _PARAMETERS.items()
        ],
        "requestBody": {
            "required": True,
            "description": "The table itself, not a form.",
            "content": {kind: {"schema": {"type": "string"}} for kind in _KINDS.values()},
        },
    }

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._running = 0
        # Threads of its own, no more than tables: each thread keeps the memory that a piece of a table has taken.
        self._pool = ThreadPoolExecutor(limits.tables, "table")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def label(self, shelved: Shelved, request: Request) -> Response:
        """Return the table of the request's body with its labels; raises Problem where that cannot be."""
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            raise Problem(415, "body: expected the table itself, found a form. With curl: --data-binary @table.csv.")
        if self._running >= self._limits.tables:
            raise Problem(503, "busy: other tables are being labelled. Come back soon.", headers={"retry-after": "10"})
        self._running += 1
        stream = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - it lives as long as the answer
        try:
            return await self._opened(stream, shelved, request)
        except TextclfError as error:
            self._end(stream)
            raise Problem(422, _for_queries(str(error))) from None
        except ClientDisconnect:
            self._end(stream)
            raise Problem(400, "body: expected all of the table, found that the client left.") from None
        except BaseException:
            self._end(stream)
            raise

    async def _opened(self, stream: IO[bytes], shelved: Shelved, request: Request) -> Response:
        options, wanted = _wishes(request.query_params)
        await self._received(request, stream)
        job = _Job(stream, shelved, options, wanted, self._metrics)
        rows, refused = await self._in_thread(job.count)
        if not rows:
            raise Problem(422, f"table: expected rows to use, found that all {refused:,} are refused.")
        headers = {
            "content-disposition": f'attachment; filename="labelled.{options.format}"',
            "x-rows": str(rows),
            "x-rows-refused": str(refused),
        }
        return StreamingResponse(self._sent(job), headers=headers, media_type=_KINDS[str(options.format)])

    async def _sent(self, job: _Job) -> AsyncIterator[bytes]:
        pieces = job.pieces()
        try:
            while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
                if piece:
                    yield piece
        finally:
            with suppress(ValueError):  # a piece is still being made: it ends with its thread
                pieces.close()
            self._end(job.stream)

    async def _received(self, request: Request, stream: IO[bytes]) -> None:
        waiting: list[bytes] = []
        size = 0
        async for part in request.stream():
            waiting.append(part)
            size += len(part)
            if size > 1 << 20:
                await self._in_thread(partial(stream.write, b"".join(waiting)))
                waiting, size = [], 0
        stream.write(b"".join(waiting))
        if not stream.tell():
            raise Problem(422, "body: expected a table, found nothing.")
        stream.seek(0)
        if stream.read(4) == b"PAR1":
            raise Problem(415, "body: expected CSV, TSV or JSON Lines, found Parquet. `textclf predict -i` takes it.")

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _end(self, stream: IO[bytes]) -> None:
        self._running -= 1
        stream.close()


def _wishes(query: QueryParams) -> tuple[TableOptions, PredictionColumns]:
    unknown = set(query) - set(_PARAMETERS)
    if unknown:
        raise Problem(422, f"query: expected one of {', '.join(_PARAMETERS)}; found another name.")
    kind = query.get("format", "csv")
    if kind not in _KINDS:
        raise Problem(422, f"format: expected one of {', '.join(_KINDS)}, found another.")
    top_k = query.get("top_k")
    if top_k is not None and not re.fullmatch("[1-9][0-9]{0,5}", top_k):
        raise Problem(422, "top_k: expected a number from 1, found something else.")
    encoding = query.get("encoding") or "utf-8"
    if not _ENCODING.fullmatch(encoding):
        raise Problem(422, "encoding: expected one such as utf-8, utf-16, latin-1 or cp1252, found another.")
    options = TableOptions(
        text_column=query.get("text_column") or None,
        separator=query.get("separator") or None,
        quotes=not _flag(query, "no_quotes"),
        encoding=encoding,
        format=cast(Format, kind),
        on_error=cast(Any, query.get("on_error") or "fail"),
    )
    return options, PredictionColumns(top_k=int(top_k) if top_k else None, proba=_flag(query, "proba"))


def _flag(query: QueryParams, name: str) -> bool:
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise Problem(422, f"{name}: expected true or false, found something else.")
    return value == "true"


def _for_queries(message: str) -> str:
    """Return a message of the tables with options of the command line named as those of the query."""
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found[1].replace("-", "_"), message)

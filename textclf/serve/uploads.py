"""POST /label: a table comes, the same table with its labels goes back as it is made, in constant memory.

The table goes to a temporary file first, because a client sends all of it before it reads. Then it is read through
once: an invalid row is reported in a clean answer before the first labelled row leaves, and the number of rows
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
from typing import IO, BinaryIO, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from textclf.errors import TextclfError
from textclf.model.decision import Decision
from textclf.model.label_table import BATCH_ROWS, PredictionColumns, predict_batches
from textclf.model.model import Model
from textclf.serve.batching import Outcome
from textclf.serve.counters import Counters
from textclf.serve.messages import HttpError, LabelQuery
from textclf.serve.registry import ServedModel
from textclf.serve.service_settings import ServeLimits
from textclf.tables import TableOptions, find_compression, media_types, open_table, open_writer

_TYPES = media_types()
_KNOWN = "CSV, TSV, JSON Lines or JSON"
TABLE_TYPES = tuple(_TYPES.values())
"""The media types of the tables that come and go."""


class _NamedUpload:
    """The uploaded bytes with the name that messages use."""

    name = "table"

    def __init__(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        self.read = stream.read


class _ByteCollector:
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
class _TableJob:
    """A table to label, in `stream`."""

    stream: IO[bytes]
    served: ServedModel
    options: TableOptions
    wanted: PredictionColumns
    counters: Counters

    def count_rows(self) -> tuple[int, int]:
        """Read through the table and return how many rows it has and how many more are invalid."""
        with open_table(self._name_stream(), self.options, labelled=False, batch_rows=BATCH_ROWS) as table:
            rows = sum(len(batch) for batch in table.batches())
            return rows, len(table.refused)

    def label_pieces(self) -> Generator[bytes, None, None]:
        """Give the labelled table piece by piece."""
        model: Model = self.served.model
        gathered = _ByteCollector()
        with (
            open_table(self._name_stream(), self.options, labelled=False, batch_rows=BATCH_ROWS) as table,
            open_writer(cast(BinaryIO, gathered), table, self.wanted.names(model)) as writer,
        ):
            for batch, predictions in predict_batches(model, table.batches(), threads=1, ahead=False):
                writer.write(batch, self.wanted.values(model, predictions))
                self.counters.count_texts(self.served.name, len(batch))
                yield gathered.take()
        yield gathered.take()

    def _name_stream(self) -> BinaryIO:
        return cast(BinaryIO, _NamedUpload(self.stream))


class Uploads:
    """Takes tables, at most `ServeLimits.tables` at a time."""

    def __init__(self, limits: ServeLimits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._running = 0
        # Threads of its own, no more than tables: each thread keeps the memory that a piece of a table has taken.
        self._pool = ThreadPoolExecutor(limits.tables, "table")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def label(
        self, served: ServedModel, query: LabelQuery, decision: Decision | None, request: Request
    ) -> Response:
        """Return the table of the request's body with its labels; raises HttpError where that cannot be."""
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            raise HttpError(415, "body: expected the table itself, found a form. With curl: --data-binary @table.csv.")
        if self._running >= self._limits.tables:
            raise HttpError(
                503, "busy: other tables are being labelled. Come back soon.", headers={"retry-after": "10"}
            )
        self._running += 1
        stream = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - it lives as long as the answer
        try:
            return await self._start(stream, served, query, decision, request)
        except TextclfError as error:
            self._end(stream)
            raise HttpError(422, _rename_options(str(error))) from None
        except ClientDisconnect:
            self._end(stream)
            raise HttpError(400, "body: expected all of the table, found that the client left.") from None
        except BaseException:
            self._end(stream)
            raise

    async def _start(
        self, stream: IO[bytes], served: ServedModel, query: LabelQuery, decision: Decision | None, request: Request
    ) -> Response:
        options, wanted = _read_options(query, decision)
        options = options.read_for(served.model.features.columns)
        await self._receive(request, stream)
        job = _TableJob(stream, served, options, wanted, self._counters)
        rows, refused = await self._in_thread(job.count_rows)
        if not rows:
            raise HttpError(422, f"table: expected valid rows, found that all {refused:,} are invalid.")
        headers = {
            "content-disposition": f'attachment; filename="labelled.{options.format}"',
            "x-rows": str(rows),
            "x-rows-refused": str(refused),
        }
        return StreamingResponse(self._send_pieces(job), headers=headers, media_type=_TYPES[query.format])

    async def _send_pieces(self, job: _TableJob) -> AsyncIterator[bytes]:
        pieces = job.label_pieces()
        try:
            while (piece := await self._in_thread(lambda: next(pieces, None))) is not None:
                if piece:
                    yield piece
        finally:
            with suppress(ValueError):  # a piece is still being made: it ends with its thread
                pieces.close()
            self._end(job.stream)

    async def _receive(self, request: Request, stream: IO[bytes]) -> None:
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
            raise HttpError(422, "body: expected a table, found nothing.")
        stream.seek(0)
        head = stream.read(8)
        packed = find_compression(head)
        found = "Parquet" if head.startswith(b"PAR1") else packed and f"{packed.name} data"
        if found:
            raise HttpError(415, f"body: expected {_KNOWN}, found {found}. `textclf predict -i` takes it.")

    async def _in_thread(self, work: Callable[[], Outcome]) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _end(self, stream: IO[bytes]) -> None:
        self._running -= 1
        stream.close()


def _read_options(query: LabelQuery, decision: Decision | None) -> tuple[TableOptions, PredictionColumns]:
    options = TableOptions(
        text_column=query.text_column,
        separator=query.separator,
        quotes=not query.no_quotes,
        encoding=query.encoding,
        format=query.format,
        on_error=query.on_error,
    )
    return options, PredictionColumns(top_k=query.top_k, proba=query.proba, decision=decision)


def _rename_options(message: str) -> str:
    """Return a message of the tables with options of the command line named as those of the query."""
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found[1].replace("-", "_"), message)

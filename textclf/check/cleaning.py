"""Write a table again without the rows that are named: every other row as it was, byte for byte."""

from collections.abc import Collection
from pathlib import Path

from textclf.check.findings import KINDS, Checked
from textclf.errors import DataError
from textclf.tables import LoadedTable, Origin, TableOptions, open_table, open_writer


def rows_to_drop(checked: Checked, kinds: Collection[str]) -> dict[int, str]:
    """Return the rows that these kinds of findings name, and invalid rows, each with the reason.

    A copy goes only where the row that it is a copy of stays: of a chain of near-duplicates not all are lost.
    """
    named: dict[int, list[tuple[str, int | None]]] = {}
    for finding in checked.findings:
        if finding.kind in kinds or finding.kind == "unusable":
            for row, detail in zip(finding.rows, finding.details, strict=True):
                original = detail.get("like")
                named.setdefault(row, []).append((finding.kind, original if isinstance(original, int) else None))
    dropped: dict[int, str] = {}
    for row in sorted(named):
        for kind, original in named[row]:
            if original is None or original not in dropped:
                dropped[row] = KINDS[kind].reason + ("" if original is None else f" (row {original})")
                break
    return dropped


def write_without(
    origin: Origin, options: TableOptions, data: LoadedTable, dropped: Collection[int], target: Path
) -> None:
    """Write the table without the dropped and the invalid rows.

    The target's suffix decides the format, else it is the table's own; a row keeps its bytes where both have the
    same format. Raises DataError when the table is not as it was when it was checked, OutputError as `open_writer`.
    """
    at = 0
    with open_table(origin, options, labelled=True) as table, open_writer(target, table, ()) as writer:
        for batch in table.batches():
            if batch.texts != list(data.texts[at : at + len(batch)]):
                raise DataError(f"{table.name}: expected the rows that were checked, found others. Check it again.")
            at += len(batch)
            kept = batch.select([i for i, row in enumerate(batch.rows) if row not in dropped])
            writer.write(kept, [])
        if at != len(data):
            raise DataError(f"{table.name}: expected {len(data):,} rows, found {at:,}. Check it again.")

"""Label a Dask DataFrame, partition by partition."""

from pathlib import Path
from typing import TYPE_CHECKING

from textclf.errors import DataError
from textclf.model.label_table import predict_texts
from textclf.storage.files import sha256

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd


def predict(frame: "dd.DataFrame", model: str | Path, *, column: str) -> "dd.DataFrame":
    """Return the frame with the columns `label` and `confidence` for the texts of a column; nothing is computed yet.

    Rows, order and index stay. A missing text is labelled as an empty one. `model`: a model file that every worker can
    open under this path; each worker reads it once. Raises DataError when the column is missing or holds something else
    than texts, as the estimator does, and when the frame has a column of an added name.
    """
    if column not in frame.columns:
        raise DataError(f"column: expected one of {', '.join(map(str, frame.columns))}, found {column!r}.")
    taken = sorted({"label", "confidence"} & set(frame.columns))
    if taken:
        raise DataError(f"frame: expected no column {taken[0]!r}, found one. Rename it.")
    kind = frame._meta[column].dtype
    if kind.kind in "biufcmM":
        raise DataError(_no_text(column, f"the type {kind}"))
    path = Path(model).resolve()
    digest = sha256(path)
    # An empty frame of the same types: what Dask asks to be told.
    meta = _label(frame._meta, str(path), digest, column)
    return frame.map_partitions(_label, str(path), digest, column, meta=meta)


def _label(part: "pd.DataFrame", path: str, digest: str, column: str) -> "pd.DataFrame":
    from textclf.distributed.label import load_model

    values = part[column]
    model = load_model(Path(path), digest)
    model.require_one_text("predict of a data frame")
    texts = [
        "" if missing else _require_text(text, column) for text, missing in zip(values, values.isna(), strict=True)
    ]
    labels: list[str] = []
    confidence: list[float] = []
    for predictions in predict_texts(model, texts):
        labels += model.cells(predictions)
        confidence += predictions.confidence.tolist()
    import pandas as pd

    columns = {
        "label": pd.Series(labels, index=part.index, dtype="string"),
        "confidence": pd.Series(confidence, index=part.index, dtype="float64"),
    }
    return part.assign(**columns)


def _require_text(value: object, column: str) -> str:
    if not isinstance(value, str):
        raise DataError(_no_text(column, f"{type(value).__name__} {str(value)[:40]!r}"))
    return value


def _no_text(column: str, found: str) -> str:
    return (
        f"column {column!r}: expected texts, found {found}. Name the column of texts, or convert it:"
        f" frame[{column!r}].astype('string')."
    )

"""What commands write: results for standard output, talk for standard error."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textclf.model.drift import Profile
    from textclf.model.model import Model
    from textclf.model.prediction import Prediction
    from textclf.report import RunDetails
    from textclf.tables import Refusal
    from textclf.vectors import WordVectors

_REFUSALS_SHOWN = 20
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def say(message: str, *, quiet: bool = False) -> None:
    """Write one line of talk to standard error."""
    if not quiet:
        talk(message)


def warn(message: str) -> None:
    """Write one line of warning to standard error."""
    talk(f"Warning: {shown(message)}")


def talk(message: str) -> None:
    """Write one line to standard error; where nobody listens any more, the work goes on."""
    try:
        click.echo(message, err=True)
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def report_table(name: str, refused: "Sequence[Refusal]", sentences: list[str]) -> None:
    """Say what was met in a table, and list the first of the rows that were not used."""
    for sentence in sentences:
        warn(f"{name}: {sentence}.")
    for refusal in refused[:_REFUSALS_SHOWN]:
        warn(f"{name}: not used: {refusal}.")
    if len(refused) > _REFUSALS_SHOWN:
        more = len(refused) - _REFUSALS_SHOWN
        warn(f"{name}: not used: {more:,} more rows; --refused FILE or `textclf check` lists all.")


def write_refused(path: Path, tables: "Iterable[tuple[str, Sequence[Refusal]]]") -> None:
    """Write the rows of tables that were not used, as CSV: table, row (from 1), line, reason."""
    from textclf.storage.files import write_csv

    rows = ((name, r.row, "" if r.line is None else r.line, r.reason) for name, refused in tables for r in refused)
    write_csv(path, ("table", "row", "line", "reason"), rows)


def this_run(files: Mapping[str, Path | None], started: float) -> "RunDetails":
    """Return what a report says of the run that `started` then by `time.perf_counter`, and of the files it read."""
    import shlex

    from textclf.cli import ARGUMENTS
    from textclf.report import RunDetails

    arguments = click.get_current_context().meta.get(ARGUMENTS, ())
    command = shlex.join(["textclf", *arguments])
    return RunDetails.of(command, files, seconds=time.perf_counter() - started)


def report_drift(model: "Model", found: "Profile", name: str, target: "Path | None", *, quiet: bool) -> None:
    """Warn if the texts of a table are clearly unlike those of training, and write how they compare to `target`."""
    from textclf.storage.files import written_whole

    drift = model.drift(found)
    if drift is None:
        return
    if target is not None:
        with written_whole(target) as stream:
            stream.write((json.dumps({"file": name, **drift.as_dict()}, ensure_ascii=False, indent=2) + "\n").encode())
    if drift.differs and not quiet:
        warn(f"{name}: {drift.warning}")


def check_knows_drift(model: "Model", target: "Path | None") -> None:
    """Raise ModelError when drift is to be written, but the model does not know what its training texts were like."""
    from textclf.errors import ModelError

    if target is not None and model.reference is None:
        raise ModelError(
            "--drift: expected a model that keeps what its texts are like, found an older one. Train again."
        )


def open_chosen_vectors(source: str, *, cache: bool, quiet: bool) -> "WordVectors | None":
    """Return the vectors, what is worth a word about them said; None for ``none``."""
    from textclf.vectors import open_vectors

    if source == "none":
        return None
    vectors = open_vectors(source, cache=cache, say=lambda text: say(text, quiet=quiet))
    for note in vectors.notes:
        warn(f"{vectors.name}: {note}.")
    return vectors


def prediction_line(prediction: "Prediction", top_k: int | None) -> str:
    """Return a prediction as one line of JSON."""
    line: dict[str, Any] = {
        "text": prediction.text,
        **({"label": prediction.label} if prediction.labels is None else {"labels": list(prediction.labels)}),
        "confidence": round(prediction.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in ranked(prediction, top_k)},
        "known_words": prediction.known_words,
    }
    if prediction.abstained is not None:
        line["abstained"] = prediction.abstained
    return json_line(line)


def json_line(value: dict[str, Any]) -> str:
    """Return one line of JSON that any terminal and file can take; a lone surrogate stays an escape.

    So do the characters that a terminal may obey and JSON lets pass: C1 controls, and those that turn the writing
    around or break the line.
    """
    line = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return line if line.isprintable() else _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def ranked(prediction: "Prediction", top_k: int | None) -> list[tuple[str, float]]:
    """Return the labels and their probabilities, likeliest first, at most `top_k`."""
    best = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    return best[:top_k]

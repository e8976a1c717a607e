"""Kinds of values that options take, such as 2MB, 3-5 or spam=0.9."""

import json
import re
from pathlib import Path
from typing import Any

import click

from textclf.storage.remote import is_url


class NumberRange(click.FloatRange):
    """A range of numbers: click takes NaN for a number inside any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"expected a number, found {value!r}.", param, ctx)
        return number


class Separator(click.ParamType[str]):
    """A character between columns; a tab may be spelled out, as it is hard to type in a shell."""

    name = "separator"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the character."""
        return "\t" if value in ("\\t", "tab") else str(value)


class FormatChoice(click.Choice[str]):
    """The name of a table format, of those that are registered, which are only looked up when one is given."""

    def __init__(self) -> None:
        super().__init__([])

    @property
    def choices(self) -> tuple[str, ...]:
        """The names."""
        from textclf.tables import FORMAT_NAMES

        return FORMAT_NAMES

    @choices.setter
    def choices(self, _: tuple[str, ...]) -> None:
        """Take nothing: the registry has the names."""


class Bytes(click.ParamType[int]):
    """A size such as ``2MB``, ``500kB``, ``1.5GB`` or a number of bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes; a kB is 1000 of them, a KiB 1024."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)?", value.strip().lower())
        if found is None or float(found[1]) == 0:
            self.fail(f"expected a size such as 2MB, found {value!r}.", param, ctx)
        return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2] or ""])


_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Threshold(click.ParamType[tuple[str | None, float]]):
    """A threshold such as ``0.8``, or ``spam=0.9`` for one label."""

    name = "threshold"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str | None, float]:
        """Return the label, None for all, and the threshold."""
        label, sign, number = value.rpartition("=")
        try:
            threshold = float(number)
        except ValueError:
            threshold = -1.0
        if not 0.0 <= threshold <= 1.0 or (sign and not label):
            self.fail(f"expected a number of 0 to 1 such as 0.8, or spam=0.9, found {value!r}.", param, ctx)
        return (label if sign else None), threshold


class Sizes(click.ParamType[tuple[int, ...]]):
    """Layer sizes such as ``128,64``, or ``none``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the sizes."""
        if value == "none":
            return ()
        try:
            sizes = tuple(int(part) for part in value.split(","))
        except ValueError:
            sizes = (0,)
        if any(not 1 <= size <= 100_000 for size in sizes):
            self.fail(f"expected sizes of 1 to 100000 such as 128,64, or none, found {value!r}.", param, ctx)
        return sizes


class Span(click.ParamType[tuple[int, int]]):
    """The shortest and the longest n-gram, such as ``3-5``, or ``none``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return both lengths; (0, 0) for none."""
        if value == "none":
            return (0, 0)
        first, _, last = value.partition("-")
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 10):
            self.fail(f"expected SHORTEST-LONGEST of 1 to 10 such as 3-5, or none, found {value!r}.", param, ctx)
        return int(first), int(last)


class LabelList(click.ParamType[tuple[str, ...]]):
    """Labels such as ``bad,fair,good``."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the labels, without blanks around them."""
        labels = tuple(part.strip() for part in value.split(","))
        if len(set(labels)) < len(labels) or "" in labels or len(labels) < 2:
            self.fail(f"expected different labels such as bad,fair,good, found {value!r}.", param, ctx)
        return labels


class ClassWeight(click.ParamType[Any]):
    """``none``, ``balanced``, or a JSON file of labels and weights."""

    name = "class weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word, or the file's weights by label; raises DataError when the file is not as expected."""
        if value in ("none", "balanced"):
            return value
        return _read_by_label(Path(value), float, 'labels and weights such as {"spam": 5}')


def fetch_input(place: str, ctx: click.Context | None) -> Path:
    """Return the path of a file, and of one at a URL that of a copy, which is gone when the command `ctx` ends.

    Raises DataError where there is nothing at the URL.
    """
    if ctx is None or not is_url(place):
        return Path(place)
    from textclf.storage.files import temporary_folder
    from textclf.storage.remote import fetch

    return fetch(place, ctx.with_resource(temporary_folder()))


class LabelNames(click.ParamType[Any]):
    """A JSON file of labels and the words that say what each is about."""

    name = "label names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the file's words by label; raises DataError when the file is not as expected."""
        return _read_by_label(fetch_input(value, ctx), str, 'labels and words such as {"LOC": "place city country"}')


def _read_by_label(path: Path, kind: type, content: str) -> dict[str, Any]:
    """Return what a JSON file says of each label, values of this `kind`; whole numbers become floats."""
    from textclf.errors import DataError

    expected = f"{path}: expected a JSON object of {content}"
    try:
        found = json.loads(path.read_text("utf-8-sig"), parse_int=float)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{expected}, found something else ({error}). Correct the file.") from None
    if not isinstance(found, dict) or any(type(value) is not kind for value in found.values()):
        raise DataError(f"{expected}, found other values. Correct the file.")
    return found

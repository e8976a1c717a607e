"""One model, one file: arrays and a description, in the safetensors format, whole or refused.

The file is an 8-byte length, a JSON header, and the arrays' bytes. The header's metadata hold one value, ``textclf``:
the description as JSON, with a SHA-256 over the whole file in it (taken with the digest's own 64 places zero).
Any tool that reads safetensors opens it. Reading is ours and strict: nothing in the file can run, name another
file or ask for more memory than the file has bytes; the arrays stay on the disk until their pages are touched.
"""

import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import ModelError
from textclf.model.card import Bounds
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.quantized import ByteRows
from textclf.types import Array

FORMAT = 2
"""The newest version of the description and of the arrays' meaning; a file with a higher one is refused."""
PLAIN = 1
"""The version of a file without numbers in 8 bits and keys in 32: all that the first readers know."""

_KEY = "textclf"
_NO_DIGEST = "0" * 64
_LARGEST_HEADER = 1 << 20
_MOST_ARRAYS = 64
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "F64": np.dtype("<f8"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
}

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class FileFacts:
    """What a file was when it was read: its name and its bytes, whatever lies under that name by now."""

    name: str
    content: npt.NDArray[np.uint8]

    @property
    def bytes(self) -> int:
        """How many bytes it had."""
        return self.content.nbytes

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content.data).hexdigest()


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds: arrays by name (mapped from the disk, or in memory) and the description.

    `sha256` is the digest that stands in the description; `facts` has that of the whole file.
    """

    path: Path
    arrays: Arrays
    description: dict[str, Any]
    sha256: str
    facts: FileFacts

    def unlike(self, what: str) -> ModelError:
        """Return the error of a file that is whole but no model: `what` names a part, what was expected and found."""
        return ModelError(f"{self.path}: {what}. Train the model again.")

    def array(self, name: str, dtype: str, *shape: int | None, bounds: Bounds | None = None) -> npt.NDArray[Any]:
        """Return the array of this name, which must have this dtype (``F32``, ``I64|I32`` …) and shape.

        None fits any length.
        Raises ModelError when it is missing, of another dtype or shape, or holds a number that is not finite, or out of
        `bounds`.
        """
        array = self.arrays.get(name)
        if array is None:
            raise ModelError(f"{self.path}: expected an array {name!r}, found none. This is not a textclf model.")
        fits = len(array.shape) == len(shape) and all(
            expected in (None, found) for expected, found in zip(shape, array.shape, strict=True)
        )
        if array.dtype not in [_DTYPES[kind] for kind in dtype.split("|")] or not fits:
            wanted = " × ".join("any" if length is None else str(length) for length in shape)
            raise ModelError(
                f"{self.path}: expected {name!r} of {dtype} and shape {wanted}, "
                f"found {array.dtype.name} and {list(array.shape)}. The file is damaged or was not made by textclf."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(f"{self.path}: {name!r} holds a number that is not finite. Train the model again.")
        return self._within(name, array, bounds)

    def _within(self, name: str, array: Array, bounds: Bounds | None) -> Array:
        if bounds is not None and array.size and not bounds.lowest <= array.min() <= array.max() <= bounds.highest:
            expected = f"numbers of {bounds.lowest:g} to {bounds.highest:g}"
            raise self.unlike(f"{name}: expected {expected}, found {array.min():g} to {array.max():g}")
        return array

    def rows(self, name: str, n: int, d: int, bounds: Bounds) -> Array | ByteRows:
        """Return the matrix (n, d) of this name, as it is or as `ByteRows`; raises ModelError as `array` does."""
        if f"{name}.scales" not in self.arrays:
            return self.array(name, "F32", n, d, bounds=bounds)
        codes, scales = self.array(name, "I8", n, d), self.array(f"{name}.scales", "F16", n)
        if (scales < 0).any():
            raise ModelError(f"{self.path}: {name!r} has a scale below zero. Export the model again.")
        return ByteRows(codes, scales)

    def numbers(self, name: str, n: int, bounds: Bounds) -> Array:
        """Return the numbers (n,) of this name, stored as they are or as `value_arrays`; raises ModelError likewise."""
        if f"{name}.values" not in self.arrays:
            return self.array(name, "F32", n, bounds=bounds)
        codes, values = self.array(name, "U8", n), self.array(f"{name}.values", "F32", None, bounds=bounds)
        if n and codes.max() >= len(values):
            raise ModelError(f"{self.path}: the numbers {name!r} are damaged. Train the model again.")
        decoded: Array = values[codes]
        return decoded

    def strings(self, name: str) -> PackedStrings:
        """Return the strings stored as `PackedStrings.arrays` under this name, or raise ModelError."""
        blob, offsets = self.array(name, "U8", None), self.array(f"{name}.offsets", "I64|I32", None)
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(blob) or (offsets[1:] < offsets[:-1]).any():
            raise ModelError(f"{self.path}: the strings {name!r} are damaged. Train the model again.")
        return PackedStrings(blob, offsets.astype(np.int64, copy=False))


def write_model(
    path: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
    *,
    version: int = PLAIN,
    check: Callable[[ModelFile], object] = lambda _: None,
) -> str:
    """Write a model file whole or not at all, and return its SHA-256. The same content gives the same bytes.

    The bytes are read before they are written, by what reads a file and then by `check`, so that no file is written
    that would be refused afterwards. Raises ModelError as reading does.
    """
    from textclf.storage.files import write_whole  # tempfile, random and shutil: not for reading

    try:
        content = _pack(arrays, description, version)
        check(_read(path, np.frombuffer(content, np.uint8), signed=False))
    except ModelError as error:
        found = str(error).removeprefix(f"{path}: ")
        raise ModelError(f"{path}: not written, as it could not be read again: {found}") from None
    parts, digest = _sign(content)
    with write_whole(path) as stream:
        stream.writelines(parts)
    return digest


def model_bytes(
    arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], *, version: int = PLAIN
) -> tuple[list[memoryview], str]:
    """Return the content of a model file in parts, and its SHA-256."""
    return _sign(_pack(arrays, description, version))


def _pack(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], version: int) -> bytes:
    """Return the content of a model file but for its digest, whose places are zero."""
    from safetensors.numpy import save

    described = {"format": version, "sha256": _NO_DIGEST, **description}
    try:
        text = json.dumps(described, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as error:
        found = "half a surrogate pair" if isinstance(error, UnicodeError) else "a number that is not finite"
        raise ModelError(f"description: expected what JSON can hold, found {found}. Train the model again.") from None
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {_KEY: text})
    if int.from_bytes(content[:8], "little") > _LARGEST_HEADER:
        raise ModelError(
            f"the description of the model is over {_LARGEST_HEADER} bytes. Train for fewer epochs, or shorten labels."
        )
    return content


def _sign(content: bytes) -> tuple[list[memoryview], str]:
    digest = hashlib.sha256(content).hexdigest()
    place, view = content.index(_NO_DIGEST.encode()), memoryview(content)
    return [view[:place], memoryview(digest.encode()), view[place + len(digest) :]], digest


def read_model(path: Path, *, mapped: bool = True) -> ModelFile:
    """Open a model file: header checked, checksum verified, arrays mapped, or else held in memory.

    Arrays in memory stay as they are when something writes over the file.
    Raises ModelError when the file is missing, is not a textclf model, is damaged, or is of a newer format.
    """
    return _read(path, _content(path, mapped), signed=True)


def _read(path: Path, content: npt.NDArray[np.uint8], *, signed: bool) -> ModelFile:
    """Return what the bytes of a model file hold; `signed`: they have their checksum already."""
    header, data = _split(path, content)
    description = _description(path, header)
    if description["format"] > FORMAT:
        raise ModelError(
            f"{path}: expected a model of format {FORMAT} or older, found format {description['format']}. "
            "It was made by a newer textclf: upgrade textclf."
        )
    digest = description.get("sha256")
    if not isinstance(digest, str) or not digest.isascii() or (signed and digest != _digest(content, digest)):
        raise ModelError(f"{path}: the checksum does not fit: the file is damaged. Copy it again, or train again.")
    return ModelFile(path, _arrays(path, header, data), description, digest, FileFacts(path.name, content))


def _content(path: Path, mapped: bool) -> npt.NDArray[np.uint8]:
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "nothing" if not path.exists() else "no regular file"
            raise ModelError(f"{path}: expected a model file, found {kind}. `textclf train` makes one.")
        if path.stat().st_size < 8:
            raise _not_a_model(path, "the file is too short")
        if sys.platform == "win32":
            mapped = False  # a mapped file could not be replaced there, as by a service that runs
        return np.memmap(path, np.uint8, mode="r") if mapped else np.fromfile(path, np.uint8)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Check the name and your permissions.") from error


def _split(path: Path, content: npt.NDArray[np.uint8]) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    length = int.from_bytes(content[:8].tobytes(), "little")
    if length > min(_LARGEST_HEADER, len(content) - 8) or content[8:9].tobytes() != b"{":
        raise _not_a_model(path, "it does not begin like one")
    try:
        header = _strict_json(content[8 : 8 + length].tobytes().decode())
    except (ValueError, RecursionError):
        raise _not_a_model(path, "its header is not JSON, or names something twice") from None
    return header, content[8 + length :]


def _description(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str) or len(metadata) != 1:
        raise _not_a_model(path, "it lacks the description")
    try:
        description = _strict_json(metadata[_KEY])
    except (ValueError, RecursionError):
        raise _not_a_model(path, "its description is damaged") from None
    if type(description.get("format")) is not int or description["format"] < 1:
        raise _not_a_model(path, "its description is damaged")
    return description


def _arrays(path: Path, header: dict[str, Any], data: npt.NDArray[np.uint8]) -> Arrays:
    if len(header) > _MOST_ARRAYS:
        raise _not_a_model(path, f"it has over {_MOST_ARRAYS} arrays")
    arrays: Arrays = {}
    end = 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            dtype, shape, (start, stop) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
            numbers = [start, stop, *shape]
            if any(type(number) is not int or number < 0 for number in numbers) or len(shape) > 2:
                raise ValueError
            if start != end or stop - start != math.prod(shape) * dtype.itemsize or stop > len(data):
                raise ValueError
            arrays[name] = data[start:stop].view(dtype).reshape(shape)
            end = stop
        if end != len(data):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise _not_a_model(path, "its arrays are not laid out as its header says") from None
    return arrays


def _digest(content: npt.NDArray[np.uint8], digest: str) -> str:
    length = int.from_bytes(content[:8].tobytes(), "little")
    head = content[: 8 + length].tobytes()
    sha256 = hashlib.sha256(head.replace(digest.encode(), _NO_DIGEST.encode(), 1))
    sha256.update(content[8 + length :].data)
    return sha256.hexdigest()


def _strict_json(text: str) -> dict[str, Any]:
    """Return the JSON object; raises ValueError when it is none, when a name stands twice, on NaN and infinities."""
    value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError(text[:20])
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError
    return names


def _not_a_model(path: Path, why: str) -> ModelError:
    return ModelError(f"{path}: expected a model made by `textclf train`, but {why}. Name another file.")
